// safetensors: header and layout.

#include "core/io/safetensors.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] { parse_safetensors(fuzz::bytes(data, size), "a.safetensors"); });
}
