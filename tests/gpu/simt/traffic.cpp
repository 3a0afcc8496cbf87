// What accesses cost: the n-th visits of a source line by the lanes of a warp are one request.

#include <algorithm>
#include <array>
#include <string_view>

#include "tests/gpu/simt/engine.hpp"

namespace spikeloom::simt {
namespace {

using Pieces = std::vector<std::pair<uint64_t, uint32_t>>;  // address and size, per lane

size_t distinct(std::vector<uint64_t>& values) {
  std::sort(values.begin(), values.end());
  return static_cast<size_t>(std::unique(values.begin(), values.end()) - values.begin());
}

std::vector<uint64_t> units_of(const Pieces& pieces, uint64_t unit) {
  std::vector<uint64_t> units;
  for (const auto& [at, size] : pieces)
    for (uint64_t u = at / unit; u * unit < at + size; ++u) units.push_back(u);
  return units;
}

}  // namespace

void Engine::count(const Thread& thread, uint64_t at, size_t size, Use use, bool shared,
                   const Location& where) {
  const uint64_t key =
      std::hash<std::string_view>{}(where.file_name()) ^
      (uint64_t{where.line()} << 20 ^ uint64_t{where.column()} << 4 ^ static_cast<uint64_t>(use));
  Visits& visits = visits_[key];
  if (visits.file == nullptr) {
    visits = Visits{where.file_name(), where.line(), use, shared, {}, {}};
  }
  const size_t who = size_t{bid_} * bdim_ + thread.tid;
  if (visits.of_thread.size() <= who) visits.of_thread.resize(size_t{gdim_} * bdim_, 0);
  const uint64_t request = uint64_t{visits.of_thread[who]++} << 32 | (who / kWarp);
  visits.requests[request].emplace_back(at, static_cast<uint32_t>(size));
}

void Engine::add_up_traffic() {
  for (const auto& [key, visits] : visits_) {
    const std::string_view file = visits.file;
    static constexpr const char* kUses[] = {" read", " load", " write", " atomic"};
    Traffic sum{std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(visits.line) +
                    kUses[static_cast<size_t>(visits.use)],
                visits.shared, visits.requests.size(), 0, 0};
    for (const auto& [request, pieces] : visits.requests) {
      std::vector<uint64_t> words = units_of(pieces, 4);
      words.resize(distinct(words));
      if (visits.shared) {
        std::array<uint64_t, 32> per_bank{};
        for (const uint64_t word : words) ++per_bank[word % 32];
        sum.moved += *std::max_element(per_bank.begin(), per_bank.end());
        sum.least += (words.size() + 31) / 32;
      } else {
        std::vector<uint64_t> sectors = units_of(pieces, 32);
        sum.moved += distinct(sectors);
        sum.least += (words.size() + 7) / 8;
      }
    }
    report_.traffic.push_back(std::move(sum));
  }
  std::sort(report_.traffic.begin(), report_.traffic.end(),
            [](const Traffic& a, const Traffic& b) { return a.place < b.place; });
}

}  // namespace spikeloom::simt
