#pragma once
// Whole messages over a socket. Internal to core/io/hdf5.

#include <cstddef>
#include <span>

namespace spikeloom::hdf5 {

enum class Transfer { kDone, kEnded, kLate };

// Sends or fills all bytes. kEnded: the other side is gone. kLate: it took longer than
// `milliseconds`, measured from the last bytes that moved; negative waits for ever.
Transfer send_all(int socket, std::span<const std::byte> bytes, int milliseconds) noexcept;
Transfer receive_all(int socket, std::span<std::byte> bytes, int milliseconds) noexcept;

}  // namespace spikeloom::hdf5
