// NumPy arrays: as a tensor, and as a data set of images.

#include "core/io/npy.hpp"
#include "datasets/open.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::errors_only([&] { parse_npy(fuzz::bytes(data, size), "a.npy"); });
  return fuzz::errors_only([&] {
    const fuzz::InputFile file(data, size);
    DatasetSpec spec;
    spec.kind = "npy";
    spec.path = file.path();
    open_dataset(spec)->load(0);
  });
}
