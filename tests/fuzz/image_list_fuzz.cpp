// The label list of an image folder.

#include "datasets/open.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path folder =
      std::filesystem::path(SPIKELOOM_SOURCE_DIR) / "tests/unit/data/images";
  const fuzz::InputFile list(data, size);
  DatasetSpec spec;
  spec.kind = "image_folder";
  spec.path = folder;
  spec.labels = list.path();
  spec.crop = 4;
  return fuzz::errors_only([&] { open_dataset(spec); });
}
