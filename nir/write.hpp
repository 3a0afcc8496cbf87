#pragma once
// A NIR graph as the bytes of an HDF5 file, as nir 1.0.7 wrote them: contiguous, no attributes.

#include <cstddef>
#include <vector>

#include "nir/lift.hpp"

namespace spikeloom::nir {

struct WriteOptions {
  // Fields v_reset, which readers before 1.0.6 refuse; where they are left out they count as 0.
  bool v_reset = true;
};

// Node names must be those of HDF5 links: no '/'. Throws Error(kRuntime) where HDF5 fails.
std::vector<std::byte> write(const Lifted& lifted, const WriteOptions& options = {});

}  // namespace spikeloom::nir
