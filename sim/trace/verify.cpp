// The recount behind `spikeloom inspect --verify`; see inspect.hpp.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/bit_packing.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "sim/trace/inspect.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

constexpr double kTimeTolerance = 1e-6;  // ms; libsonata's

// The first fault of a kind and how many there are.
class Fault {
 public:
  void add(const std::string& text) {
    if (count_++ == 0) first_ = text;
  }
  void report(const std::string& where, std::vector<std::string>& out) const {
    if (count_ == 0) return;
    out.push_back(count_ == 1 ? where + ": " + first_
                              : fmt::format("{}: {} (and {} more)", where, first_, count_ - 1));
  }
  bool empty() const noexcept { return count_ == 0; }

 private:
  std::string first_;
  int64_t count_ = 0;
};

// Checks the event list of a population, fed with the events that the bits tell, in order.
class EventCheck {
 public:
  EventCheck(const TraceFile& trace, size_t population)
      : trace_(trace), population_(population), entry_(trace.populations()[population]) {}

  // `times`: of a level, as often as its magnitude says.
  void expect(int64_t node, double time_ms, int64_t times) {
    const int64_t end = next_ + times;
    for (; next_ < std::min(end, entry_.events) && broken_.empty(); ++next_) compare(node, time_ms);
    next_ = end;
  }

  void report(std::vector<std::string>& out) {
    if (next_ != entry_.events) {
      broken_.add(fmt::format("the event list has {} events, the bits {}", entry_.events, next_));
    }
    broken_.report(entry_.name, out);
  }

 private:
  void compare(int64_t node, double time_ms) {
    constexpr int64_t kBlock = 65536;
    if (next_ - start_ >= static_cast<int64_t>(block_.nodes.size())) {
      start_ = next_;
      block_ = trace_.events(population_, start_, std::min(kBlock, entry_.events - start_));
    }
    const auto i = static_cast<size_t>(next_ - start_);
    const double time = block_.times_ms[i];
    if (block_.nodes[i] != static_cast<uint64_t>(node) ||
        !(std::abs(time - time_ms) <= kTimeTolerance)) {
      broken_.add(fmt::format("event {} is node {} at {} ms, the bits say node {} at {} ms", next_,
                              block_.nodes[i], time, node, time_ms));
    }
  }

  const TraceFile& trace_;
  size_t population_;
  const TracePopulation& entry_;
  TraceEvents block_;
  int64_t start_ = 0, next_ = 0;
  Fault broken_;
};

// Every row of the bits against popcount, pad and events.
void check_rows(const TraceFile& trace, size_t p, const std::vector<uint32_t>& counts,
                const std::vector<TraceRow>& rows, std::vector<std::string>& faults) {
  const TracePopulation& entry = trace.populations()[p];
  const auto row_bytes = static_cast<size_t>(packed_bytes(entry.bits()));
  const int64_t block = trace.block_rows(p);
  Fault popcount, pad;
  EventCheck events(trace, p);
  for (int64_t first = 0; first < entry.rows; first += block) {
    const std::vector<uint8_t> bits = trace.bits(p, first, std::min(block, entry.rows - first));
    for (size_t offset = 0; offset < bits.size(); offset += row_bytes) {
      const auto row = static_cast<size_t>(first) + offset / row_bytes;
      const auto packed = std::span(bits).subspan(offset, row_bytes);
      const int64_t ones = count_packed_levels(packed, entry.neurons, entry.levels);
      if (ones != counts[row]) {
        popcount.add(
            fmt::format("row {}: popcount is {}, the bits hold {}", row, counts[row], ones));
      }
      if (entry.bits() % 8 != 0 && packed.back() >> (entry.bits() % 8) != 0) {
        pad.add(fmt::format("row {}: pad bits are set", row));
      }
      if (entry.events < 0 || rows.empty()) continue;
      const TraceSample& sample = trace.samples()[static_cast<size_t>(rows[row].sample)];
      const double time = static_cast<double>(sample.first_step + rows[row].step) * entry.dt_ms;
      for_each_level(packed, entry.neurons, entry.levels, [&](int64_t node, int64_t level) {
        events.expect(node, time, std::abs(level));
      });
    }
  }
  popcount.report(entry.name, faults);
  pad.report(entry.name, faults);
  if (entry.events >= 0 && (!rows.empty() || entry.rows == 0)) events.report(faults);
}

void check_population(const TraceFile& trace, size_t p, std::vector<std::string>& faults) {
  const TracePopulation& entry = trace.populations()[p];
  std::vector<TraceRow> rows;
  try {
    rows = trace.rows(p);
    int64_t steps = 0;
    for (const TraceSample& sample : trace.samples()) steps += sample.steps;
    if (!trace.is_partial() && trace.header().complete && entry.rows != steps) {
      faults.push_back(fmt::format("{}: {} rows for {} steps", entry.name, entry.rows, steps));
    }
  } catch (const Error& error) {
    faults.push_back(error.what());
    if (!entry.fault.empty()) return;
  }
  try {
    check_rows(trace, p, trace.popcounts(p), rows, faults);
  } catch (const Error& error) {
    faults.push_back(error.what());
  }
}

// Only a file of all steps of all populations can tell the signature.
void check_signature(const TraceFile& trace, std::vector<std::string>& faults) {
  if (trace.header().signature.empty() || trace.is_partial() || !trace.has_all_populations())
    return;
  std::vector<std::string> names;
  std::vector<uint64_t> hashes;
  for (size_t p = 0; p < trace.populations().size(); ++p) {
    uint64_t hash = kFnvStart;
    try {
      for (const uint32_t count : trace.popcounts(p)) hash = hash_spike_count(count, hash);
    } catch (const Error&) {
      return;  // listed already
    }
    names.push_back(trace.populations()[p].layer);
    hashes.push_back(hash);
  }
  const std::string counted = signature_text(names, hashes);
  if (counted != trace.header().signature) {
    faults.push_back(fmt::format("signature is {}, the spike counts give {}",
                                 printable(trace.header().signature), counted));
  }
}

void check_text(const TraceFile& trace, const char* name, std::string (TraceFile::*read)() const,
                std::vector<std::string>& faults) {
  try {
    const std::string text = (trace.*read)();
    if (!text.empty()) parse_json(text, name);
  } catch (const Error& error) {
    faults.push_back(error.what());
  }
}

}  // namespace

std::vector<std::string> verify(const TraceFile& trace) {
  std::vector<std::string> faults;
  if (!trace.header().complete) faults.push_back(trace.warning());
  for (size_t p = 0; p < trace.populations().size(); ++p) check_population(trace, p, faults);
  check_signature(trace, faults);
  check_text(trace, "config", &TraceFile::config_json, faults);
  check_text(trace, "graph", &TraceFile::graph_json, faults);
  return faults;
}

}  // namespace spikeloom
