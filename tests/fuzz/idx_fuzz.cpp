// IDX images and IDX labels, plain or gzip.

#include "datasets/open.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

// Two images of one pixel, for labels to belong to.
constexpr uint8_t kTwoImages[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size), images(kTwoImages, sizeof(kTwoImages));
  DatasetSpec spec;
  spec.kind = "idx";
  spec.path = file.path();
  fuzz::errors_only([&] { open_dataset(spec)->load(0); });
  spec.path = images.path();
  spec.labels = file.path();
  return fuzz::errors_only([&] { open_dataset(spec)->load(1); });
}
