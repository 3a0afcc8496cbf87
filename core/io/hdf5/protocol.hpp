#pragma once
// The bytes between a reader and the process that reads for it (reader.hpp). Either side takes the
// other's for untrusted: numbers are checked before anything is allocated by them. Internal to
// core/io/hdf5 and its tests.
//
// A request is a RequestHead and `body_bytes` of a body, its answer an AnswerHead and
// `payload_bytes`.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/io/hdf5/objects.hpp"

namespace spikeloom::hdf5 {

// Bounds of a listing; more is refused by either side. Decoded it takes at most some 150 MB.
inline constexpr uint64_t kMaxListingBytes = 32 << 20;
inline constexpr int64_t kMaxObjects = 100'000;
inline constexpr int64_t kMaxAttributes = 200'000;
inline constexpr int64_t kMaxListedValues = 1'000'000;
// Bytes of one answer with numbers or texts.
inline constexpr uint64_t kMaxAnswerBytes = 100'000'000;
inline constexpr size_t kMaxExtents = 32;

enum class Operation : uint32_t { kList, kNumbers, kTexts, kItems };

struct RequestHead {
  Operation operation = Operation::kList;
  uint32_t body_bytes = 0;
};

enum class Status : uint32_t {
  kDone,
  kRefused,  // the payload says why, in one line
};

struct AnswerHead {
  Status status = Status::kDone;
  uint32_t zero = 0;
  uint64_t payload_bytes = 0;
};

// Part of a dataset: `count` values from `start` on, along each axis, as `wanted` (of kind kText:
// texts). Of lists (kItems) the numbers of one.
struct SlabRequest {
  std::string path;
  ValueType wanted;
  Shape start, count;
};

std::vector<std::byte> encode(const std::vector<Object>& objects);
// Throws Error(kData). Objects come in order of their paths, each once, the root first; values fit
// their types and shapes.
std::vector<Object> decode_objects(std::span<const std::byte> bytes);

std::vector<std::byte> encode(const SlabRequest& request);
SlabRequest decode_slab(std::span<const std::byte> bytes);

std::vector<std::byte> encode(const std::vector<std::string>& texts);
// Exactly `count` texts.
std::vector<std::string> decode_texts(std::span<const std::byte> bytes, int64_t count);

}  // namespace spikeloom::hdf5
