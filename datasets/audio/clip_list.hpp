#pragma once
// Which clips a folder holds and what their labels are: names only, no file of sound is opened. See
// clips.hpp; faults are Error(kData) naming the path, Error(kUsage) for patterns and conditions.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace spikeloom {

struct Clip {
  std::string name;  // relative to the folder
  int64_t label = -1;
};

struct ClipList {
  std::vector<Clip> clips;
  int64_t classes = 0;
  std::string description;
  std::vector<std::string> warnings;  // what was left out, counted
};

ClipList list_speech_commands(const std::filesystem::path& folder, const std::string& split,
                              bool follow_links = false);
ClipList list_wav_folder(const std::filesystem::path& folder, const std::string& pattern,
                         const std::string& label_field, const std::vector<std::string>& where,
                         bool follow_links = false);

}  // namespace spikeloom
