// core/io: zip archives, .npz, any weight file; damage to all of them.

#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "core/io/element_types.hpp"
#include "core/io/npz.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_file.hpp"
#include "core/io/zip_archive.hpp"
#include "tests/allocation_watch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;

namespace {

using Strings = std::vector<std::string>;

// Parses; success and Error are both fine.
void survive(std::span<const std::byte> bytes) {
  try {
    std::vector<std::string> left_out;
    parse_weights(bytes, "damaged", &left_out);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kData) FAIL("wrong code: " << error.what());
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) FAIL(error.what());
  }
}

void damage(const std::vector<std::byte>& bytes, int flips, uint32_t seed) {
  survive(bytes);
  for (size_t length = 0; length < bytes.size(); ++length) {
    // A copy of its own, so that a sanitizer sees reads beyond the end.
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    survive(cut);
  }
  std::mt19937 random(seed);
  for (int i = 0; i < flips; ++i) {
    std::vector<std::byte> flipped = bytes;
    for (uint32_t n = 1 + random() % 3; n > 0; --n) {
      flipped[random() % flipped.size()] ^= std::byte(1 << random() % 8);
    }
    survive(flipped);
  }
}

}  // namespace

TEST_CASE("a stored zip archive lists and reads its entries under a cap") {
  const auto bytes = bytes_of(make_zip({{"a", "hello"}, {"b/c", ""}}));
  const ZipArchive zip(bytes, "z");
  REQUIRE(zip.entries().size() == 2);
  CHECK(zip.entries()[0].size == 5);
  CHECK(zip.find("none") == nullptr);
  CHECK(zip.read(*zip.find("b/c"), 0, ZipCrc::kCheck).empty());
  CHECK(as_text(zip.read(*zip.find("a"), 5, ZipCrc::kCheck)) == "hello");
  CHECK(as_text(zip.read_start(*zip.find("a"), 3)) == "hel");
  has(error_of([&] { zip.read(*zip.find("a"), 4, ZipCrc::kCheck); }), "z: entry 'a': has 5 bytes");
}

TEST_CASE("a wrong checksum is an error only where it is checked") {
  std::string text = make_zip({{"a", "hello"}});
  text[text.find("hello")] = 'j';
  const auto bytes = bytes_of(text);
  const ZipArchive zip(bytes, "z");
  has(error_of([&] { zip.read(*zip.find("a"), 5, ZipCrc::kCheck); }), "is damaged");
  CHECK(as_text(zip.read(*zip.find("a"), 5, ZipCrc::kIgnoreWhenStored)) == "jello");
}

TEST_CASE("zip archives that lie are refused") {
  const auto open = [](const std::vector<ZipContent>& entries) {
    return error_of([&] { ZipArchive(bytes_of(make_zip(entries)), "z"); });
  };
  has(open({{"a", "1"}, {"a", "2"}}), "occurs twice");
  has(open({{"a\n", "1"}}), "control character");
  has(open({{"a", "1", 12}}), "compression method 12");
  has(open({{"a", "1", 0, 1000}}), "claims 1000 bytes");
  has(open({{"a", "1", 8, 0xfffffffe}}), "claims 4294967294 bytes in 1 stored");
  // Two entries of the directory point at the same data.
  std::string text = make_zip({{"a", std::string(5000, 'x')}, {"b", ""}});
  const size_t second = text.rfind("PK\1\2");
  text.replace(second + 20, 4, le(uint32_t{5000}));
  text.replace(second + 24, 4, le(uint32_t{5000}));
  text.replace(second + 42, 4, le(uint32_t{0}));
  has(error_of([&] { ZipArchive(bytes_of(text), "z"); }), "overlap");
}

TEST_CASE("npz archives are read stored and deflated") {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    std::vector<std::string> left_out;
    const Weights weights = load_npz(data_file(name), &left_out);
    CHECK(weights.names() == Strings{"a/b", "big", "w"});
    CHECK(floats(weights, "w") == ramp(6));
    CHECK(weights.at("w").data.shape() == Shape{2, 3});
    CHECK(values_of<double>(weights.at("a/b").data) == std::vector<double>{1, 0, 0, 1});
    CHECK(weights.at("big").data.dtype() == DType::kI16);
    CHECK(left_out == Strings{"c (<c8)"});
  }
  has(error_of([] { load_npz(data_file("object.npz")); }), "entry 'w.npy': object array");
  has(error_of([] { parse_npz(bytes_of(make_zip({{"a.txt", "1"}})), "z"); }), "not a named .npy");
}

TEST_CASE("load_weights tells the format by content") {
  const Scratch scratch;
  const Weights weights = load_npz(data_file("stored.npz"));
  save_safetensors(scratch / "odd.npz", weights);
  CHECK(same(load_weights(scratch / "odd.npz"), weights));
  CHECK(same(load_weights(data_file("deflated.npz")), weights));
  CHECK(load_weights(data_file("plain.pth")).size() == 13);
  std::vector<std::string> left_out;
  CHECK(load_weights(data_file("plain_legacy.pth"), &left_out).size() == 13);
  CHECK(left_out == Strings{"complex (ComplexFloatStorage)"});
  has(error_of([] { parse_weights({}, "x"); }), "x: not a weight file; accepted are safetensors");
  has(error_of([] { load_weights(data_file("make_pth_fixtures.py")); }), "accepted are");
}

