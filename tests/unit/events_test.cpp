// Recordings of event cameras that are damaged, contradict themselves, or need to be told more.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "datasets/events/event_list.hpp"
#include "datasets/events/npy_events.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/unpack.hpp"
#include "tests/catch.hpp"
#include "tests/temporary_folder.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

using Bytes = std::string;

template <typename T>
Bytes le(T value) {
  Bytes bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

Bytes repeated(const Bytes& bytes, int times) {
  Bytes all;
  for (int i = 0; i < times; ++i) all += bytes;
  return all;
}

// A packet of AEDAT 3.1.
Bytes packet(int16_t type, int32_t size, int32_t capacity, int32_t number, int32_t valid) {
  return le(type) + le(int16_t{1}) + le(size) + le(int32_t{4}) + le(int32_t{0}) + le(capacity) +
         le(number) + le(valid);
}

Bytes npy(const std::string& descr, const std::string& shape, const Bytes& data) {
  std::string header = "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return Bytes("\x93NUMPY\x01\x00", 8) + le(static_cast<uint16_t>(header.size() + 1)) + header +
         "\n" + data;
}

const Bytes kAedat31 = "#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n";
const Bytes kTime = le(uint32_t{0x80000001}), kEvent = le(uint32_t{1u << 28 | 5 << 11 | 6});

std::string fault_of(const Bytes& bytes, const RecordingOptions& options = {}) {
  const TemporaryFolder folder;
  try {
    load_recording(folder.write("a", bytes), options);
  } catch (const Error& error) {
    const std::string message = error.what(), name = (folder.path / "a").string() + ": ";
    REQUIRE(message.starts_with(name));
    REQUIRE(message.find('\n') == std::string::npos);
    return message.substr(name.size());
  }
  return "";
}

LoadedRecording read(const Bytes& bytes, const RecordingOptions& options = {}) {
  const TemporaryFolder folder;
  return load_recording(folder.write("a", bytes), options);
}

}  // namespace

