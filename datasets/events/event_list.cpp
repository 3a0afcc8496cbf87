#include "datasets/events/event_list.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "datasets/events/hdf5_events.hpp"
#include "datasets/events/npy_events.hpp"
#include "datasets/image_list.hpp"
#include "datasets/text_list.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostListBytes = 100'000'000;
constexpr int64_t kLargestLabel = (int64_t{1} << 31) - 1;

constexpr std::string_view kEndings[] = {"bin", "aedat", "aedat4", "raw", "dat",
                                         "npy", "npz",   "h5",     "hdf5"};

[[noreturn]] void fail_at(const std::string& where, const std::string& why) {
  throw Error(ErrorCode::kData, where + ": " + why);
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Takes the last word off the line; empty when there is only one.
std::string_view take_last_word(std::string_view& line) {
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return {};
  const std::string_view word = line.substr(blank + 1);
  line = line.substr(0, line.find_last_not_of(" \t", blank) + 1);
  return word;
}

// The numbers at the end of a line, at most three, off it.
std::vector<int64_t> take_numbers(std::string_view& line) {
  std::vector<int64_t> numbers;
  while (numbers.size() < 3) {
    std::string_view rest = line;
    const auto number = whole_number(take_last_word(rest));
    if (!number) break;
    numbers.insert(numbers.begin(), *number);
    line = rest;
  }
  return numbers;
}

int64_t checked_label(int64_t label, int64_t classes, const std::string& where) {
  const int64_t last = classes == 0 ? kLargestLabel : classes - 1;
  if (label < 0 || label > last)
    fail_at(where, "label " + std::to_string(label) + ", expected 0 to " + std::to_string(last));
  return label;
}

void set_span(ListedRecording& sample, int64_t start, int64_t end, const std::string& where) {
  if (end <= start)
    fail_at(where, "ends at " + std::to_string(end) +
                       (end < start ? ", before it starts at " + std::to_string(start)
                                    : std::string(", where it starts")));
  sample.span = {start, end};
}

ListedRecording parse_line(std::string_view line, const std::string& where, int64_t classes) {
  ListedRecording sample;
  std::vector<int64_t> numbers = take_numbers(line);
  if (numbers.size() == 2)
    fail_at(where, "expected a name, its label, and start and end or neither");
  sample.name = line;
  check_name(sample.name, where);
  if (!numbers.empty()) sample.label = checked_label(numbers[0], classes, where);
  if (numbers.size() == 3) sample.centre = {numbers[1], numbers[2]};
  return sample;
}

// DVS128 Gesture: classes count from 1.
std::vector<ListedRecording> read_gestures(const fs::path& csv, const std::string& name,
                                           int64_t classes) {
  const std::vector<std::byte> bytes = read_file(csv, kMostListBytes);
  std::string_view text = list_text(bytes, csv.string());
  std::vector<ListedRecording> samples;
  for (int64_t number = 1; !text.empty(); ++number) {
    std::string line(take_line(text));
    const std::string where = csv.string() + ":" + std::to_string(number);
    if (number == 1) {
      if (line != "class,startTime_usec,endTime_usec")
        fail_at(where, "expected class,startTime_usec,endTime_usec, found " + in_quotes(line));
      continue;
    }
    if (line.empty()) continue;
    std::vector<int64_t> values;
    for (std::string_view rest = line; values.size() < 4;) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const auto value = whole_number(rest.substr(0, comma));
      if (!value) fail_at(where, "expected three whole numbers, found " + in_quotes(line));
      values.push_back(*value);
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
    if (values.size() != 3)
      fail_at(where, "expected three whole numbers, found " + in_quotes(line));
    ListedRecording sample{.name = name};
    sample.label = checked_label(values[0] - 1, classes, where);
    set_span(sample, values[1], values[2], where);
    samples.push_back(sample);
  }
  if (samples.empty()) fail_at(csv.string(), "lists no gesture");
  return samples;
}

fs::path gestures_beside(const fs::path& recording) {
  fs::path csv = recording;
  csv.replace_filename(recording.stem().string() + "_labels.csv");
  return csv;
}

void add(RecordingList& list, ListedRecording sample) {
  list.classes = std::max(list.classes, sample.label + 1);
  list.samples.push_back(std::move(sample));
}

// Every recording of a file of SHD or SSC; false for other files.
bool add_shd(RecordingList& list, const fs::path& path, const std::string& format) {
  const InputFile input(path);
  std::string start(std::min<uint64_t>(8, input.size()), '\0');
  input.read_at(0, std::as_writable_bytes(std::span(start)));
  const bool is_hdf5 = start.starts_with("\x89HDF");
  if (!is_hdf5 || (format != "auto" && format != "shd")) return false;
  try {
    auto file = std::make_shared<hdf5::ForeignFile>(path);
    if (hdf5_events_in(*file) != Hdf5Events::kShd) return false;
    list.shd = std::make_shared<const ShdFile>(path);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
  const std::string name = path.filename().string();
  for (int64_t i = 0; i < list.shd->size(); ++i)
    add(list, {.name = name, .label = list.shd->label(i), .index = i});
  return true;
}

// A recording and what is written beside it about its parts.
void add_recording(RecordingList& list, ListedRecording sample, int64_t classes) {
  const fs::path csv = gestures_beside(list.folder / sample.name);
  std::error_code failed;
  if (sample.label >= 0 || !fs::exists(csv, failed)) return add(list, std::move(sample));
  list.separate = false;
  for (ListedRecording& part : read_gestures(csv, sample.name, classes)) add(list, std::move(part));
}

// Are the last two numbers of a line rows and columns?
bool tells_extents(const DatasetSpec& spec, const fs::path& recording) {
  if (spec.event.steps == "es_imagenet") return true;
  if (recording.extension() != ".npz" || spec.event.recording.format == "npz") return false;
  try {
    return is_es_imagenet(recording);
  } catch (const Error&) {
    return false;  // reading it says why
  }
}

RecordingList read_list(const DatasetSpec& spec, const fs::path& folder, const fs::path& file) {
  const std::vector<std::byte> bytes = read_file(file, kMostListBytes);
  std::string_view text = list_text(bytes, file.string());
  RecordingList list{.folder = folder, .samples = {}, .separate = true};
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = file.string() + ":" + std::to_string(number);
    ListedRecording sample = parse_line(line, where, spec.classes);
    check_listed(folder, sample.name, where, spec.follow_links);
    // Of ES-ImageNet they are the extent of the image, not a time.
    if (sample.centre && !tells_extents(spec, folder / sample.name)) {
      set_span(sample, sample.centre->first, sample.centre->second, where);
      sample.centre.reset();
      list.separate = false;
    }
    add_recording(list, std::move(sample), spec.classes);
  }
  if (list.samples.empty()) fail_at(file.string(), "lists no recording");
  return list;
}

RecordingList list_folder(const DatasetSpec& spec) {
  static constexpr SampleFiles kRecordings{
      "recording", ".bin, .aedat, .aedat4, .raw, .dat, .npy, .npz, .h5 or .hdf5", kEndings, {}};
  const ImageList files = list_image_folder(spec.path, spec.follow_links, kRecordings);
  if (spec.classes != 0 && files.classes > spec.classes) {
    fail_at(spec.path.string(), std::to_string(files.classes) +
                                    " class folders, expected at most " +
                                    std::to_string(spec.classes));
  }
  RecordingList list{
      .folder = spec.path, .samples = {}, .separate = true, .warnings = files.warnings};
  for (const ListedImage& file : files.images)
    add_recording(list, {.name = file.name, .label = file.label}, spec.classes);
  list.classes = std::max(list.classes, files.classes);
  return list;
}

// Lines of text, where every format of recordings has a mark or bytes that are none.
bool is_list(const fs::path& path) {
  const InputFile file(path);
  std::string start(std::min<uint64_t>(4096, file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  if (start.empty() || start.starts_with("% ") || start.starts_with("#!AER-DAT")) return false;
  const auto is_text = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\r' || c == '\t';
  };
  return std::all_of(start.begin(), start.end(), is_text) && start.find('\n') != std::string::npos;
}

}  // namespace

RecordingList list_recordings(const DatasetSpec& spec) {
  std::error_code failed;
  if (fs::is_directory(spec.path, failed)) {
    return spec.labels.empty() ? list_folder(spec) : read_list(spec, spec.path, spec.labels);
  }
  const fs::path folder = spec.path.has_parent_path() ? spec.path.parent_path() : fs::path(".");
  if (spec.event.recording.format == "auto" && is_list(spec.path)) {
    if (!spec.labels.empty())
      throw Error(ErrorCode::kUsage, "labels: " + spec.path.string() + " is a list with labels");
    return read_list(spec, folder, spec.path);
  }
  RecordingList list{.folder = folder, .samples = {}};
  const std::string name = spec.path.filename().string();
  if (spec.labels.empty() && add_shd(list, spec.path, spec.event.recording.format)) {
    if (list.samples.empty()) fail_at(spec.path.string(), "holds no recording");
    if (spec.classes != 0 && list.classes > spec.classes)
      fail_at(spec.path.string(), "label " + std::to_string(list.classes - 1) + ", expected 0 to " +
                                      std::to_string(spec.classes - 1));
  } else if (spec.labels.empty()) {
    add_recording(list, {.name = name}, spec.classes);
  } else {
    for (ListedRecording& part : read_gestures(spec.labels, name, spec.classes))
      add(list, std::move(part));
  }
  return list;
}

}  // namespace spikeloom
