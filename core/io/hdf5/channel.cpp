#include "core/io/hdf5/channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace spikeloom::hdf5 {
namespace {

// Without a limit of time nothing is asked but the transfer itself: the confined process may not.
Transfer wait_for(int socket, short what, int milliseconds) noexcept {
  if (milliseconds < 0) return Transfer::kDone;
  pollfd entry{socket, what, 0};
  int ready = 0;
  do {
    ready = poll(&entry, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? Transfer::kDone : ready == 0 ? Transfer::kLate : Transfer::kEnded;
}

template <typename Move>
Transfer move_all(int socket, short what, size_t size, int milliseconds, Move&& move) noexcept {
  for (size_t done = 0; done < size;) {
    const Transfer ready = wait_for(socket, what, milliseconds);
    if (ready != Transfer::kDone) return ready;
    const ssize_t part = move(done);
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return Transfer::kEnded;
    done += static_cast<size_t>(part);
  }
  return Transfer::kDone;
}

}  // namespace

Transfer send_all(int socket, std::span<const std::byte> bytes, int milliseconds) noexcept {
  return move_all(socket, POLLOUT, bytes.size(), milliseconds, [&](size_t done) {
    return send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
  });
}

Transfer receive_all(int socket, std::span<std::byte> bytes, int milliseconds) noexcept {
  return move_all(socket, POLLIN, bytes.size(), milliseconds, [&](size_t done) {
    return recv(socket, bytes.data() + done, bytes.size() - done, 0);
  });
}

}  // namespace spikeloom::hdf5
