#include "core/io/hdf5/child.hpp"

#include <new>
#include <optional>

#include "core/error.hpp"
#include "core/io/hdf5/channel.hpp"
#include "core/io/hdf5/confinement.hpp"
#include "core/io/hdf5/descriptor_driver.hpp"
#include "core/io/hdf5/listing.hpp"
#include "core/io/hdf5/protocol.hpp"
#include "core/io/hdf5/slab.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr uint32_t kMaxBody = 64 << 10;
constexpr int kForEver = -1;

bool answer(int socket, Status status, std::span<const std::byte> payload) {
  const AnswerHead head{status, 0, payload.size()};
  return send_all(socket, std::as_bytes(std::span(&head, 1)), kForEver) == Transfer::kDone &&
         send_all(socket, payload, kForEver) == Transfer::kDone;
}

bool refuse(int socket, std::string_view why) {
  return answer(socket, Status::kRefused, std::as_bytes(std::span(why)));
}

class Server {
 public:
  explicit Server(const Id& access) : access_(access) {}

  std::vector<std::byte> serve(Operation operation, std::span<const std::byte> body) {
    if (!file_) {
      file_ = Id(H5Fopen("file", H5F_ACC_RDONLY, access_.get()), H5Fclose, "open as HDF5");
      slabs_.emplace(file_.get());
    }
    switch (operation) {
      case Operation::kList: {
        auto listing = encode(list_objects(file_.get()));
        if (listing.size() > kMaxListingBytes) {
          throw Error(ErrorCode::kData, "names and attributes of more than 32 MiB");
        }
        return listing;
      }
      case Operation::kNumbers: return slabs_->numbers(decode_slab(body));
      case Operation::kItems: return slabs_->items(decode_slab(body));
      case Operation::kTexts: return encode(slabs_->texts(decode_slab(body)));
    }
    throw Error(ErrorCode::kData, "an unknown request");
  }

 private:
  const Id& access_;
  Id file_;
  std::optional<SlabReader> slabs_;
};

// False when the parent is gone.
bool serve_next(int socket, Server& server) {
  RequestHead head;
  std::vector<std::byte> body;
  if (receive_all(socket, std::as_writable_bytes(std::span(&head, 1)), kForEver) !=
          Transfer::kDone ||
      head.body_bytes > kMaxBody) {
    return false;
  }
  body.resize(head.body_bytes);
  if (receive_all(socket, body, kForEver) != Transfer::kDone) return false;
  try {
    const auto payload = server.serve(head.operation, body);
    return answer(socket, Status::kDone, payload);
  } catch (const Error& error) {
    return refuse(socket, error.what());
  } catch (const std::bad_alloc&) {
    return refuse(socket, "takes more than 512 MiB to read");
  }
}

}  // namespace

int serve_parent(int socket, int file) {
  constexpr int kUnconfined = 1;
  const Entry inside = enter();
  const Id access = descriptor_access(file);  // before the filter: HDF5 starts here
  if (const std::string_view reason = confine(); !reason.empty()) {
    refuse(socket, reason);
    return kUnconfined;
  }
  if (!answer(socket, Status::kDone, {})) return 0;
  Server server(access);
  while (serve_next(socket, server)) {
  }
  return 0;
}

}  // namespace spikeloom::hdf5
