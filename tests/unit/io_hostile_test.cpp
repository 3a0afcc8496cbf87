// core/io: files made to hurt. Each claims or asks for more than its bytes justify, or for an
// action; each is refused by name and nothing happens.

#include <sys/resource.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/io/config.hpp"
#include "core/io/json.hpp"
#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "core/io/pickle.hpp"
#include "core/io/pth.hpp"
#include "core/io/safetensors.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;
namespace fs = std::filesystem;
using namespace std::string_literals;

namespace {

// A deflate stream without a head, as zip entries have it.
std::string deflated(const std::string& data) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(compressBound(data.size()), '\0');
  std::string in = data;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string npy(const std::string& shape, const std::string& data) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + "}\n";
  return "\x93NUMPY\x01"s + '\0' + le(static_cast<uint16_t>(header.size())) + header + data;
}

ZipContent packed(const std::string& name, const std::string& data) {
  return {name, deflated(data), 8, static_cast<uint32_t>(data.size())};
}

// One deflated entry whose directory claims 2^40 bytes in the fields of Zip64.
std::string zip_of_a_terabyte(const std::string& name) {
  const std::string stored = deflated(std::string(1000, '\0'));
  const auto size = static_cast<uint32_t>(stored.size());
  const std::string extra = le(uint16_t{1}) + le(uint16_t{8}) + le(uint64_t{1} << 40);
  const std::string common = le(uint16_t{45}) + le(uint16_t{0}) + le(uint16_t{8}) +
                             le(uint32_t{0}) + le(uint32_t{0}) + le(size) + "\xff\xff\xff\xff" +
                             le(static_cast<uint16_t>(name.size())) +
                             le(static_cast<uint16_t>(extra.size()));
  const std::string file = "PK\3\4" + common + name + extra + stored;
  const std::string directory =
      "PK\1\2" + le(uint16_t{45}) + common + std::string(10, '\0') + le(uint32_t{0}) + name + extra;
  return file + directory + "PK\5\6" + std::string(4, '\0') + le(uint16_t{1}) + le(uint16_t{1}) +
         le(static_cast<uint32_t>(directory.size())) + le(static_cast<uint32_t>(file.size())) +
         le(uint16_t{0});
}

std::string npz_error(const std::string& text) {
  return error_of([&] { parse_npz(bytes_of(text), "z"); });
}

// Largest resident size so far, in bytes.
int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

std::string repeat(const std::string& text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace

TEST_CASE("zip bombs are refused before they are inflated") {
  const std::string mebibyte(1 << 20, '\0');
  const int64_t before = peak_memory();
  has(npz_error(zip_of_a_terabyte("a.npy")), "larger than 64 GiB");
  has(error_of([&] { parse_pth(bytes_of(zip_of_a_terabyte("a/data.pkl")), "p"); }), "64 GiB");
  CHECK(peak_memory() - before < 64 << 20);
  ZipContent lie = packed("a.npy", std::string(1000, '\0'));
  lie.size = 1032 * (static_cast<uint32_t>(lie.data.size()) + 1);
  has(npz_error(make_zip({lie})), "claims");
  std::vector<ZipContent> many;
  for (int i = 0; i < 65; ++i) {
    many.push_back(packed(std::to_string(i) + ".npy", std::string(mebibyte)));
  }
  const std::string bomb = make_zip(many);
  const int64_t with_bomb = peak_memory();
  has(npz_error(bomb), "more than 128 times its size");
  CHECK(peak_memory() - with_bomb < 16 << 20);
  const std::string pickle = "\x80\x02" + std::string(1000, 'N') + ".";
  has(error_of([&] { parse_pth(bytes_of(make_zip({packed("a/data.pkl", pickle)})), "p"); }),
      "entry 'a/data.pkl' is compressed");
}

TEST_CASE("compressed arrays of ordinary content are read") {
  std::string dense, sparse(4'000'000, '\0');  // spikes: one in 250 is set
  for (uint32_t i = 0; i < 4'000'000; ++i) dense += static_cast<char>(i * i >> 3);
  for (uint32_t i = 0; i < 16'000; ++i) sparse[i * 2654435761u % 4'000'000] = 1;
  for (const std::string& data : {dense, sparse}) {
    const std::string array = npy("(4000000,)", data);
    // make_zip sums the stored bytes; the checksum is that of the content.
    std::string zip = make_zip({packed("a.npy", array)});
    const std::string sum = le(crc32(array));
    zip.replace(14, 4, sum);
    zip.replace(zip.rfind("PK\1\2") + 16, 4, sum);
    const Weights weights = parse_npz(bytes_of(zip), "z");
    CHECK(values_of<uint8_t>(weights.at("a").data) ==
          std::vector<uint8_t>(data.begin(), data.end()));
  }
}

TEST_CASE("10^12 elements without their bytes are refused") {
  has(error_of([] { parse_npy(bytes_of(npy("(1000000000000,)", "1234")), "a"); }),
      "needs 1000000000000 bytes of data, found 4");
  has(npz_error(make_zip({{"a.npy", npy("(1000000000000,)", "1234")}})),
      "needs 1000000000000 bytes of data, found 4");
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,8]}})";
  has(error_of([&] {
        parse_safetensors(bytes_of(le(uint64_t{header.size()}) + header + "12345678"), "a");
      }),
      "needs 4000000000000 bytes");
}

