// What the process that reads foreign HDF5 answers, as its parent takes it apart. The first byte
// says what was asked for.

#include <cstdlib>

#include "core/io/hdf5/protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto answer = fuzz::bytes(data, size).subspan(1);
  return fuzz::errors_only([&] {
    if (data[0] == 0) {
      const std::vector<hdf5::Object> objects = hdf5::decode_objects(answer);
      const std::vector<std::byte> again = hdf5::encode(objects);
      if (!std::equal(again.begin(), again.end(), answer.begin(), answer.end())) std::abort();
    } else if (data[0] == 1) {
      hdf5::decode_slab(answer);
    } else {
      hdf5::decode_texts(answer, data[0] - 2);
    }
  });
}
