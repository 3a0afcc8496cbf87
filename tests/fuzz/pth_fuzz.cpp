// PyTorch checkpoints: zip and legacy form, and the pickle inside on its own, which mutations reach
// more often without a zip around it.

#include "core/io/pickle.hpp"
#include "core/io/pth.hpp"
#include "core/io/torch_pickle.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::errors_only([&] { parse_pth(fuzz::bytes(data, size), "a.pth"); });
  return fuzz::errors_only([&] {
    const Pickle pickle = parse_pickle(fuzz::bytes(data, size), "a.pkl");
    opaque_symbols(pickle);
    find_state_dicts(pickle, "a.pkl");
  });
}
