// CIFAR-10 records.

#include "datasets/open.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  DatasetSpec spec;
  spec.kind = "cifar10";
  spec.path = file.path();
  return fuzz::errors_only([&] {
    const auto dataset = open_dataset(spec);
    dataset->load(dataset->info().size - 1);
  });
}
