#include "run/recording_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/io/file.hpp"
#include "core/io/npz_writer.hpp"
#include "run/experiment.hpp"

namespace spikeloom {
namespace {

// Events over time in at most kBins equal parts, which grow with the recording.
class RateHistogram {
 public:
  void add(int64_t since_start) {
    while (since_start / width_ >= kBins) grow();
    ++bins_[static_cast<size_t>(std::max<int64_t>(0, since_start) / width_)];
  }
  int64_t width_us() const { return width_; }
  // Without the empty ones at the end.
  std::vector<int64_t> bins() const {
    auto end = bins_.end();
    while (end != bins_.begin() && *(end - 1) == 0) --end;
    return {bins_.begin(), end};
  }

 private:
  static constexpr int64_t kBins = 32;
  void grow() {
    for (size_t i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
    width_ *= 2;
  }
  std::vector<int64_t> bins_ = std::vector<int64_t>(kBins);
  int64_t width_ = 1000;
};

}  // namespace

bool is_recording(const std::string& path) {
  std::error_code failed;
  if (path == "-") return true;
  if (!std::filesystem::is_regular_file(path, failed)) return false;
  try {
    const Recording recording(path, {});
    // N-MNIST has no mark: a few bytes of anything may be an event.
    return recording.info().format != "nmnist" || path.ends_with(".bin");
  } catch (const Error& error) {
    return error.code() == ErrorCode::kUsage;
  }
}

std::optional<Error> why_no_recording(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return std::nullopt;
  constexpr std::string_view kMarks[] = {"#!AER-DAT", "\x93NUMPY", "PK\x03\x04", "% "};
  const InputFile file(path);
  std::string start(std::min<uint64_t>(16, file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  if (std::none_of(std::begin(kMarks), std::end(kMarks),
                   [&](std::string_view mark) { return start.starts_with(mark); }))
    return std::nullopt;
  try {
    const Recording recording(path, {});
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

Recording open_recording(const std::string& path, const std::vector<std::string>& sets) {
  Config config = Config::parse("", "--set");
  for (const std::string& assignment : sets) config.set(assignment);
  const RecordingOptions options = read_recording_options(config);
  const int64_t index = config.integer("dataset.skip", 0, 0);
  config.reject_unknown();
  return path == "-" ? Recording::standard_input("", options) : Recording(path, options, index);
}

RecordingFacts facts_of(Recording& recording) {
  RecordingFacts facts;
  RateHistogram rate;
  Events block;
  bool any = false;
  while (recording.next(block)) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (!any) facts.first_us = facts.last_us = block.t[i];
      any = true;
      facts.last_us = std::max(facts.last_us, block.t[i]);
      facts.on += block.p[i];
      rate.add(block.t[i] - facts.first_us);
    }
  }
  facts.info = recording.info();
  facts.bin_us = rate.width_us();
  facts.events_per_bin = rate.bins();
  return facts;
}

std::vector<RecordingFacts::Count> RecordingFacts::counts() const {
  return {{"wraps", "wraps of the clock", info.wraps},
          {"unknown_words",
           info.has_words() ? "words of no known type" : "events of impossible times, left out",
           info.unknown.count},
          {"invalid", "events marked as invalid, left out", info.invalid.count},
          {"outside", "events outside of the sensor, left out", info.outside.count},
          {"early", "events before the first time, left out", info.early.count},
          {"falls", "events before the one in front of them", info.falls.count}};
}

nlohmann::json to_json(const RecordingFacts& facts) {
  const RecordingInfo& info = facts.info;
  nlohmann::json json{{"format", info.format},
                      {"sensor", nullptr},
                      {"events", info.events},
                      {"on", facts.on},
                      {"off", info.events - facts.on},
                      {"first_us", facts.first_us},
                      {"last_us", facts.last_us},
                      {"words", info.words},
                      {"t_offset_us", nullptr},
                      {"bin_us", facts.bin_us},
                      {"events_per_bin", facts.events_per_bin},
                      {"notes", info.notes}};
  if (info.width > 0) json["sensor"] = {info.width, info.height};
  if (info.t_offset) json["t_offset_us"] = *info.t_offset;
  for (const RecordingFacts::Count& count : facts.counts()) json[count.name] = count.count;
  return json;
}

int64_t export_recording(Recording& recording, const std::string& path, const std::string& output) {
  Events all, block;
  while (recording.next(block)) {
    all.t.insert(all.t.end(), block.t.begin(), block.t.end());
    all.x.insert(all.x.end(), block.x.begin(), block.x.end());
    all.y.insert(all.y.end(), block.y.begin(), block.y.end());
    all.p.insert(all.p.end(), block.p.begin(), block.p.end());
    if (static_cast<int64_t>(all.size()) > kMostEvents)
      throw Error(ErrorCode::kCapacity, fmt::format("{}: more than {} events", path, kMostEvents));
  }
  const Shape shape{static_cast<int64_t>(all.size())};
  save_npz(output, {{"t", "<i8", shape, std::as_bytes(std::span(all.t))},
                    {"x", "<u2", shape, std::as_bytes(std::span(all.x))},
                    {"y", "<u2", shape, std::as_bytes(std::span(all.y))},
                    {"p", "|u1", shape, std::as_bytes(std::span(all.p))}});
  return shape[0];
}

}  // namespace spikeloom
