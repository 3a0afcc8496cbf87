#pragma once
// Values of a dataset of an untrusted file. For the confined process only. Internal to
// core/io/hdf5.

#include <map>
#include <string>
#include <vector>

#include "core/io/hdf5/id.hpp"
#include "core/io/hdf5/protocol.hpp"

namespace spikeloom::hdf5 {

// Keeps datasets open, and the chunks it unpacked, up to 64 MiB of them: a row may cross many.
// Throws Error(kData) naming the dataset.
//
// Chunks are unpacked here, not by HDF5 1.10.8, which takes a chunk that inflates to fewer bytes
// than it should for a whole one and copies what lies behind it in memory. Filters: deflate,
// shuffle, Fletcher's checksum; a chunk may leave any of them out.
class SlabReader {
 public:
  explicit SlabReader(hid_t file);
  ~SlabReader();
  std::vector<std::byte> numbers(const SlabRequest& request);
  std::vector<std::string> texts(const SlabRequest& request);
  // The numbers of one list.
  std::vector<std::byte> items(const SlabRequest& request);

 private:
  struct Dataset;
  Dataset& open(const SlabRequest& request);
  const std::vector<std::byte>& chunk_at(Dataset& dataset, const std::vector<hsize_t>& origin);
  void gather(Dataset& dataset, const SlabRequest& request, std::byte* out);

  hid_t file_;
  uint64_t kept_ = 0;  // bytes of all chunks that are kept
  std::map<std::string, Dataset> datasets_;
};

}  // namespace spikeloom::hdf5
