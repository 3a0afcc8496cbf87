// Chip descriptions: TOML to checked values, and the operations they price.

#include "hw_model/chip/operations.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    Config config = Config::parse(fuzz::text(data, size), "a.toml");
    operations_of(read_chip(config));
  });
}
