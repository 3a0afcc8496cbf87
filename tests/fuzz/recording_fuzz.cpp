// Recordings of event cameras: every format that is not HDF5 (whose child has a target of its own),
// then frames by every rule, cut from the whole and as they come. The first byte says the format,
// the second the rule.

#include <iterator>

#include "datasets/events/recording.hpp"
#include "tests/fuzz/event_frames.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

constexpr const char* kFormats[] = {"auto", "nmnist", "aedat2", "aedat31", "aedat4",
                                    "raw",  "dat",    "npy",    "npz",     "es_imagenet"};
}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  return fuzz::errors_only([&] {
    const fuzz::InputFile file(data + 2, size - 2);
    RecordingOptions options;
    options.format = kFormats[data[0] % std::size(kFormats)];
    if (options.format == "npy" && data[0] >= 128) options.columns = "x,y,p,t";
    const LoadedRecording loaded = load_recording(file.path(), options);
    fuzz::try_frames(data[1], loaded.events);
  });
}
