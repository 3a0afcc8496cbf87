// Arrays that stay in their files: every element type, byte and memory order, parts of them, and
// files that change while they are read.

#include <fstream>
#include <numeric>

#include "core/io/npy.hpp"
#include "datasets/open.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using io_test::error_of;
namespace fs = std::filesystem;

namespace {

const Shape kShape{5, 2, 3, 4};

template <typename T>
std::string file_of(const std::string& descr, bool fortran, const std::vector<T>& values) {
  std::string text = "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
                     ", 'shape': (5, 2, 3, 4), }\n";
  std::string file = "\x93NUMPY\1";
  file += {'\0', static_cast<char>(text.size()), '\0'};
  file += text;
  for (const T value : values) {
    std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
    if (descr[0] == '>') std::reverse(bytes.begin(), bytes.end());
    file += bytes;
  }
  return file;
}

// Element (i, j, k, l) has the value 24 i + 12 j + 4 k + l, whatever the order.
template <typename T>
std::vector<T> values_in(bool fortran) {
  std::vector<T> values;
  for (int at = 0; at < 120; ++at) {
    const int i = at % 5, j = at / 5 % 2, k = at / 10 % 3, l = at / 30;
    values.push_back(static_cast<T>(fortran ? 24 * i + 12 * j + 4 * k + l : at));
  }
  return values;
}

template <typename T>
void check_all_parts(const std::string& code) {
  const io_test::Scratch scratch;
  for (const char* order : {"<", ">"}) {
    for (const bool fortran : {false, true}) {
      INFO(order << code << " " << fortran);
      const std::string text = file_of<T>(order + code, fortran, values_in<T>(fortran));
      std::ofstream(scratch / "a.npy", std::ios::binary) << text;
      const NpyFile file(scratch / "a.npy");
      REQUIRE(file.shape() == kShape);
      for (int64_t first = 0; first < 5; ++first) {
        for (int64_t count = 0; first + count <= 5; ++count) {
          const Tensor part = to_f32(file.part(first, count));
          std::vector<float> wanted(static_cast<size_t>(24 * count));
          std::iota(wanted.begin(), wanted.end(), static_cast<float>(24 * first));
          REQUIRE(std::vector<float>(part.f32().begin(), part.f32().end()) == wanted);
        }
      }
      const auto bytes = as_bytes_of(text);
      // In memory, what lies behind the header.
      const NpyMemory memory{"a", order + code, fortran, kShape,
                             bytes.subspan(file.header().data_offset)};
      for (int64_t first = 0; first < 5; ++first) {
        const Tensor here = NpyFile(memory).part(first, 5 - first),
                     there = file.part(first, 5 - first);
        REQUIRE(here.dtype() == there.dtype());
        REQUIRE(std::equal(here.data(), here.data() + here.bytes(), there.data()));
      }
      const Tensor parsed = to_f32(parse_npy(bytes, "a"));
      REQUIRE(parsed.f32()[119] == 119.0f);
      REQUIRE(parsed.f32()[60] == 60.0f);
    }
  }
}

}  // namespace

TEST_CASE("parts of arrays of every number, byte and memory order") {
  check_all_parts<uint8_t>("u1");
  check_all_parts<uint16_t>("u2");
  check_all_parts<uint32_t>("u4");
  check_all_parts<uint64_t>("u8");
  check_all_parts<int8_t>("i1");
  check_all_parts<int16_t>("i2");
  check_all_parts<int32_t>("i4");
  check_all_parts<int64_t>("i8");
  check_all_parts<float>("f4");
  check_all_parts<double>("f8");
}

TEST_CASE("unsigned integers keep their values, true is any byte but 0") {
  const auto parsed = [](const std::string& text) { return parse_npy(as_bytes_of(text), "a.npy"); };
  const Tensor u2 = parsed(file_of<uint16_t>("<u2", false, std::vector<uint16_t>(120, 65535)));
  CHECK(u2.dtype() == DType::kI32);
  CHECK(u2.as<int32_t>()[7] == 65535);
  const Tensor u4 = parsed(file_of<uint32_t>(">u4", true, std::vector<uint32_t>(120, 4294967295u)));
  CHECK(u4.as<int64_t>()[7] == 4294967295);
  CHECK(error_of([&] {
          parsed(file_of<uint64_t>("<u8", false, std::vector<uint64_t>(120, uint64_t{1} << 63)));
        }) == "a.npy: 9223372036854775808 does not fit int64");
  const Tensor bools = parsed(file_of<uint8_t>("|b1", false, std::vector<uint8_t>(120, 200)));
  CHECK(bools.as<uint8_t>()[3] == 1);
}

