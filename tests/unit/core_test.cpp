// core: conversions, hashes, sizes from files, spike bits, parallel ranges.

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <thread>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "core/sha256.hpp"
#include "core/spike_tensor.hpp"
#include "core/tensor.hpp"
#include "core/weights.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

TEST_CASE("every half-precision pattern survives the way to fp32 and back") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float wide = half_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(wide)) continue;
    REQUIRE(float_to_half(wide) == bits);
  }
}

TEST_CASE("halves round to nearest even and overflow to infinity") {
  CHECK(float_to_half(1.0f + 0x1p-11f) == float_to_half(1.0f));              // tie, even below
  CHECK(float_to_half(1.0f + 0x1.8p-10f) == float_to_half(1.0f + 0x1p-9f));  // tie, even above
  CHECK(float_to_half(65504.0f) == 0x7bff);
  CHECK(float_to_half(65519.9f) == 0x7bff);
  CHECK(float_to_half(65520.0f) == 0x7c00);
  CHECK(float_to_half(0x1p-25f) == 0);
  CHECK(float_to_half(0x1.8p-25f) == 1);
  CHECK(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("SHA-256 and FNV-1a agree with their published vectors") {
  CHECK(sha256_hex(std::string_view("")) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(std::string_view("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const uint8_t a[] = {'a'};
  CHECK(fnv1a(a) == 0xaf63dc4c8601ec8cull);
}

TEST_CASE("SHA-256 by the processor's instructions is the scalar one, whatever the pieces") {
  std::mt19937_64 random(7);
  const auto draw = [&](size_t most) { return static_cast<size_t>(random() % most); };
  const Sha256::Blocks own = sha256_blocks_of_cpu();
  CHECK(sha256_instructions() == (own != nullptr ? "sha-ni" : "scalar"));
  std::vector<std::byte> bytes(5000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t round = 0; round < 2000; ++round) {
    const size_t start = draw(64), size = round < 300 ? round : draw(bytes.size() - start);
    const auto all = std::span(bytes).subspan(start, size);
    Sha256 scalar(sha256_blocks_scalar), pieces;
    scalar.add(all);
    for (size_t at = 0; at < size;) {
      const size_t part = std::min(size - at, draw(round % 2 == 0 ? 70 : 400));
      pieces.add(all.subspan(at, part));
      at += part;
    }
    const Digest expected = scalar.finish();
    REQUIRE(pieces.finish() == expected);
    REQUIRE(sha256(all) == expected);
  }
}

TEST_CASE("shapes from files cannot overflow") {
  CHECK(element_count({2, 3, 4}) == 24);
  CHECK(element_count({}) == 1);
  CHECK(element_count({int64_t{1} << 40, 0}) == 0);
  CHECK_THROWS_AS(element_count({int64_t{1} << 40, int64_t{1} << 40}), Error);
  CHECK_THROWS_AS(element_count({-1}), Error);
}

TEST_CASE("a part of a tensor is a copy along its first axis, of any type") {
  Tensor tensor({4, 3}, DType::kI16);
  std::iota(tensor.as<int16_t>().begin(), tensor.as<int16_t>().end(), int16_t{0});
  const Tensor part = part_of(tensor, 1, 2);
  CHECK(part.shape() == Shape{2, 3});
  const auto values = part.as<int16_t>();
  CHECK(std::vector<int16_t>(values.begin(), values.end()) ==
        std::vector<int16_t>{3, 4, 5, 6, 7, 8});
  CHECK(part_of(tensor, 4, 0).size() == 0);
}

TEST_CASE("a Weights refuses a second tensor of the same name and names a missing one") {
  Weights weights;
  weights.add("a", Tensor({2}));
  CHECK_THROWS_AS(weights.add("a", Tensor({2})), Error);
  CHECK_THROWS_WITH(weights.at("b"), Catch::Contains("'b'"));
}

TEST_CASE("spike bits are counted and visited in ascending order") {
  SpikeTensor spikes(2, 130);
  for (const int c : {0, 63, 64, 129}) spikes.set(1, c);
  CHECK(spikes.view().count() == 4);
  CHECK(as_const(spikes.view()).count_row(0) == 0);
  std::vector<int64_t> seen;
  as_const(spikes.view()).for_each(1, [&](int64_t c) { seen.push_back(c); });
  CHECK(seen == std::vector<int64_t>{0, 63, 64, 129});
}

TEST_CASE("each sample runs once and on one thread, loops inside it included") {
  std::vector<int> runs(37, 0);
  std::atomic<int64_t> elsewhere{0};
  parallel_samples(37, 3, [&](int64_t i) {
    ++runs[static_cast<size_t>(i)];
    const auto thread = std::this_thread::get_id();
    parallel_for(64, 1, 3,
                 [&](int64_t, int64_t) { elsewhere += std::this_thread::get_id() != thread; });
  });
  CHECK(runs == std::vector<int>(37, 1));
  CHECK(elsewhere == 0);
  parallel_samples(0, 3, [](int64_t) { FAIL("there is no sample"); });
}

TEST_CASE("many small jobs, jobs of several callers and jobs inside jobs all finish") {
  std::atomic<int64_t> sum{0};
  const auto add = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sum += i;
  };
  for (int job = 0; job < 20000; ++job) parallel_for(5, 1, 3, add);
  CHECK(sum == 20000 * 10);
  sum = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int job = 0; job < 2000; ++job) parallel_for(5, 1, 4, add);
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 3 * 2000 * 10);
  sum = 0;
  parallel_for(8, 1, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) parallel_for(5, 1, 4, add);
  });
  CHECK(sum == 8 * 10);
  // More blocks than a job has numbers for.
  sum = 0;
  parallel_for(int64_t{1} << 26, 1, 2, [&](int64_t begin, int64_t end) { sum += end - begin; });
  CHECK(sum == int64_t{1} << 26);
}

TEST_CASE("parallel_for covers every index once for any grain and thread count") {
  for (const int threads : {1, 2, 5}) {
    for (const int64_t grain : {1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(101);
      parallel_for(101, grain, threads, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      for (const auto& hit : hits) REQUIRE(hit == 1);
    }
  }
}
TEST_CASE("an error keeps its place, whatever is put in front of its message") {
  const Error plain(ErrorCode::kData, "is damaged");
  CHECK(plain.place().file.empty());
  CHECK(plain.place().line == 0);
  const Error named = plain.in_node("lif").in_file("a.npz").in_file("b.npz").in("twin");
  CHECK(std::string(named.what()) == "twin: b.npz: a.npz: lif: is damaged");
  // A file is named once, however many that read it say so.
  CHECK(std::string(plain.in_file("a.npz").in_file("a.npz").what()) == "a.npz: is damaged");
  CHECK(named.code() == ErrorCode::kData);
  CHECK(named.place().file == "a.npz");
  CHECK(named.place().node == "lif");
  const Error key(ErrorCode::kUsage, "a.toml:2:3: key 'run.threads': no",
                  {"a.toml", 2, 3, "run.threads", ""});
  CHECK(key.in("x").place().key == "run.threads");
  CHECK(key.in("x").place().column == 3);
}