TEST_CASE("every pickle opcode outside the subset is refused by name and does nothing") {
  // Opcode, its name in Python's pickletools, and an argument that would do something.
  struct Refused {
    unsigned char opcode;
    std::string name, argument;
  };
  const std::string command = "posix\nsystem\n(X\x1b\0\0\0touch spikeloom_hostile_ran\n"s;
  const std::vector<Refused> all = {{'I', "INT", "1\n"},
                                    {'L', "LONG", "1L\n"},
                                    {'S', "STRING", "'a'\n"},
                                    {0x97, "NEXT_BUFFER", ""},
                                    {0x98, "READONLY_BUFFER", ""},
                                    {'V', "UNICODE", "a\n"},
                                    {'F', "FLOAT", "1.5\n"},
                                    {'l', "LIST", ""},
                                    {'d', "DICT", ""},
                                    {'2', "DUP", ""},
                                    {'g', "GET", "0\n"},
                                    {'p', "PUT", "0\n"},
                                    {0x82, "EXT1", "\1"},
                                    {0x83, "EXT2", "\1\0"s},
                                    {0x84, "EXT4", "\1\0\0\0"s},
                                    {'i', "INST", command},
                                    {'o', "OBJ", ""},
                                    {'P', "PERSID", "a\n"},
                                    {0x80, "PROTO", "\5"}};
  // What precedes it would let the opcode work: a mark, a callable, arguments.
  const std::string before = "\x80\x02(cposix\nsystem\nX\x1b\0\0\0touch spikeloom_hostile_ran\x85"s;
  std::set<unsigned> refused;
  for (const Refused& entry : all) {
    INFO(entry.name);
    const std::string message = error_of([&] {
      parse_pickle(bytes_of(before + static_cast<char>(entry.opcode) + entry.argument + "."), "p");
    });
    has(message,
        "opcode " + std::to_string(entry.opcode) + " (" + entry.name + ") is not accepted");
    refused.insert(entry.opcode);
  }
  // Every other byte is no opcode at all or one of the 49 that are accepted.
  const std::string accepted =
      ".N\x88\x89KMJ\x8aGXUc()]}\x8ft\x85\x86\x87"
      "aesuR\x81"
      "bQqrhj01TBC\x8b\x8c\x8d\x8e\x90\x91\x92\x93\x94\x95\x96";
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    const auto byte = static_cast<char>(opcode);
    if (refused.count(opcode) != 0 || accepted.find(byte) != std::string::npos) continue;
    has(error_of([&] { parse_pickle(bytes_of("\x80\x02"s + byte), "p"); }),
        "opcode " + std::to_string(opcode) + " is not accepted");
  }
  CHECK(refused.size() + accepted.size() == 68);  // opcodes of protocols 0 to 5
  CHECK_FALSE(fs::exists("spikeloom_hostile_ran"));
}

TEST_CASE("a long key above many values does not multiply in the places of a JSON config") {
  const std::string bomb =
      "{\"" + std::string(50'000, 'k') + "\": [" + repeat("0,", 25'000) + "0]}";
  JsonPositions positions;
  has(error_of([&] { parse_json(bomb, "a.json", &positions); }), "too long");
  CHECK_NOTHROW(parse_json(bomb, "a.json"));  // without places there is nothing to multiply
  has(error_of([&] { Config::parse(bomb, "a.json"); }, ErrorCode::kUsage), "too long");
}

TEST_CASE("huge arrays, long keys and many tables in TOML cost what they weigh") {
  const int64_t before = peak_memory();
  Config numbers = Config::parse("a = [" + repeat("0,", 200'000) + "]", "a.toml");
  CHECK(numbers.integers("a", {}).size() == 200'000);
  std::string tables;
  for (int i = 0; i < 20'000; ++i) tables += "[t" + std::to_string(i) + "]\na = 1\n";
  Config many = Config::parse(tables, "a.toml");
  error_of([&] { many.reject_unknown(); }, ErrorCode::kUsage);
  Config key = Config::parse(std::string(100'000, 'k') + " = 1", "a.toml");
  error_of([&] { key.reject_unknown(); }, ErrorCode::kUsage);
  CHECK(peak_memory() - before < 1 << 30);
}