TEST_CASE("a safetensors file is never in memory as a whole") {
  const Scratch scratch;
  Weights weights;
  for (const char* name : {"a", "b", "c"}) {
    Tensor values({1 << 16});
    std::iota(values.f32().begin(), values.f32().end(), 1.0f);
    weights.add(name, std::move(values));
  }
  save_safetensors(scratch / "large.st", weights);
  largest_allocation = 0;  // tensors bring their own memory
  const Weights loaded = load_weights(scratch / "large.st");
  CHECK(largest_allocation < 100'000);
  CHECK(same(loaded, weights));
}

TEST_CASE("the weights hash depends on names, types, shapes and values only") {
  const auto make = [](const std::string& name, Shape shape, DType dtype, float value) {
    Weights weights;
    Tensor tensor(std::move(shape), dtype);
    if (dtype == DType::kF32) tensor.f32()[0] = value;
    weights.add(name, std::move(tensor));
    weights.add("z", Tensor({1}));
    return weights_hash(weights);
  };
  const std::string base = make("w", {2}, DType::kF32, 1);
  CHECK(base.size() == 64);
  CHECK(make("w", {2}, DType::kF32, 1) == base);
  CHECK(make("v", {2}, DType::kF32, 1) != base);
  CHECK(make("w", {2, 1}, DType::kF32, 1) != base);
  CHECK(make("w", {2}, DType::kF32, 2) != base);
  CHECK(make("w", {2}, DType::kI32, 0) != make("w", {2}, DType::kF32, 0));
  CHECK(weights_hash(load_npz(data_file("stored.npz"))) ==
        weights_hash(load_npz(data_file("deflated.npz"))));
}

TEST_CASE("rounding to float16 touches float tensors only and refuses to overflow") {
  Weights weights;
  weights.add("f", tensor_of<float>({4}, DType::kF32, {1, 0.1f, 65504, -INFINITY}));
  weights.add("i", tensor_of<int64_t>({1}, DType::kI64, {70000}));
  const Weights half = round_to_f16(weights);
  CHECK(half.at("f").data.dtype() == DType::kF16);
  CHECK(values_of<uint16_t>(half.at("f").data) ==
        std::vector<uint16_t>{0x3c00, 0x2e66, 0x7bff, 0xfc00});
  CHECK(same(half.at("i").data, weights.at("i").data));
  weights.add("g", tensor_of<double>({1}, DType::kF64, {1e300}));
  has(error_of([&] { round_to_f16(weights); }), "tensor 'g', element 0: value exceeds");
}

TEST_CASE("float8 is read exactly") {
  for (int bits = 0; bits < 256; ++bits) {
    INFO(bits);
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    const float value = half_to_float(e4m3_to_half(static_cast<uint8_t>(bits)));
    if ((bits & 127) == 127) {
      CHECK(std::isnan(value));
      continue;
    }
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    CHECK(value == (bits < 128 ? magnitude : -magnitude));
    CHECK(std::signbit(value) == (bits >= 128));
  }
  const std::vector<std::byte> stored = {std::byte{0x3c}, std::byte{0xc0}, std::byte{0x01},
                                         std::byte{0x7c}};
  Tensor tensor({4}, DType::kF16);
  widen_elements(stored, Widening::kE5M2, tensor);
  CHECK(values_of<float>(to_f32(tensor)) == std::vector<float>{1, -2, 0x1p-16f, INFINITY});
  Tensor words({2}, DType::kI32);
  widen_elements(std::vector<std::byte>(4, std::byte{0xff}), Widening::kU16, words);
  CHECK(values_of<int32_t>(words) == std::vector<int32_t>{65535, 65535});
  Tensor longs({1}, DType::kI64);
  widen_elements(std::vector<std::byte>(4, std::byte{0xff}), Widening::kU32, longs);
  CHECK(values_of<int64_t>(longs) == std::vector<int64_t>{4294967295});
}

TEST_CASE("bfloat16 is rounded to nearest even and keeps infinity") {
  const auto bits = [](float value) {
    Tensor tensor({1});
    tensor.f32()[0] = value;
    return to_float_type(std::move(tensor), DType::kBF16, "w").as<uint16_t>()[0];
  };
  CHECK(bits(1) == 0x3f80);
  CHECK(bits(std::bit_cast<float>(0x3f808000u)) == 0x3f80);  // a tie to even, down
  CHECK(bits(std::bit_cast<float>(0x3f818000u)) == 0x3f82);  // a tie to even, up
  CHECK(bits(std::bit_cast<float>(0x3f808001u)) == 0x3f81);
  CHECK(bits(INFINITY) == 0x7f80);
  has(error_of([&] { bits(3.4e38f); }),
      "tensor 'w', element 0: value exceeds the range of bfloat16");
}

TEST_CASE("no truncation and no flipped bit of a weight file crashes a reader") {
  const Scratch scratch;
  save_safetensors(scratch / "w.st", load_npz(data_file("stored.npz")), {{"format", "pt"}});
  damage(read_file(scratch / "w.st"), 20'000, 1);
  damage(read_file(data_file("stored.npz")), 20'000, 2);
  damage(read_file(data_file("deflated.npz")), 20'000, 3);
  damage(read_file(data_file("views.pth")), 20'000, 4);
  damage(read_file(data_file("checkpoint.pth")), 20'000, 5);
  damage(read_file(data_file("plain_legacy.pth")), 20'000, 6);
}
