#include "hw_model/report/chip_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

// Members of one chip report, by JSON pointer from its root.
class Reader {
 public:
  explicit Reader(const NamedReport& report) : report_(report) {}

  const Json& need(const std::string& pointer) const {
    const Json::json_pointer at(pointer);
    if (!report_.json.contains(at)) fail(pointer, "is missing");
    return report_.json.at(at);
  }
  std::string text(const std::string& pointer) const {
    const Json& value = need(pointer);
    if (!value.is_string()) fail(pointer, "is not a text");
    return printable(value.get<std::string>());
  }
  double number(const std::string& pointer, double least = 0) const {
    return number_of(need(pointer), pointer, least);
  }
  double number_of(const Json& value, const std::string& pointer, double least = 0) const {
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!std::isfinite(number) || number < least)
      fail(pointer, least < 0 ? "is not a finite number" : "is not a finite, non-negative number");
    return number;
  }
  // 0 and `known` false for null.
  double number_or_unknown(const std::string& pointer, bool& known) const {
    known = !need(pointer).is_null();
    return known ? number(pointer) : 0;
  }
  int64_t count(const std::string& pointer, int64_t least = 0) const {
    const Json& value = need(pointer);
    constexpr auto kMost = static_cast<uint64_t>(int64_t{1} << 62);
    const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > kMost;
    if (!value.is_number_integer() || huge || value.get<int64_t>() < least)
      fail(pointer, "is no count");
    return value.get<int64_t>();
  }
  const Json& list(const std::string& pointer) const {
    const Json& value = need(pointer);
    if (!value.is_array()) fail(pointer, "is not a list");
    return value;
  }
  const Json& object(const std::string& pointer) const {
    const Json& value = need(pointer);
    if (!value.is_object()) fail(pointer, "is not an object");
    return value;
  }
  bool has(const std::string& pointer) const {
    return report_.json.contains(Json::json_pointer(pointer));
  }
  [[noreturn]] void fail(const std::string& pointer, const char* what) const {
    throw Error(ErrorCode::kData, printable(report_.name) + ": report key " + pointer + " " + what);
  }

 private:
  const NamedReport& report_;
};

char read_mark(const Reader& read, const std::string& at) {
  const std::string mark = read.text(at + "/weakest_evidence");
  if (mark.size() != 1) read.fail(at + "/weakest_evidence", "is no mark");
  return mark[0];
}

std::vector<std::string> read_unpriced(const Reader& read, const std::string& at) {
  std::vector<std::string> unpriced;
  for (size_t i = 0; i < read.list(at + "/unpriced").size(); ++i)
    unpriced.push_back(read.text(at + "/unpriced/" + std::to_string(i)));
  return unpriced;
}

ChipRun::Verdict read_verdict(const Reader& read, const std::string& at) {
  ChipRun::Verdict verdict;
  verdict.id = read.text(at + "/id");
  const std::optional<Quantity> quantity = quantity_of(read.text(at + "/quantity"));
  if (!quantity) read.fail(at + "/quantity", "is unknown");
  verdict.quantity = *quantity;
  const std::string judged = read.text(at + "/verdict");
  const auto* known = std::find_if(std::begin(kJudgements), std::end(kJudgements),
                                   [&](Judgement one) { return name_of(one) == judged; });
  if (known == std::end(kJudgements)) read.fail(at + "/verdict", "is unknown");
  verdict.verdict = *known;
  if (read.has(at + "/against")) verdict.against = read.text(at + "/against");
  if (verdict.verdict == Judgement::kNotApplicable) return verdict;
  constexpr double kAny = -std::numeric_limits<double>::max();  // a limit may be below 0
  verdict.value = read.number(at + "/value");
  verdict.low = read.number(at + "/low", kAny);
  verdict.high = read.number(at + "/high", kAny);
  return verdict;
}

