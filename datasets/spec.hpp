#pragma once
// What a user writes to name a data set: plain values, checked by open_dataset.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/io/npy.hpp"
#include "core/levels.hpp"

namespace spikeloom {

// How the offset of a centre crop is rounded when the difference of the sizes is odd: to the even
// neighbour (current torchvision), or always up (some older releases).
enum class CropRule { kRoundHalfEven, kFloorPlusHalf };
inline constexpr const char* kCropRuleNames[] = {"round_half_even", "floor_plus_half"};

// Largest size and crop, pixels.
constexpr int64_t kMaxImageTarget = 4096;

// How recordings of event cameras are to be read, where they do not say it themselves.
struct RecordingOptions {
  std::string format = "auto";               // one of recording_formats(); "auto": by content
  std::vector<int64_t> sensor{};             // width, height; empty: the file says so
  std::string orientation = "spikingjelly";  // aedat2: or "tonic", mirrored and inverted
  std::string columns{};                     // npy that is no structure: "x,y,p,t"
  std::string time_unit = "us";              // npy: or "s", "ms", "ns"
};

// Events as the steps of a network.
struct EventOptions {
  RecordingOptions recording;
  std::string steps{};                     // a rule of datasets/events/steps.hpp
  std::string value = "count";             // or "binary", "signed"
  std::string time_arithmetic = "double";  // shd: or "stored", SpikingJelly's on float16 times
};

struct DatasetSpec {
  std::string kind;              // one of dataset_kinds()
  std::filesystem::path path;    // images: a file; cifar10, image_folder: a folder
  std::filesystem::path labels;  // idx, npy, image_folder: file of labels, or empty
  // npy: arrays in memory in the place of path and of labels, which then only name them.
  std::shared_ptr<const NpyMemory> values, label_values;
  int64_t limit = -1;   // at most this many samples; -1: all
  int64_t skip = 0;     // samples left out at the start
  int64_t pad = 0;      // idx, cifar10: zeros around the raw image, pixels on each side
  int64_t classes = 0;  // labels are 0..classes-1; 0: the kind's own number
  // Values are declared to be whole numbers of events: 0 and 1 spikes, more levels.
  std::optional<LevelRange> events{};
  std::vector<double> mean, std;  // one value or one per channel; empty: 0 and 1
  std::string split;              // cifar10 folder: "train" or "test"
  int64_t size = 0;               // image_folder: short side after the resize, pixels; 0: no resize
  int64_t crop = 0;               // image_folder: side of the centre crop, pixels; 0: no crop
  CropRule crop_rule = CropRule::kRoundHalfEven;  // image_folder, with crop
  bool follow_links = false;                      // folders of images, clips: links may lead out
  // Clips: length of the network's sequences, steps; 0: it takes none.
  int64_t steps = 0;
  // Recordings: steps of the network, for rules that make as many as a recording is long.
  int64_t frames = 0;
  EventOptions event;                 // events
  std::string pattern, label_field;   // wav_folder: names such as "{digit}_{speaker}_{index}.wav"
  std::vector<std::string> where;     // wav_folder: conditions such as "index < 5"
  std::filesystem::path permutation;  // smnist: .npy of pixel numbers in the order of the steps
};

}  // namespace spikeloom
