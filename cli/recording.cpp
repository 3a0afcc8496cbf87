#include "cli/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/npz_writer.hpp"
#include "core/io/text.hpp"
#include "datasets/events/recording.hpp"
#include "run/experiment.hpp"

namespace spikeloom {
namespace {

struct Asked {
  RecordingOptions options;
  int64_t index = 0;
};

Asked asked(const options::variables_map& values) {
  Config config = Config::parse("", "--set");
  if (values.count("set")) {
    for (const std::string& assignment : values["set"].as<std::vector<std::string>>())
      config.set(assignment);
  }
  Asked result{read_recording_options(config), config.integer("dataset.skip", 0, 0)};
  config.reject_unknown();
  return result;
}

Recording open_recording(const std::string& path, const Asked& from) {
  if (path == "-") return Recording::standard_input("", from.options);
  return Recording(path, from.options, from.index);
}

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

struct Summary {
  RecordingInfo info;
  int64_t on = 0, first = 0, last = 0;
  RateHistogram rate;
  double seconds() const { return static_cast<double>(last - first) * 1e-6; }
};

// One pass, one block of events at a time.
Summary summarise(Recording& recording) {
  Summary summary;
  Events block;
  bool any = false;
  while (recording.next(block)) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (!any) summary.first = summary.last = block.t[i];
      any = true;
      summary.last = std::max(summary.last, block.t[i]);
      summary.on += block.p[i];
      summary.rate.add(block.t[i] - summary.first);
    }
  }
  summary.info = recording.info();
  return summary;
}

struct Count {
  const char* name;
  const char* text;
  int64_t count;
};

std::vector<Count> counts_of(const RecordingInfo& info) {
  return {{"wraps", "wraps of the clock", info.wraps},
          {"unknown_words",
           info.has_words() ? "words of no known type" : "events of impossible times, left out",
           info.unknown.count},
          {"invalid", "events marked as invalid, left out", info.invalid.count},
          {"outside", "events outside of the sensor, left out", info.outside.count},
          {"early", "events before the first time, left out", info.early.count},
          {"falls", "events before the one in front of them", info.falls.count}};
}

void print_json(const Summary& s) {
  const RecordingInfo& info = s.info;
  nlohmann::json json{{"format", info.format},
                      {"sensor", nullptr},
                      {"events", info.events},
                      {"on", s.on},
                      {"off", info.events - s.on},
                      {"first_us", s.first},
                      {"last_us", s.last},
                      {"words", info.words},
                      {"t_offset_us", nullptr},
                      {"bin_us", s.rate.width_us()},
                      {"events_per_bin", s.rate.bins()},
                      {"notes", info.notes}};
  if (info.width > 0) json["sensor"] = {info.width, info.height};
  if (info.t_offset) json["t_offset_us"] = *info.t_offset;
  for (const Count& count : counts_of(info)) json[count.name] = count.count;
  fmt::print("{}", dump_json(json));
}

void print_rate(const Summary& s) {
  const std::vector<int64_t> bins = s.rate.bins();
  if (bins.empty()) return;
  constexpr int64_t kLongestBar = 50;
  const int64_t most = *std::max_element(bins.begin(), bins.end());
  fmt::print("\nfrom ms      events\n");
  for (size_t i = 0; i < bins.size(); ++i) {
    const auto length = static_cast<size_t>((bins[i] * kLongestBar + most - 1) / most);
    fmt::print("{:>7}  {:>10}{}{}\n", static_cast<int64_t>(i) * s.rate.width_us() / 1000, bins[i],
               length > 0 ? "  " : "", std::string(length, '#'));
  }
}

void print_text(const std::string& path, const Summary& s) {
  const RecordingInfo& info = s.info;
  const std::string sensor = info.width > 0 ? fmt::format("sensor {} x {}", info.width, info.height)
                                            : "sensor unknown (dataset.sensor says it)";
  fmt::print("{}: {}, {}\n", path == "-" ? "standard input" : printable(path), info.format, sensor);
  fmt::print("{} events in {:.6g} s ({} to {} us)", info.events, s.seconds(), s.first, s.last);
  if (s.last > s.first)
    fmt::print(", {} a second", count_text(static_cast<double>(info.events) / s.seconds()));
  fmt::print("\n");
  if (info.events > 0) {
    fmt::print("ON {} ({}), OFF {}\n", s.on,
               percent_text(static_cast<double>(s.on) / static_cast<double>(info.events)),
               info.events - s.on);
  }
  if (info.t_offset) fmt::print("t_offset {} us, not added\n", *info.t_offset);
  for (const Count& count : counts_of(info)) {
    if (count.count > 0) fmt::print("{}: {}\n", count.text, count.count);
  }
  for (const std::string& note : info.notes) fmt::print("note: {}\n", note);
  print_rate(s);
}

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

int inspect_recording(const std::string& path, const options::variables_map& values) {
  Recording recording = open_recording(path, asked(values));
  const Summary summary = summarise(recording);
  values.count("json") ? print_json(summary) : print_text(path, summary);
  return 0;
}

int convert_recording(const std::string& path, const std::string& output,
                      const options::variables_map& values) {
  for (const char* option : {"dtype", "select"}) {
    if (!values[option].defaulted())
      throw Error(ErrorCode::kUsage, fmt::format("--{}: an option of weights", option));
  }
  std::error_code apart;
  if (std::filesystem::equivalent(path, output, apart))
    throw usage_error(printable(output) + " would overwrite its own input");
  Recording recording = open_recording(path, asked(values));
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
  for (const std::string& note : recording.info().notes) fmt::print("note: {}\n", note);
  fmt::print("{} events ({}) -> {}\n", all.size(), recording.info().format, output);
  return 0;
}

}  // namespace spikeloom
