#include "datasets/events/npy_events.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "core/io/zip_archive.hpp"

namespace spikeloom {
namespace {

constexpr std::string_view kNames[] = {"t", "x", "y", "p"};

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// Where t, x, y, p stand in a row.
using EventFields = std::array<NpyField, 4>;

std::string listed(const std::vector<NpyField>& fields) {
  std::string names;
  for (const NpyField& field : fields) names += (names.empty() ? "" : ", ") + field.name;
  return printable(names, 80);
}

EventFields named_fields(const std::vector<NpyField>& fields) {
  EventFields found;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto at = std::find_if(fields.begin(), fields.end(),
                                 [&](const NpyField& field) { return field.name == kNames[i]; });
    if (at == fields.end())
      fail("has the fields " + listed(fields) + "; events have t, x, y and p");
    found[i] = *at;
  }
  return found;
}

// "x,y,p,t": the name of each column.
std::vector<std::string> column_names(const std::string& columns) {
  std::vector<std::string> names;
  for (std::string_view rest = columns;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string name(rest.substr(0, comma));
    std::erase(name, ' ');
    names.push_back(std::move(name));
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != std::vector<std::string>{"p", "t", "x", "y"})
    throw Error(ErrorCode::kUsage,
                "columns: expected t, x, y and p in some order, such as "
                "\"x,y,p,t\", found " +
                    in_quotes(columns));
  return names;
}

struct Layout {
  EventFields fields;
  size_t row_bytes = 0, rows = 0;
  bool whole = false;  // columns follow each other: rows are spread over the file
};

Layout layout_of(const NpyRows& header, const RecordingOptions& options) {
  const bool structured = header.fields.size() > 1 || !header.fields[0].name.empty();
  Layout layout;
  if (structured) {
    if (header.shape.size() != 1)
      fail("a structure of shape " + to_string(header.shape) + "; expected [events]");
    if (!options.columns.empty())
      throw Error(ErrorCode::kUsage, "columns: the fields of the file have names");
    layout = {named_fields(header.fields), header.row_bytes, static_cast<size_t>(header.shape[0])};
    return layout;
  }
  if (header.shape.size() != 2 || header.shape[1] != 4)
    fail("is an array " + to_string(header.shape) + "; events are [N,4] or a structure");
  if (options.columns.empty())
    throw Error(ErrorCode::kUsage,
                "columns: nothing tells what the four columns are; give "
                "dataset.columns, such as \"x,y,p,t\"");
  const std::vector<std::string> names = column_names(options.columns);
  layout.rows = static_cast<size_t>(header.shape[0]);
  layout.row_bytes = 4 * header.row_bytes;
  layout.whole = header.fortran_order;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    const auto column =
        static_cast<size_t>(std::find(names.begin(), names.end(), kNames[i]) - names.begin());
    layout.fields[i] = header.fields[0];
    layout.fields[i].offset = column * header.row_bytes * (layout.whole ? layout.rows : 1);
  }
  return layout;
}

class NpyEvents {
 public:
  NpyEvents(std::shared_ptr<ByteReader> in, Layout layout, const std::string& time_unit)
      : in_(std::move(in)), layout_(std::move(layout)), columns_(time_unit) {}

  bool operator()(EventSink& sink) {
    const size_t left = layout_.rows - done_;
    if (left == 0) return false;
    if (layout_.whole) return read_whole(sink);
    const auto block = in_->peek(layout_.row_bytes);
    const size_t rows = std::min(left, block.size() / layout_.row_bytes);
    if (rows == 0)
      fail("ends after " + std::to_string(done_) + " of " + std::to_string(layout_.rows) +
           " events");
    for (size_t i = 0; i < rows; ++i) {
      add(block.subspan(i * layout_.row_bytes, layout_.row_bytes), layout_.fields,
          in_->offset() + i * layout_.row_bytes, sink);
    }
    in_->skip(rows * layout_.row_bytes);
    return true;
  }

