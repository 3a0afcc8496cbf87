// The engine itself: what its collectives compute, what it says of kernels that hang, what it counts.

#include "tests/catch.hpp"
#include "tests/gpu/simt/host_context.hpp"

namespace spikeloom::simt {
namespace {

struct Words {
  const uint32_t* in;
  uint32_t* out;
};

// A kernel from a lambda-like body.
#define KERNEL(Name)    \
  using Params = Words; \
  template <class Ctx>  \
  static void run(Ctx& c, [[maybe_unused]] const Params& p)

struct Shuffles {
  KERNEL(Shuffles) {
    const uint64_t v = (uint64_t{c.lane()} << 40) + c.tid();
    uint32_t* const o = p.out + c.tid() * 5;
    c.store(o, static_cast<uint32_t>(c.shfl(kAllLanes, v, 3) >> 40));
    c.store(o + 1, static_cast<uint32_t>(c.shfl_up(kAllLanes, v, 2) >> 40));
    c.store(o + 2, static_cast<uint32_t>(c.shfl_down(kAllLanes, v, 2) >> 40));
    c.store(o + 3, static_cast<uint32_t>(c.shfl_xor(kAllLanes, v, 5) >> 40));
    c.store(o + 4, c.ballot(kAllLanes, c.lane() % 3 == 0));
  }
};

TEST_CASE("shuffles and ballots") {
  const Buffer<uint32_t> out(64 * 5);
  for (const Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
    REQUIRE(launch<Shuffles>(1, 64, {nullptr, out.get()}, {.order = order}).text() == "");
    const std::vector<uint32_t> got = out.values();
    for (uint32_t t = 0; t < 64; ++t) {
      const uint32_t l = t % 32;
      CHECK(got[t * 5] == 3);
      CHECK(got[t * 5 + 1] == (l < 2 ? l : l - 2));
      CHECK(got[t * 5 + 2] == (l > 29 ? l : l + 2));
      CHECK(got[t * 5 + 3] == (l ^ 5));
      CHECK(got[t * 5 + 4] == 0x49249249u);
    }
  }
}

struct HalfWarps {
  KERNEL(HalfWarps) {
    uint32_t* a = c.template shared_array<uint32_t, 32, 0>();
    const uint32_t mask = c.lane() < 16 ? 0xffffu : 0xffff0000u;
    for (uint32_t round = 0; round < 4; ++round) {
      if (c.lane() < 16 && round == 3) break;  // the halves need not keep step
      c.put(a + c.lane(), c.lane() + round);
      c.sync_warp(mask);
      const uint32_t other = c.get(a + (c.lane() ^ 7));
      c.sync_warp(mask);
      c.store(p.out + c.lane(), other - round);
    }
  }
};

TEST_CASE("halves of a warp that keep to themselves") {
  const Buffer<uint32_t> out(32);
  for (const Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
    REQUIRE(launch<HalfWarps>(1, 32, {nullptr, out.get()}, {.order = order}).text() == "");
    for (uint32_t l = 0; l < 32; ++l) CHECK(out.values()[l] == (l ^ 7));
  }
}

struct Hangs {
  KERNEL(Hangs) {
    if (c.tid() >= 208) return;
    if (c.tid() >= 192) c.ballot(kAllLanes, true);
    c.sync();
  }
};

TEST_CASE("a deadlock says who waits where") {
  const Report report = launch<Hangs>(3, 256, {nullptr, nullptr});
  REQUIRE(report.findings.size() == 1);
  CHECK(report.has(Fault::kBarrier));
  const std::string text = report.text();
  for (const char* part :
       {"block 0: deadlock; threads 0..191 wait at the block barrier at simt_test.cpp:",
        "; threads 192..207 wait in ballot mask 0xffffffff at simt_test.cpp:",
        "; threads 208..255 have returned"})
    CHECK(text.find(part) != std::string::npos);
  // The abandoned threads do not come back.
  const Buffer<uint32_t> out(64 * 5);
  CHECK(launch<Shuffles>(1, 64, {nullptr, out.get()}).text() == "");
}

struct Strides {
  KERNEL(Strides) {
    uint32_t* a = c.template shared_array<uint32_t, 1024, 0>();
    c.put(a + c.tid() * 32, c.load(p.in + c.tid()));
    c.store(p.out + c.tid() * 4, c.load(p.in));
  }
};

TEST_CASE("sectors and banks are counted per warp request") {
  const Buffer<uint32_t> in(std::vector<uint32_t>(32, 1)), out(128);
  const Report report = launch<Strides>(1, 32, {in.get(), out.get()}, {.traffic = true});
  REQUIRE(report.text() == "");
  std::vector<std::pair<uint64_t, uint64_t>> costs;
  for (const Traffic& t : report.traffic) {
    CHECK(t.requests == 1);
    costs.emplace_back(t.moved, t.least);
  }
  std::sort(costs.begin(), costs.end());
  // One word for all; 32 words side by side; 32 words 16 bytes apart; 32 words in one bank.
  CHECK(costs == std::vector<std::pair<uint64_t, uint64_t>>{{1, 1}, {4, 4}, {16, 4}, {32, 1}});
}

struct ByteNeighbours {
  KERNEL(ByteNeighbours) {
    auto* bytes = reinterpret_cast<uint8_t*>(p.out);
    c.store(bytes + c.tid(), static_cast<uint8_t>(c.tid()));
    if (c.tid() == 0 && c.load(p.in) == 1) c.store(bytes + 1, uint8_t{0});
  }
};

TEST_CASE("races are told apart byte by byte") {
  const Buffer<uint32_t> zero(std::vector<uint32_t>{0}), one(std::vector<uint32_t>{1}), out(16);
  CHECK(launch<ByteNeighbours>(1, 64, {zero.get(), out.get()}).text() == "");
  const Report report = launch<ByteNeighbours>(1, 64, {one.get(), out.get()});
  CHECK(report.has(Fault::kRace));
  CHECK(report.text().find("by thread 1 of block 0") != std::string::npos);
}

struct Product {
  KERNEL(Product) {
    Mma m;
    const uint32_t group = c.lane() / 4, member = c.lane() % 4;
    const auto* a =
        reinterpret_cast<const uint32_t*>(p.in);  // 16 rows of 32 bytes, then B: 8 columns of 32
    for (uint32_t i = 0; i < 4; ++i)
      m.a[i] = c.load(a + (group + 8 * (i % 2)) * 8 + member + 4 * (i / 2));
    for (uint32_t i = 0; i < 2; ++i) m.b[i] = c.load(a + 128 + group * 8 + member + 4 * i);
    m.c = {1, 1, 1, 1};
    c.mma(m);
    for (uint32_t i = 0; i < 4; ++i)
      c.store(p.out + (group + 8 * (i / 2)) * 8 + 2 * member + i % 2,
              static_cast<uint32_t>(m.c[i]));
  }
};

TEST_CASE("a matrix product of bytes by a warp") {
  std::vector<uint32_t> words(192);
  Dice dice{7};
  for (uint32_t& w : words) w = dice.below(1u << 31) * 2 + dice.below(2);
  const Buffer<uint32_t> in(words), out(128);
  REQUIRE(launch<Product>(1, 32, {in.get(), out.get()}).text() == "");
  const auto* a = reinterpret_cast<const uint8_t*>(words.data());
  const auto* b = reinterpret_cast<const int8_t*>(words.data() + 128);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int sum = 1;
      for (int k = 0; k < 32; ++k) sum += a[row * 32 + k] * b[column * 32 + k];
      CHECK(out.values()[static_cast<size_t>(row * 8 + column)] == static_cast<uint32_t>(sum));
    }
}

TEST_CASE("sizes of blocks") {
  CHECK(launch<Shuffles>(1, 33, {nullptr, nullptr}).has(Fault::kResource));
  CHECK(launch<Shuffles>(1, 2048, {nullptr, nullptr}).has(Fault::kResource));
  CHECK(launch<Shuffles>(0, 32, {nullptr, nullptr}).text() == "");
}

}  // namespace
}  // namespace spikeloom::simt