// Of a report older than 1.2: unknown; what stood as 0 without a price is not known either.
void read_coverage(const Reader& read, const std::string& at, ChipRun& run) {
  for (size_t i = 0; i < read.list(at + "/host").size(); ++i) {
    ChipRun::HostWork work;
    work.name = read.text(at + "/host/" + std::to_string(i) + "/name");
    run.host.push_back(std::move(work));
  }
  if (read.has(at + "/synaptic_work")) {
    run.coverage = {read.number(at + "/synaptic_work/on_chip"),
                    read.number(at + "/synaptic_work/priced")};
    return;
  }
  run.coverage = {std::nan(""), std::nan("")};
  const auto listed = [&](const char* what) {
    return std::find(run.unpriced.begin(), run.unpriced.end(), what) != run.unpriced.end();
  };
  run.known.time = run.latency_s > 0;
  run.known.static_j = !listed("static power") && run.known.time;
  run.known.idle_j = run.idle_j > 0;
  run.known.sync_j = !listed("energy of barriers") && run.known.time;
  run.known.host_j = run.host.empty() || run.host_j > 0;
}

// What the table shows of a run.
ChipRun read_run(const Reader& read, const std::string& at) {
  ChipRun run;
  run.label = read.text(at + "/label");
  run.chip = read.text(at + "/chip");
  if (read.has(at + "/refused")) {
    run.refused = read.text(at + "/refused");
    return run;
  }
  run.samples = read.count(at + "/samples", 1);
  run.weight_bits = read.count(at + "/network/weight_bits");
  run.mapper = read.text(at + "/mapping/mapper");
  run.cores_used = read.count(at + "/used/cores");
  if (read.has(at + "/used/cores_of_chip")) run.cores = read.count(at + "/used/cores_of_chip");
  run.chips_used = read.count(at + "/used/chips");
  bool in_use_known = true;
  run.utilisation = read.number_or_unknown(at + "/used/utilisation", in_use_known);
  const std::string energy = at + "/energy_per_inference", time = at + "/time_per_inference";
  for (const auto& [category, joules] : read.object(energy + "/by_category_j").items()) {
    const std::string name = printable(category);
    if (joules.is_null()) run.known.no_price.push_back(name);
    run.dynamic.push_back(
        {name, joules.is_null() ? 0 : read.number_of(joules, energy + "/by_category_j")});
  }
  run.dynamic_j = read.number(energy + "/dynamic_j");
  run.static_j = read.number_or_unknown(energy + "/static_j", run.known.static_j);
  run.idle_j = read.number_or_unknown(energy + "/idle_j", run.known.idle_j);
  run.sync_j = read.number_or_unknown(energy + "/sync_j", run.known.sync_j);
  run.host_j = read.number_or_unknown(energy + "/host_j", run.known.host_j);
  run.reload_j = read.number_or_unknown(energy + "/reload_j", run.known.reload_j);
  run.total_j = read.number(energy + "/total_priced_j");
  run.latency_s = read.number_or_unknown(time + "/latency_s", run.known.time);
  run.step_s = read.number_or_unknown(time + "/step_s", run.known.time);
  run.throughput = read.number_or_unknown(time + "/inferences_per_s", run.known.time);
  run.totals.messages = read.count(at + "/totals/packets");
  run.totals.hops = read.count(at + "/totals/hops");
  run.totals.events = read.count(at + "/totals/synaptic_events");
  const std::string level = read.text(at + "/level");
  for (const Level known : {Level::kCounts, Level::kBottleneck, Level::kEvent}) {
    if (name_of(known) == level) run.level = known;
  }
  if (name_of(run.level) != level) read.fail(at + "/level", "is no level");
  run.weakest = read_mark(read, at);
  run.unpriced = read_unpriced(read, at);
  read_coverage(read, at, run);
  for (size_t i = 0; i < read.list(at + "/break_even/verdicts").size(); ++i)
    run.break_even.verdicts.push_back(
        read_verdict(read, at + "/break_even/verdicts/" + std::to_string(i)));
  return run;
}

AcceleratorRow read_accelerator(const Reader& read, const std::string& at) {
  AcceleratorRow row;
  row.name = read.text(at + "/name");
  row.network = read.text(at + "/network");
  row.joules = read.number(at + "/joules");
  bool timed = true;
  row.seconds = read.number_or_unknown(at + "/seconds", timed);
  row.weakest = read_mark(read, at);
  row.unpriced = read_unpriced(read, at);
  return row;
}

// Assumptions that are not the same for all.
class Differences {
 public:
  void add(const char* key, const std::vector<std::string>& values) {
    if (std::set<std::string>(values.begin(), values.end()).size() < 2) return;
    json.push_back({{"key", key}, {"values", values}});
    section.table.rows.push_back({key, fmt::format("{}", fmt::join(values, " | "))});
  }
  Json json = Json::array();
  Section section{"differences", "Assumptions that differ"};
};

}  // namespace

