#include "datasets/events/hdf5_events.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using hdf5::ForeignFile;
using hdf5::Object;
using hdf5::ObjectKind;
using hdf5::ValueKind;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

bool is_whole(const hdf5::ValueType& type) {
  return type.kind == ValueKind::kInteger || type.kind == ValueKind::kUnsigned;
}

const Object& vector_named(const ForeignFile& file, std::string_view path) {
  const Object* object = file.find(path);
  if (object == nullptr || object->kind != ObjectKind::kDataset || object->shape.size() != 1)
    fail("has no vector " + std::string(path));
  return *object;
}

// What reading a dataset that another program packed says, with what helps.
[[noreturn]] void explain(const Error& error) {
  constexpr std::string_view kBlosc = "filter 32001", kEcf = "filter 36559";
  const std::string_view why = error.what();
  const bool blosc = why.find(kBlosc) != std::string_view::npos;
  if (!blosc && why.find(kEcf) == std::string_view::npos) throw error;
  throw Error(ErrorCode::kData,
              std::string("is packed with ") + (blosc ? "Blosc (" : "ECF (") +
                  std::string(blosc ? kBlosc : kEcf) +
                  "), which needs a plug-in of HDF5 that is never loaded here; repack it where the "
                  "plug-in is: h5repack -f GZIP=1 IN OUT");
}

std::vector<int64_t> labels_in(const ForeignFile& file, int64_t recordings) {
  const Object* object = file.find("/labels");
  if (object == nullptr) return std::vector<int64_t>(static_cast<size_t>(recordings), -1);
  if (object->kind != ObjectKind::kDataset || object->shape != Shape{recordings} ||
      !is_whole(object->type)) {
    fail("/labels is no vector of " + std::to_string(recordings) + " integers");
  }
  std::vector<int64_t> labels = file.read_all<int64_t>(*object);
  constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
  for (const int64_t label : labels) {
    if (label < 0 || label > kLargest) fail("/labels holds " + std::to_string(label));
  }
  return labels;
}

}  // namespace

Hdf5Events hdf5_events_in(const ForeignFile& file) {
  if (file.find("/spikes/times") != nullptr && file.find("/spikes/units") != nullptr)
    return Hdf5Events::kShd;
  if (file.find("/events/t") != nullptr) return Hdf5Events::kDsec;
  if (file.find("/CD/events") != nullptr)
    fail("is an HDF5 file of Prophesee (CD/events), which is not read; its RAW file is");
  fail("is an HDF5 file without spikes/times and spikes/units (SHD) or events/t (DSEC)");
}

ShdFile::ShdFile(const std::filesystem::path& path) : file_(std::make_unique<ForeignFile>(path)) {
  times_ = &vector_named(*file_, "/spikes/times");
  units_ = &vector_named(*file_, "/spikes/units");
  if (times_->item.kind != ValueKind::kReal || !is_whole(units_->item))
    fail("/spikes/times and /spikes/units are no lists of real and of whole numbers");
  if (times_->shape != units_->shape)
    fail("/spikes/times and /spikes/units have different numbers of recordings");
  constexpr int64_t kRecordingBytes = 256;  // in the list of a data set
  file_->claim(*times_, kRecordingBytes);
  labels_ = labels_in(*file_, times_->shape[0]);
}

Events ShdFile::read(int64_t index, RecordingInfo& info) const {
  std::vector<double> times;
  std::vector<int64_t> units;
  {
    const std::lock_guard lock(mutex_);
    times = file_->read_list<double>(*times_, index);
    units = file_->read_list<int64_t>(*units_, index);
  }
  const std::string where = "recording " + std::to_string(index);
  if (times.size() != units.size())
    fail(where + " has " + std::to_string(times.size()) + " times and " +
         std::to_string(units.size()) + " units");
  Events events;
  events.half = times_->item.bytes == 2;
  EventSink sink(info);
  sink.into(events);
  constexpr double kLongest = 1e6;
  for (size_t i = 0; i < times.size(); ++i) {
    if (!(times[i] >= 0 && times[i] <= kLongest))
      fail(where + ": time " + std::to_string(times[i]) + " of spike " + std::to_string(i));
    const size_t before = events.size();
    sink.add(static_cast<int64_t>(times[i] * 1e6), units[i], 0, true, i);
    if (events.size() > before) events.seconds.push_back(times[i]);
  }
  info.words += static_cast<int64_t>(times.size());
  return events;
}

EventDecoder decode_shd(const std::filesystem::path& path, int64_t index, RecordingInfo& info) {
  auto file = std::make_shared<const ShdFile>(path);
  if (index < 0 || index >= file->size())
    fail("has " + std::to_string(file->size()) + " recordings, none of number " +
         std::to_string(index));
  info.width = ShdFile::kUnits;
  info.height = 1;
  if (file->size() > 1)
    info.notes.push_back("recording " + std::to_string(index) + " of " +
                         std::to_string(file->size()) + "; dataset.skip chooses another");
  return [file, index](EventSink& sink) mutable {
    if (file == nullptr) return false;
    sink.append(file->read(index, sink.info()));
    file.reset();
    return true;
  };
}

EventDecoder decode_dsec(std::unique_ptr<ForeignFile> opened, RecordingInfo& info) {
  constexpr const char* kPaths[] = {"/events/t", "/events/x", "/events/y", "/events/p"};
  std::shared_ptr<const ForeignFile> file = std::move(opened);
  std::array<const Object*, 4> columns{};
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i] = &vector_named(*file, kPaths[i]);
    if (!is_whole(columns[i]->type) || columns[i]->shape != columns[0]->shape)
      fail(std::string(kPaths[i]) + " is no vector of as many integers as there are times");
  }
  constexpr int64_t kEventBytes = 40;  // while they are sorted
  file->claim(*columns[0], kEventBytes);
  const Object* offset = file->find("/t_offset");
  if (offset != nullptr && is_whole(offset->type) && offset->shape.size() <= 1 &&
      element_count(offset->shape) == 1) {
    int64_t value = 0;
    file->read(*offset, Shape(offset->shape.size(), 0), offset->shape, std::span(&value, 1));
    info.t_offset = value;
  }
  return [file, columns, done = int64_t{0}](EventSink& sink) mutable {
    constexpr int64_t kBlock = 1 << 16;
    const int64_t count = std::min(kBlock, columns[0]->shape[0] - done);
    if (count <= 0) return false;
    std::array<std::vector<int64_t>, 4> values;
    try {
      for (size_t i = 0; i < values.size(); ++i) {
        values[i].resize(static_cast<size_t>(count));
        file->read(*columns[i], {done}, {count}, std::span(values[i]));
      }
    } catch (const Error& error) {
      explain(error);
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      sink.add(values[0][i], values[1][i], values[2][i], values[3][i] != 0,
               static_cast<uint64_t>(done) + i);
    }
    sink.info().words += count;
    done += count;
    return true;
  };
}

}  // namespace spikeloom