 private:
  void add(std::span<const std::byte> row, const EventFields& fields, uint64_t at,
           EventSink& sink) {
    try {
      const int64_t t = columns_.microseconds(load_field(row, fields[0]));
      const int64_t x = EventColumns::coordinate(load_field(row, fields[1]), "x");
      const int64_t y = EventColumns::coordinate(load_field(row, fields[2]), "y");
      sink.add(t, x, y, EventColumns::polarity(load_field(row, fields[3])), at);
    } catch (const Error& error) {
      throw error.in("event " + std::to_string(done_));
    }
    ++sink.info().words;
    ++done_;
  }

  bool read_whole(EventSink& sink) {
    const size_t bytes = layout_.rows * layout_.row_bytes;
    const auto all = in_->peek(bytes);
    if (all.size() < bytes) fail("ends before its " + std::to_string(layout_.rows) + " events do");
    EventFields fields = layout_.fields;
    while (done_ < layout_.rows) {
      const uint64_t at = in_->offset() + fields[0].offset;
      add(all, fields, at, sink);
      for (NpyField& field : fields) field.offset += field.bytes;
    }
    return true;
  }

  std::shared_ptr<ByteReader> in_;
  Layout layout_;
  EventColumns columns_;
  size_t done_ = 0;
};

}  // namespace

EventColumns::EventColumns(const std::string& time_unit) {
  if (time_unit == "s") multiply_ = 1'000'000;
  if (time_unit == "ms") multiply_ = 1'000;
  if (time_unit == "ns") divide_ = 1'000;
  if (multiply_ * divide_ == 1 && time_unit != "us")
    throw Error(ErrorCode::kUsage,
                "time_unit: expected s, ms, us or ns, found " + in_quotes(time_unit));
}

int64_t EventColumns::microseconds(const NpyNumber& t) const {
  constexpr double kLatest = 9e15;  // whole numbers of a double
  if (t.is_real) {
    // No camera tells parts of a microsecond: these are seconds, and would all become one instant.
    if (multiply_ * divide_ == 1 && t.real != 0 && std::abs(t.real) < 1)
      fail("its time is " + std::to_string(t.real) + " us: dataset.time_unit names another unit");
    const double value =
        std::round(t.real * static_cast<double>(multiply_) / static_cast<double>(divide_));
    if (!(std::abs(value) <= kLatest)) fail("its time is " + std::to_string(t.real));
    return static_cast<int64_t>(value);
  }
  int64_t value = 0;
  if (__builtin_mul_overflow(t.whole, multiply_, &value))
    fail("its time is " + std::to_string(t.whole));
  return value / divide_;
}

int64_t EventColumns::coordinate(const NpyNumber& value, const char* name) {
  if (!value.is_real) return value.whole;
  if (!(std::abs(value.real) <= 1e6) || value.real != std::floor(value.real))
    fail("its " + std::string(name) + " is " + std::to_string(value.real));
  return static_cast<int64_t>(value.real);
}

bool EventColumns::polarity(const NpyNumber& p) {
  const int64_t value = coordinate(p, "p");
  if (value < -1 || value > 1) fail("its p is " + std::to_string(value) + "; expected 0 or 1");
  return value == 1;
}

EventDecoder decode_npy(std::shared_ptr<ByteReader> in, const RecordingOptions& options) {
  const NpyRows header = parse_npy_rows(in->peek(kMaxNpyHeaderBytes), "array");
  Layout layout = layout_of(header, options);
  checked_bytes({static_cast<int64_t>(layout.rows)}, static_cast<int64_t>(layout.row_bytes),
                "array");
  in->skip(header.data_offset);
  return NpyEvents(std::move(in), std::move(layout), options.time_unit);
}