bool is_chip_report(const Json& json) {
  return json.is_object() && json.contains("kind") && json["kind"] == "chip";
}

std::optional<ChipRun> chip_of(const Json& report) {
  const Json* hardware = find_in(report, {"energy", "hardware"});
  const Json* run = find_in(report, {"energy", "hardware", "run"});
  if (run == nullptr || !run->is_object()) return std::nullopt;
  NamedReport whole{"report.json", *run};
  whole.json["label"] = text_in(*hardware, {"chip"});
  for (const char* key : {"chip", "level", "weakest_evidence"})
    whole.json[key] = text_in(*hardware, {key});
  whole.json["unpriced"] = Json::array();
  for (const Json& term : list_in(*hardware, {"unpriced"}))
    whole.json["unpriced"].push_back(text_in(term, {"text"}));
  try {
    return read_run(Reader(whole), "");
  } catch (const Error&) {
    return std::nullopt;
  }
}

ChipReport chips_of(const std::vector<NamedReport>& reports) {
  ChipReport all;
  for (size_t r = 0; r < reports.size(); ++r) {
    const Reader read(reports[r]);
    const std::string version = read.text("/schema_version");
    if (version != "1.1" && version != "1.2" && version != "1.3" && version != "1.4")
      read.fail("/schema_version", "is unknown");
    for (size_t i = 0; i < read.list("/runs").size(); ++i) {
      ChipRun run = read_run(read, "/runs/" + std::to_string(i));
      run.label = fmt::format("[{}] {}", r + 1, run.label);
      all.runs.push_back(std::move(run));
    }
    for (size_t i = 0; i < read.list("/dense").size(); ++i) {
      AcceleratorRow row = read_accelerator(read, "/dense/" + std::to_string(i));
      row.name = fmt::format("[{}] {}", r + 1, row.name);
      all.dense.push_back(std::move(row));
    }
  }
  return all;
}

ComparisonResult compare_chips(const std::vector<NamedReport>& reports) {
  const ChipReport all = chips_of(reports);
  if (all.runs.size() < 2)
    throw Error(ErrorCode::kUsage, "a comparison of chips needs at least two runs");
  Json names = Json::array(), rows = Json::array();
  std::vector<std::string> signatures, levels, bits, samples, mappers;
  for (const NamedReport& report : reports) {
    names.push_back(report.name);
    signatures.push_back(Reader(report).text("/signature"));
  }
  for (const ChipRun& run : all.runs) {
    if (!run.refused.empty()) continue;
    levels.emplace_back(name_of(run.level));
    bits.push_back(std::to_string(run.weight_bits));
    samples.push_back(std::to_string(run.samples));
    mappers.push_back(run.mapper);
  }
  for (const ChipRun& run : all.runs) {
    Json row = {{"label", run.label}, {"chip", run.chip}};
    if (!run.refused.empty()) {
      row["refused"] = run.refused;
    } else {
      row["total_priced_j"] = run.total_j;
      const double ratio = ratio_of(all, run);
      row["ratio"] = ratio > 0 ? Json(ratio) : Json();
      const auto share = [](double value) { return std::isnan(value) ? Json() : Json(value); };
      row["synaptic_work"] = {{"on_chip", share(run.coverage.on_chip)},
                              {"priced", share(run.coverage.priced)}};
      row["latency_s"] = run.known.time ? Json(run.latency_s) : Json();
      row["unpriced"] = run.unpriced;
    }
    rows.push_back(std::move(row));
  }
  Differences differences;
  differences.add("signature of the trace", signatures);
  differences.add("samples", samples);
  differences.add("level", levels);
  differences.add("bits of a weight", bits);
  differences.add("mapper", mappers);
  Section& section = differences.section;
  section.table.columns = {{"assumption", Align::kLeft}, {"values", Align::kLeft}};
  if (section.table.rows.empty()) section.notes = {"None."};
  for (size_t r = 0; r < reports.size(); ++r) {
    if (Reader(reports[r]).text("/schema_version") == "1.1")
      section.notes.push_back(
          fmt::format("[{}] is of schema 1.1: it does not say which share of the synaptic work is "
                      "on the chip and priced.",
                      r + 1));
  }
  Json json{{"reports", names}, {"runs", rows}, {"differences", differences.json}};
  return {{std::move(section)}, std::move(json)};
}

}  // namespace spikeloom
