#include "datasets/audio/clips.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "datasets/audio/clip_list.hpp"
#include "datasets/audio/wav.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

class Clips final : public Dataset {
 public:
  Clips(const DatasetSpec& spec, ClipList list)
      : folder_(spec.path),
        list_(std::move(list)),
        window_(choose_window(spec, static_cast<int64_t>(list_.clips.size()))) {
    info_.size = window_.count;
    info_.classes = spec.classes == 0 ? list_.classes : spec.classes;
    info_.channels = kMelBins;
    info_.frames = spec.steps;
    info_.separate_files = true;
    info_.warnings = std::move(list_.warnings);
    info_.description = list_.description + ", " + std::to_string(list_.clips.size()) +
                        " clips, log-mel frames of 10 ms, " + std::to_string(spec.steps) + " each";
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const Clip& clip = list_.clips[static_cast<size_t>(window_.first + index)];
    Sound sound = read_clip(folder_ / clip.name);
    return {log_mel_input(sound.samples, info_.frames), clip.label, clip.name,
            std::move(sound.notes)};
  }

 private:
  std::filesystem::path folder_;
  ClipList list_;
  SampleWindow window_;
  DatasetInfo info_;
};

void check_options(const DatasetSpec& spec, const char* kind) {
  const auto refuse = [&](const char* option) {
    throw Error(ErrorCode::kUsage, std::string(option) + ": " + kind + " has no such option");
  };
  refuse_image_options(spec);
  if (spec.pad != 0) refuse("pad");
  if (!spec.labels.empty()) refuse("labels");
  if (!spec.mean.empty()) refuse("mean");
  if (!spec.std.empty()) refuse("std");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  if (spec.steps < 1) throw Error(ErrorCode::kUsage, "clips need a network that takes sequences");
}

std::unique_ptr<Dataset> make(const DatasetSpec& spec, ClipList list) {
  if (spec.classes != 0 && list.classes > spec.classes) {
    throw Error(ErrorCode::kData, spec.path.string() + ": " + std::to_string(list.classes) +
                                      " classes of clips, expected at most " +
                                      std::to_string(spec.classes));
  }
  return std::make_unique<Clips>(spec, std::move(list));
}

}  // namespace

std::unique_ptr<Dataset> open_speech_commands(const DatasetSpec& spec) {
  check_options(spec, "speech_commands");
  return make(spec, list_speech_commands(spec.path, spec.split, spec.follow_links));
}

std::unique_ptr<Dataset> open_wav_folder(const DatasetSpec& spec) {
  check_options(spec, "wav_folder");
  if (!spec.split.empty()) throw Error(ErrorCode::kUsage, "split: wav_folder has where");
  return make(spec, list_wav_folder(spec.path, spec.pattern, spec.label_field, spec.where,
                                    spec.follow_links));
}

}  // namespace spikeloom
