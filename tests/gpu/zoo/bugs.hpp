#pragma once
// Wrong kernels, one mistake each. cases.hpp says which checker has to see it.

#include "tests/gpu/zoo/kernels.hpp"

namespace spikeloom::zoo {

struct BugParams {
  const uint32_t* in;  // at least n
  uint32_t* out;       // n
  uint32_t n;
};

#define ZOO_BUG(Name)                        \
  static constexpr const char* name = #Name; \
  using Params = BugParams;                  \
  template <class Ctx>                       \
  ZOO_DEVICE static void run(Ctx& c, const Params& p)

struct PartialsBeforeBarrier {
  ZOO_BUG(PartialsBeforeBarrier) {
    uint32_t* part = c.template shared_array<uint32_t, 8, 0>();
    if (c.lane() == 0) c.put(part + c.warp(), c.load(p.in + c.warp()));
    uint32_t sum = 0;  // no c.sync()
    if (c.tid() == 0)
      for (uint32_t w = 0; w < c.bdim() / 32; ++w) sum += c.get(part + w);
    if (c.tid() == 0) c.store(p.out, sum);
  }
};

struct SharedPastEnd {
  ZOO_BUG(SharedPastEnd) {
    uint32_t* a = c.template shared_array<uint32_t, 64, 0>();
    c.put(a + c.tid(), c.tid());
    c.sync();
    const uint32_t next = c.get(a + c.tid() + 1);  // the last thread's is not there
    c.store(p.out + c.tid(), c.tid() + 1 < c.bdim() ? next : p.n);
  }
};

struct PlainAddOfBlocks {
  ZOO_BUG(PlainAddOfBlocks) {
    if (c.tid() == 0) c.store(p.out, c.read(p.out) + p.n);
  }
};

struct DivergentBarrier {
  ZOO_BUG(DivergentBarrier) {
    uint32_t* a = c.template shared_array<uint32_t, 64, 0>();
    if (c.tid() < 16) {
      c.put(a + c.tid(), c.load(p.in + c.tid()));
      c.sync();
      c.store(p.out + c.tid(), c.get(a + 15 - c.tid()));
    }
  }
};

struct EarlyReturnBeforeBallot {
  ZOO_BUG(EarlyReturnBeforeBallot) {
    if (c.tid() >= p.n - 5) return;
    const uint32_t votes = c.ballot(kAll, c.load(p.in + c.tid()) != 0);
    if (c.lane() == 0) c.store(p.out + c.warp(), votes);
  }
};

struct OffsetBeforeBarrier {
  ZOO_BUG(OffsetBeforeBarrier) {
    uint32_t* offset = c.template shared_array<uint32_t, 1, 0>();
    if (c.tid() == 0) c.put(offset, p.n - c.bdim());
    c.store(p.out + c.get(offset) + c.tid(), c.tid());  // no c.sync()
  }
};

struct ScatterWithoutAtomics {
  ZOO_BUG(ScatterWithoutAtomics) {
    uint32_t* bin = p.out + c.load(p.in + c.tid()) % 4;
    c.store(bin, c.read(bin) + 1);
  }
};

struct TileReusedBeforeBarrier {
  ZOO_BUG(TileReusedBeforeBarrier) {
    uint32_t* tile = c.template shared_array<uint32_t, 64, 0>();
    uint32_t sum = 0;
    for (uint32_t round = 0; round < 3; ++round) {
      c.put(tile + c.tid(), c.load(p.in + c.tid()) + round);
      c.sync();
      sum += c.get(tile + c.bdim() - 1 - c.tid());
    }  // no c.sync() before the next round
    c.store(p.out + c.tid(), sum);
  }
};

struct BallotIsNoBarrier {
  ZOO_BUG(BallotIsNoBarrier) {
    uint32_t* a = c.template shared_array<uint32_t, 64, 0>();
    c.put(a + c.tid(), c.load(p.in + c.tid()));
    const uint32_t votes = c.ballot(kAll, true);  // c.sync_warp(kAll) is missing
    c.store(p.out + c.tid(), c.get(a + (c.tid() ^ 1)) + votes);
  }
};

struct SharedNeverWritten {
  ZOO_BUG(SharedNeverWritten) {
    uint32_t* a = c.template shared_array<uint32_t, 64, 0>();
    if (c.tid() % 2 == 0) c.put(a + c.tid(), c.load(p.in + c.tid()));
    c.sync();
    c.store(p.out + c.tid(), c.get(a + c.tid()));
  }
};

struct GlobalPastEnd {
  ZOO_BUG(GlobalPastEnd) {
    c.store(p.out + c.tid() + (c.tid() + 1 == c.bdim() ? p.n - c.tid() : 0), c.tid());
  }
};

struct Pair {
  uint32_t low, high;
};

struct MisalignedVector {
  ZOO_BUG(MisalignedVector) {
#ifdef __CUDA_ARCH__
    const uint2 pair = c.load(reinterpret_cast<const uint2*>(p.in + 1));
    c.store(p.out + c.tid(), pair.x + pair.y);
#else
    const Pair pair = c.load(reinterpret_cast<const Pair*>(p.in + 1));
    c.store(p.out + c.tid(), pair.low + pair.high);
#endif
  }
};

struct ReadOnlyLoadOfWritten {
  ZOO_BUG(ReadOnlyLoadOfWritten) {
    c.store(p.out + c.tid(), c.tid());
    c.sync();
    const uint32_t* other = p.out + (c.tid() + 1) % c.bdim();
    c.store(p.out + c.bdim() + c.tid(), c.load(other));
  }
};

struct ShuffleFromOutsideMask {
  ZOO_BUG(ShuffleFromOutsideMask) {
    if (c.lane() < 16) c.store(p.out + c.tid(), c.shfl(0xffffu, c.load(p.in + c.tid()), 20));
  }
};

struct LaneOutsideItsMask {
  ZOO_BUG(LaneOutsideItsMask) {
    if (c.lane() < 16) c.store(p.out + c.tid(), c.ballot(0xffu, c.load(p.in + c.tid()) != 0));
  }
};

struct GlobalNeverWritten {
  ZOO_BUG(GlobalNeverWritten) {
    const uint32_t old = c.read(p.out + c.tid());
    c.store(p.out + c.tid(), old + c.load(p.in + c.tid()));
  }
};

struct UnequalBarriers {
  ZOO_BUG(UnequalBarriers) {
    for (uint32_t round = 0; round <= c.warp(); ++round) c.sync();
    c.store(p.out + c.tid(), p.n);
  }
};

#undef ZOO_BUG

}  // namespace spikeloom::zoo
