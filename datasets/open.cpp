#include "datasets/open.hpp"

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "datasets/audio/clips.hpp"
#include "datasets/cifar10.hpp"
#include "datasets/declared_events.hpp"
#include "datasets/events/event_dataset.hpp"
#include "datasets/idx.hpp"
#include "datasets/image_folder.hpp"
#include "datasets/npy_batch.hpp"
#include "datasets/smnist.hpp"

namespace spikeloom {
namespace {

constexpr DatasetKind kKinds[] = {
    {"cifar10", "CIFAR-10 binary version: one .bin file, or a folder with split train or test",
     open_cifar10},
    {"events", "recordings of event cameras as frames that count events: see docs/events.md",
     open_events},
    {"idx", "MNIST-style IDX images and labels, plain or gzip", open_idx},
    {"image_folder", "JPEG and PNG files in a folder for each class, or in one folder with a list",
     open_image_folder},
    {"npy", "NumPy array [N,C,H,W], [N,T,C,H,W] with one frame a step, or sequences [N,T,C]",
     open_npy_batch},
    {"smnist", "MNIST-style IDX images as sequences of one pixel a step, in any order",
     open_sequential_mnist},
    {"speech_commands", "Google Speech Commands: log-mel frames of its splits",
     open_speech_commands},
    {"wav_folder", "WAV files in one folder, labels and splits from their names: log-mel frames",
     open_wav_folder},
};

}  // namespace

std::span<const DatasetKind> dataset_kinds() noexcept {
  return kKinds;
}

namespace {

void refuse_event_options(const DatasetSpec& spec) {
  const EventOptions none, &given = spec.event;
  const RecordingOptions& reading = given.recording;
  const std::pair<bool, const char*> options[] = {
      {reading.format != none.recording.format, "format"},
      {!reading.sensor.empty(), "sensor"},
      {reading.orientation != none.recording.orientation, "orientation"},
      {!reading.columns.empty(), "columns"},
      {reading.time_unit != none.recording.time_unit, "time_unit"},
      {!given.steps.empty(), "steps"},
      {given.value != none.value, "value"},
      {given.time_arithmetic != none.time_arithmetic, "time_arithmetic"}};
  for (const auto& [is_given, option] : options) {
    if (is_given)
      throw Error(ErrorCode::kUsage, std::string(option) + ": an option of recordings, events");
  }
}

// Options only one kind knows.
void refuse_foreign_options(const DatasetSpec& spec) {
  const auto only = [&](bool given, const char* option, std::string_view kind) {
    if (given && spec.kind != kind) {
      throw Error(ErrorCode::kUsage, std::string(option) + ": an option of " + std::string(kind));
    }
  };
  only(!spec.pattern.empty(), "pattern", "wav_folder");
  only(!spec.label_field.empty(), "label_field", "wav_folder");
  only(!spec.where.empty(), "where", "wav_folder");
  only(!spec.permutation.empty(), "permutation", "smnist");
  if (spec.kind != "events") refuse_event_options(spec);
  if (spec.follow_links && spec.kind != "wav_folder" && spec.kind != "speech_commands" &&
      spec.kind != "events")
    only(true, "follow_links", "image_folder");
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DatasetSpec& spec) {
  refuse_foreign_options(spec);
  if (spec.events && spec.kind != "events") {  // recordings need not be looked through for it
    DatasetSpec values = spec;
    values.events.reset();
    return declared_events(open_dataset(values), *spec.events);
  }
  std::vector<std::string> names;
  for (const DatasetKind& kind : kKinds) {
    if (kind.name == spec.kind) return kind.open(spec);
    names.emplace_back(kind.name);
  }
  std::string message = "unknown kind of data set " + in_quotes(spec.kind) + "; known:";
  for (size_t i = 0; i < names.size(); ++i) message += (i == 0 ? " " : ", ") + names[i];
  const std::string near = nearest(spec.kind, names);
  if (!near.empty()) message += " (did you mean " + near + "?)";
  throw Error(ErrorCode::kUsage, message);
}

}  // namespace spikeloom
