#pragma once
// SPIKELOOM_DEVICE marks functions that also run on a CUDA device: plain arithmetic without
// allocation, exceptions, globals or calls of anything but the same.

#if defined(__CUDACC__)
#define SPIKELOOM_DEVICE __host__ __device__
#else
#define SPIKELOOM_DEVICE
#endif
