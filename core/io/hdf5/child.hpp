#pragma once
// The confined process that reads for a ForeignFile. Internal to core/io/hdf5.

namespace spikeloom::hdf5 {

// The first argument of the program that is to be one; then come the numbers of its socket and of
// the file.
inline constexpr char kChildWord[] = "--read-hdf5-for-parent";

// Confines this process, says so with an empty answer, then answers until the socket ends. Returns
// the exit code.
int serve_parent(int socket, int file);

// For tests of what a parent makes of answers: instead of a process, a thread of this one calls
// `answer` with the socket and the file, which returns when the socket ends. nullptr: a process.
void answer_in_thread(void (*answer)(int socket, int file));

}  // namespace spikeloom::hdf5
