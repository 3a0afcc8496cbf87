// WAV files as clips and as what the network reads of them.

#include "datasets/audio/wav.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    const std::span<const uint8_t> bytes(data, size);
    log_mel_input(decode_clip(std::as_bytes(bytes)).samples, 4);
  });
}