TEST_CASE("an array in memory is checked as its file would be") {
  const std::vector<float> values(24);
  const auto bytes = std::as_bytes(std::span(values));
  const auto fault = [&](const char* descr, Shape shape, size_t size) {
    return error_of([&] {
      NpyFile({"array x", descr, false, std::move(shape), bytes.first(size)});
    });
  };
  CHECK(NpyFile({"array x", "<f4", false, {4, 6}, bytes}).part(1, 2).size() == 12);
  CHECK(fault("<f4", {4, 6}, 92) ==
        "array x: shape [4, 6] of '<f4' needs 96 bytes of data, found 92");
  CHECK_THAT(fault("|O", {12}, 96), Catch::Contains("array x: object array"));
  CHECK_THAT(fault("<U1", {24}, 96), Catch::Contains("element type '<U1' is not supported"));
  CHECK_THAT(fault("<c8", {12}, 96), Catch::Contains("element type '<c8' is not supported"));
  CHECK_THAT(fault("'", {12}, 96), Catch::Contains("array x: "));
  CHECK_THAT(fault("<f4", {int64_t{1} << 62, 4}, 96), Catch::Contains("array x: "));
}

TEST_CASE("a file that is cut, grows or is written while it is read is an error") {
  const io_test::Scratch scratch;
  const fs::path path = scratch / "a.npy";
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = path;
  const std::string text = file_of<float>("<f4", false, values_in<float>(false));
  const auto opened = [&] {
    std::ofstream(path, std::ios::binary) << text;
    auto dataset = open_dataset(spec);
    CHECK(dataset->load(0).frames.size() == 24);
    return dataset;
  };
  const auto changed = opened();
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  CHECK(error_of([&] { changed->load(1); }) == path.string() + ": was changed while it was read");
  const auto cut = opened();
  fs::resize_file(path, text.size() - 10);
  CHECK_THAT(error_of([&] { cut->load(4); }), Catch::Contains("became shorter while it was read"));
  CHECK_THAT(error_of([&] { cut->load(0); }), Catch::Contains("was changed while it was read"));
  const auto grown = opened();
  std::ofstream(path, std::ios::binary | std::ios::app) << "more";
  CHECK_THAT(error_of([&] { grown->load(0); }), Catch::Contains("was changed while it was read"));
}

TEST_CASE("labels of the window are read and checked, of them only") {
  const io_test::Scratch scratch;
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = scratch / "a.npy";
  spec.labels = scratch / "labels.npy";
  std::ofstream(spec.path, std::ios::binary)
      << file_of<float>("<f4", false, values_in<float>(false));
  Tensor labels({5}, DType::kI64);
  const std::vector<int64_t> values{0, 9, 2, 3, 1};
  std::copy(values.begin(), values.end(), labels.as<int64_t>().begin());
  save_npy(spec.labels, labels);
  CHECK(open_dataset(spec)->info().classes == 10);
  spec.classes = 5;
  CHECK_THAT(error_of([&] { open_dataset(spec); }), Catch::Contains("label 9 at index 1"));
  spec.skip = 2;
  spec.limit = 2;
  const auto dataset = open_dataset(spec);
  CHECK(dataset->load(0).label == 2);
  CHECK(dataset->load(1).label == 3);
  CHECK(dataset->load(1).frames.f32()[0] == 72.0f);
}

TEST_CASE("an archive is named") {
  const io_test::Scratch scratch;
  std::ofstream(scratch / "a.npz", std::ios::binary) << "PK\x3\x4 and so on";
  CHECK(error_of([&] { NpyFile(scratch / "a.npz"); }) ==
        (scratch / "a.npz").string() + ": is a .npz archive; save its array as .npy");
}