TEST_CASE("recordings that cannot be read say why and where", "[fast]") {
  const struct {
    Bytes bytes;
    std::string fault;  // how it begins
    RecordingOptions options{};
  } cases[] = {
      {"", "is empty"},
      {"some text that is no recording at all\n", "is of no format that can be told"},
      {"#!AER-DAT1.0\r\n", "is AEDAT 1.0; 2.0, 3.1 and 4.0 are read"},
      {"#!AER-D", "ends inside its header"},
      {"#!AER-DAT2.0\r\n#" + Bytes(70000, 'x'), "the header has no end within 64 KiB"},
      {"#!AER-DAT2.0\r\n" + repeated(le(uint32_t{0xff}) + le(uint32_t{0}), 3),
       "3 of 3 words are of no known type, the first at byte 14"},
      {"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n", "the header does not end with #!END-HEADER"},
      {kAedat31 + packet(1, 8, 2, 3, 1), "the packet at byte 47 contradicts itself"},
      {kAedat31 + packet(1, 0, 2, 2, 1), "the packet at byte 47 contradicts itself"},
      {kAedat31 + packet(1, 12, 2, 2, 1), "the packet at byte 47 holds events of 12 bytes"},
      {"#!AER-DAT4.0\r\n" + le(uint32_t{0x7fffffff}), "claims a header of 2147483647 bytes"},
      {"#!AER-DAT4.0\r\n" + le(uint32_t{20}) + Bytes(20, '\0'), "is no buffer of IOHE"},
      {"% evt 4.0\n% end\n", "is encoded as evt 4.0, which is not read"},
      {"% format EVT4;width=4;height=4\n% end\n", "is encoded as EVT4, which is not read"},
      {"% format AER;width=4;height=4\n% end\n", "is encoded as AER, which is not read"},
      {"% evt 2.0\n% format EVT3\n% end\n", "the header says that words are EVT3"},
      {"% evt 2.0\n% geometry 640x480\n% format EVT2;width=64;height=480\n% end\n",
       "the header says that the width is 640 and that it is 64"},
      {"% evt 2.0\n% geometry 640\n% end\n", "the header's line \"geometry 640\" holds no size"},
      {"% evt 2.0\n% geometry 0x480\n% end\n", "the header's line"},
      {"% evt 2.1\n% format EVT21;endianness=middle\n% end\n", "EVT2.1 words of endianness middle"},
      {"% evt 2.0\n% end\n" + kTime + repeated(le(uint32_t{0x70000000}), 4),
       "4 of 5 words are of no known type, the first at byte 20"},
      {"% evt 2.0\n% geometry 4x4\n% end\n" + kTime + kEvent,
       "1 of 1 events lie outside of the sensor, the first at byte 35"},
      {"% Version 3\n" + Bytes("\x0c\x08", 2), "is of version 3, which is not read"},
      {"% Version 2\n" + Bytes("\x0e\x08", 2), "holds events of type 14 at byte 12"},
      {"% Version 2\n" + Bytes("\x0c\x10", 2), "says that an event has 16 bytes, not 8"},
      {npy("'<i4'", "(2, 4)", Bytes(32, '\0')), "columns: nothing tells"},
      {npy("'<i4'", "(2, 4)", Bytes(32, '\0')),
       "columns: expected t, x, y and p",
       {.columns = "x,y,p"}},
      {npy("'<i4'", "(8,)", Bytes(32, '\0')), "is an array [8]; events are [N,4]"},
      {npy("'<i4'", "(2, 4)", Bytes(20, '\0')), "ends after 1 of 2 events", {.columns = "t,x,y,p"}},
      {npy("[('t', '<i8'), ('x', '<u2'), ('y', '<u2')]", "(1,)", Bytes(12, '\0')),
       "has the fields t, x, y; events have t, x, y and p"},
      {npy("[('t', '<i8'), ('x', '|O')]", "(1,)", Bytes(16, '\0')),
       "array: field \"x\" is of type"},
      {npy("[('t', '<i8'), ('x', '<u2', (2,))]", "(1,)", Bytes(16, '\0')),
       "array: npy header, character"},
      {npy("[('t', '<i8'), ('x', 'i1'), ('y', 'i1'), ('p', 'i1')]", "(1,)",
           Bytes(8, '\0') + Bytes("\x01\x01\x02", 3)),
       "event 0: its p is 2; expected 0 or 1"},
      {npy("'<f8'", "(1, 4)", le(1.0) + le(0.5) + le(0.0) + le(0.0)),
       "event 0: its x is 0.5",
       {.columns = "t,x,y,p"}},
      {npy("'<f8'", "(1, 4)", le(1e300) + le(0.0) + le(0.0) + le(0.0)),
       "event 0: its time is",
       {.columns = "t,x,y,p"}},
      {"% evt 2.0\n% end\n", "time_unit: raw says it itself", {.time_unit = "ms"}},
      {"% evt 2.0\n% end\n", "columns: an option of npy", {.columns = "t,x,y,p"}},
      {"% evt 2.0\n% end\n", "orientation: an option of aedat2", {.orientation = "tonic"}},
      {"% evt 2.0\n% geometry 4x4\n% end\n",
       "sensor: is 5 x 4, the file says 4 x 4",
       {.sensor = {5, 4}}},
      {"% evt 2.0\n% end\n", "sensor: expected width and height", {.sensor = {0, 4}}},
      {"% evt 2.0\n% end\n", "format: no format \"rwa\"", {.format = "rwa"}},
  };
  for (const auto& c : cases) {
    INFO(c.fault);
    CHECK(fault_of(c.bytes, c.options).substr(0, c.fault.size()) == c.fault);
  }
}

TEST_CASE("what little a recording should not hold is left out and counted", "[fast]") {
  const LoadedRecording raw = read("% evt 2.0\n% end\n" + kEvent + kTime + repeated(kEvent, 200) +
                                   le(uint32_t{0x70000000}) + "\1\2");
  CHECK(raw.events.size() == 200);
  CHECK(raw.info.early.count == 1);
  CHECK(raw.info.unknown.count == 1);
  CHECK(raw.info.notes == std::vector<std::string>{"the last record is cut off and left out"});
  // A row of another class of events, columns that no row has, and a time that fell a little.
  const auto word = [](int type, int bits) { return le(static_cast<uint16_t>(type << 12 | bits)); };
  const LoadedRecording evt3 = read("% evt 3.0\n% end\n" + word(8, 1) + word(2, 7) + word(0, 3) +
                                    word(2, 8) + word(1, 4) + word(2, 9) + word(0, 5) + word(2, 1));
  CHECK(evt3.events.x == std::vector<uint16_t>{8, 1});
  CHECK(evt3.events.y == std::vector<uint16_t>{3, 5});
  const LoadedRecording plain =
      read(npy("'<i2'", "(2, 4)", Bytes("\4\0\1\0\1\0\xff\xff\5\0\2\0\2\0\1\0", 16)),
           {.columns = "t,x,y,p"});
  CHECK(plain.events.p == std::vector<uint8_t>{0, 1});  // -1 is OFF
  const LoadedRecording falls = read("% evt 2.0\n% end\n" + le(uint32_t{0x80000002}) +
                                     repeated(kEvent, 150) + kTime + kEvent);
  CHECK(falls.info.falls.count == 1);
  CHECK(falls.info.wraps == 0);
  CHECK(falls.events.t.front() == 64);  // sorted
  CHECK(falls.events.t.back() == 128);
}

