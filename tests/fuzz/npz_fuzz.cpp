// NumPy archives: zip directory, inflation, arrays.

#include "core/io/npz.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    std::vector<std::string> left_out;
    parse_npz(fuzz::bytes(data, size), "a.npz", &left_out);
  });
}