namespace {

// An array of the archive as it is stored.
struct Stored {
  std::vector<std::byte> bytes;
  NpyRows header;
};

Stored stored_array(const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.find(name + ".npy");
  if (entry == nullptr) fail("holds no array " + name);
  Stored array{archive.read(*entry, kMaxFileBytes, ZipCrc::kCheck), {}};
  array.header = parse_npy_rows(array.bytes, "array " + name);
  const int64_t bytes =
      checked_bytes(array.header.shape, static_cast<int64_t>(array.header.row_bytes), name);
  if (static_cast<uint64_t>(bytes) != array.bytes.size() - array.header.data_offset)
    fail("array " + name + " has another length than its header says");
  if (!array.header.fields[0].name.empty()) fail("array " + name + " is a structure");
  return array;
}

// Element i in the order of the file.
NpyNumber element(const Stored& array, size_t i) {
  NpyField field = array.header.fields[0];
  field.offset = array.header.data_offset + i * field.bytes;
  return load_field(array.bytes, field);
}

void add_all(EventSink& sink, const std::array<Stored, 4>& arrays, const EventColumns& columns) {
  const auto events = static_cast<size_t>(arrays[0].header.shape[0]);
  for (size_t i = 0; i < events; ++i) {
    try {
      sink.add(columns.microseconds(element(arrays[0], i)),
               EventColumns::coordinate(element(arrays[1], i), "x"),
               EventColumns::coordinate(element(arrays[2], i), "y"),
               EventColumns::polarity(element(arrays[3], i)), i);
    } catch (const Error& error) {
      throw error.in("event " + std::to_string(i));
    }
  }
  sink.info().words += static_cast<int64_t>(events);
}

}  // namespace

EventDecoder decode_npz(const std::filesystem::path& file, const RecordingOptions& options) {
  const ZipArchive archive(file);
  if (archive.find("frames.npy") != nullptr && archive.find("t.npy") == nullptr)
    fail("holds frames, no events (a cache of SpikingJelly); kind = \"npy\" reads frames");
  auto arrays = std::make_shared<std::array<Stored, 4>>();
  for (size_t i = 0; i < arrays->size(); ++i) {
    (*arrays)[i] = stored_array(archive, std::string(kNames[i]));
    const Shape &shape = (*arrays)[i].header.shape, &first = (*arrays)[0].header.shape;
    if (shape.size() != 1 || shape != first)
      fail("array " + std::string(kNames[i]) + " has shape " + to_string(shape) +
           "; t, x, y and p have one number for each event");
  }
  return [arrays, columns = EventColumns(options.time_unit)](EventSink& sink) mutable {
    if (arrays == nullptr) return false;
    add_all(sink, *arrays, columns);
    arrays.reset();
    return true;
  };
}

bool is_es_imagenet(const std::filesystem::path& file) {
  const ZipArchive archive(file);
  return archive.find("pos.npy") != nullptr && archive.find("neg.npy") != nullptr;
}

EventDecoder decode_es_imagenet(const std::filesystem::path& file, RecordingInfo& info) {
  constexpr int64_t kSide = 256, kSteps = 8;
  info.width = info.height = kSide;
  const ZipArchive archive(file);
  auto arrays = std::make_shared<std::array<Stored, 2>>();
  *arrays = {stored_array(archive, "pos"), stored_array(archive, "neg")};
  for (const Stored& array : *arrays) {
    const Shape& shape = array.header.shape;
    if (shape.size() != 2 || shape[1] != 3)
      fail("an array of shape " + to_string(shape) + "; pos and neg are [N,3]");
  }
  // By time, pos in front of neg.
  return [arrays](EventSink& sink) mutable {
    if (arrays == nullptr) return false;
    for (int64_t step = 1; step <= kSteps; ++step) {
      for (const bool on : {true, false}) {
        const Stored& array = (*arrays)[on ? 0 : 1];
        const auto rows = static_cast<size_t>(array.header.shape[0]);
        const bool columns_first = array.header.fortran_order;
        for (size_t i = 0; i < rows; ++i) {
          const auto at = [&](size_t column) {
            const size_t place = columns_first ? column * rows + i : i * 3 + column;
            return EventColumns::coordinate(element(array, place), "place");
          };
          const int64_t t = at(2);
          if (t < 1 || t > kSteps)
            fail("event " + std::to_string(i) + " has step " + std::to_string(t) +
                 ", expected 1 to 8");
          if (t == step) sink.add(t, at(1), at(0), on, i);
        }
        if (step == 1) sink.info().words += static_cast<int64_t>(rows);
      }
    }
    arrays.reset();
    return true;
  };
}

}  // namespace spikeloom
