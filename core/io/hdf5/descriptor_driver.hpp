#pragma once
// Opens an HDF5 file that is a descriptor: for a process that may open nothing. Internal to
// core/io/hdf5.

#include "core/io/hdf5/id.hpp"

namespace spikeloom::hdf5 {

// Access properties with which H5Fopen reads the descriptor, whatever name it is given. The
// descriptor stays open and the caller's.
Id descriptor_access(int descriptor);

}  // namespace spikeloom::hdf5