TEST_CASE("an event of N-Caltech101 may begin as a header does", "[fast]") {
  const Bytes event("% \x80\x01\x02", 5);  // x 37, y 32
  const LoadedRecording loaded = read(repeated(event, 3));
  CHECK(loaded.info.format == "nmnist");
  CHECK(loaded.events.x == std::vector<uint16_t>{37, 37, 37});
  // DAT without any header has to be named.
  const Bytes record = le(uint32_t{7}) + le(uint32_t{1u << 28 | 3 << 14 | 2});
  CHECK(read(record, {.format = "dat"}).events.y == std::vector<uint16_t>{3});
}

TEST_CASE("a small packet does not unpack to much", "[fast]") {
  // A Zstandard frame of one block of 128 KiB of one byte, many times over.
  const Bytes frame("\x28\xb5\x2f\xfd\x00\x58", 6), block("\x02\x00\x10\x00", 4);
  Bytes bomb = frame + repeated(block, 2000) + Bytes("\x01\x00\x00", 3);
  CHECK_THROWS_WITH(unpack(std::as_bytes(std::span(bomb)), Packing::kZstd),
                    Catch::Contains("unpacks to more than"));
  bomb.resize(40);
  CHECK_THROWS_AS(unpack(std::as_bytes(std::span(bomb)), Packing::kZstd), Error);
  CHECK_THROWS_AS(unpack(std::as_bytes(std::span(bomb)), Packing::kLz4), Error);
}

TEST_CASE("lists of recordings name their faults", "[fast]") {
  const TemporaryFolder folder;
  folder.write("a.bin", Bytes(10, '\1'));
  const auto fault = [&](const Bytes& list) -> std::string {
    DatasetSpec spec;
    spec.kind = "events";
    spec.path = folder.write("list.txt", list);
    try {
      list_recordings(spec);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string at = (folder.path / "list.txt").string() + ":1: ";
  CHECK(fault("a.bin 1 5\n") == at + "expected a name, its label, and start and end or neither");
  CHECK(fault("a.bin 1 5 4\n") == at + "ends at 4, before it starts at 5");
  CHECK(fault("a.bin -1\n") == at + "label -1, expected 0 to 2147483647");
  CHECK(fault("b.bin 1\n").starts_with(at + "\"b.bin\" is not in "));
  CHECK(fault("../a.bin 1\n").find("list.txt:1: ") != std::string::npos);
  CHECK(fault("# nothing\n").ends_with("list.txt: lists no recording"));
  CHECK(fault("a.bin 3 5 9\na.bin\n").empty());
}

TEST_CASE("DSEC packed with Blosc is refused with advice") {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
  CHECK_THROWS_WITH(
      load_recording(SPIKELOOM_SOURCE_DIR "/tests/unit/data/events/dsec_blosc.h5", {}),
      Catch::Contains("packed with Blosc (filter 32001)") && Catch::Contains("h5repack"));
}

TEST_CASE("real times below a microsecond are of another unit") {
  CHECK_THROWS_WITH(EventColumns("us").microseconds({0, 0.25, true}),
                    Catch::Contains("dataset.time_unit names another unit"));
  CHECK(EventColumns("us").microseconds({0, 0.0, true}) == 0);
  CHECK(EventColumns("us").microseconds({0, 1.5, true}) == 2);
  CHECK(EventColumns("s").microseconds({0, 0.25, true}) == 250'000);
}
