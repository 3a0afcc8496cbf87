// Recordings of event cameras in HDF5, SHD, SSC and DSEC, behind the process that decodes it
// (hdf5_answers.hpp): listed, read, and made frames. The first byte says the format, the second the
// recording and the rule.

#include <iterator>
#include <string>

#include "core/io/hdf5/child.hpp"
#include "datasets/events/event_list.hpp"
#include "datasets/events/hdf5_events.hpp"
#include "datasets/spec.hpp"
#include "tests/fuzz/event_frames.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hdf5_answers.hpp"

using namespace spikeloom;

namespace {

constexpr const char* kFormats[] = {"auto", "shd", "dsec"};

void try_every_recording(const RecordingList& list) {
  constexpr int64_t kMost = 4;
  for (int64_t i = 0; list.shd != nullptr && i < std::min(kMost, list.shd->size()); ++i) {
    RecordingInfo info;
    fuzz::errors_only([&] { list.shd->read(i, info); });
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  hdf5::answer_in_thread(fuzz::answer_from_json);
  const std::string text = fuzz::kHdf5Mark + std::string(fuzz::text(data + 2, size - 2));
  const fuzz::InputFile input(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  DatasetSpec spec;
  spec.path = input.path();
  spec.event.recording.format = kFormats[data[0] % std::size(kFormats)];
  if (data[0] >= 128) spec.event.recording.sensor = {40, 1};
  fuzz::errors_only([&] { try_every_recording(list_recordings(spec)); });
  return fuzz::errors_only([&] {
    const LoadedRecording loaded = load_recording(input.path(), spec.event.recording, data[1] >> 4);
    fuzz::try_frames(data[1], loaded.events);
  });
}
