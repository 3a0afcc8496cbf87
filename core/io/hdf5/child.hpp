#pragma once
// The confined process that reads for a ForeignFile. Internal to core/io/hdf5.

namespace spikeloom::hdf5 {

// The first argument of the program that is to be one; then come the numbers of its socket and of
// the file.
inline constexpr char kChildWord[] = "--read-hdf5-for-parent";

// Confines this process, says so with an empty answer, then answers until the socket ends. Returns
// the exit code.
int serve_parent(int socket, int file);

}  // namespace spikeloom::hdf5
