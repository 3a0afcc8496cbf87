#pragma once
// Takes rights away from a process that reads what it should not trust. Internal to core/io/hdf5.

namespace spikeloom::hdf5 {

// From here on this process, its only thread included, may compute, allocate up to 512 MiB, and
// read, write and seek in what is open already; every other system call (opening a file, a socket,
// starting a process, mapping code, ...) fails with EPERM. For good; nothing it starts later could
// undo it. Returns "" or why the system does not allow it; the caller must not go on then.
const char* confine() noexcept;

}  // namespace spikeloom::hdf5
