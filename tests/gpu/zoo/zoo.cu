// The zoo for nvcc: its PTX is what the interpreter is tested with.

#include "sim/backends/cuda/context.hpp"
#include "tests/gpu/zoo/bugs.hpp"

namespace spikeloom::zoo {

#define ZOO_ENTRY(K)                                                                         \
  extern "C" __global__ __launch_bounds__(256) void K##_entry(const __grid_constant__ K::Params p) { \
    cuda::DeviceContext c;                                                                         \
    K::run(c, p);                                                                            \
  }

ZOO_ENTRY(BlockSum)
ZOO_ENTRY(Compaction)
ZOO_ENTRY(Scatter)
ZOO_ENTRY(LifPack)
ZOO_ENTRY(RowGather)
ZOO_ENTRY(PopcountScores)
ZOO_ENTRY(PartialsBeforeBarrier)
ZOO_ENTRY(SharedPastEnd)
ZOO_ENTRY(PlainAddOfBlocks)
ZOO_ENTRY(DivergentBarrier)
ZOO_ENTRY(EarlyReturnBeforeBallot)
ZOO_ENTRY(OffsetBeforeBarrier)
ZOO_ENTRY(ScatterWithoutAtomics)
ZOO_ENTRY(TileReusedBeforeBarrier)
ZOO_ENTRY(BallotIsNoBarrier)
ZOO_ENTRY(SharedNeverWritten)
ZOO_ENTRY(GlobalPastEnd)
ZOO_ENTRY(MisalignedVector)
ZOO_ENTRY(ReadOnlyLoadOfWritten)
ZOO_ENTRY(ShuffleFromOutsideMask)
ZOO_ENTRY(LaneOutsideItsMask)
ZOO_ENTRY(GlobalNeverWritten)
ZOO_ENTRY(UnequalBarriers)

}  // namespace spikeloom::zoo
