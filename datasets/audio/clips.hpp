#pragma once
// Folders of WAV clips as sequences of log-mel frames: each sample [steps, 128], see log_mel_input.

#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// Google Speech Commands V2: spec.path/<word>/<speaker>_nohash_<n>.wav with the 35 words in the
// label order of LMUFormer's authors (not alphabetical). spec.split "validation" and "test" are the
// files named in validation_list.txt and testing_list.txt, "train" all others; without both lists,
// the hash of the name behind them decides (speech_commands_split). Samples in byte-wise order of
// "<word>/<file>".
std::unique_ptr<Dataset> open_speech_commands(const DatasetSpec& spec);

// "train", "validation" or "test" by the SHA-1 of the name before "_nohash_".
std::string speech_commands_split(const std::string& file_name);

// One folder of files whose names follow spec.pattern, for instance
// "{digit}_{speaker}_{index}.wav": text and fields in braces, each as short as possible. Other
// names are left out. The label is the rank of field spec.label_field among its values, in
// byte-wise order (numbers by value). spec.where keeps samples for which all conditions hold:
// "field = text", "field != text", "field < number", "field >= number". Samples in byte-wise order
// of their names; labels do not depend on `where`.
std::unique_ptr<Dataset> open_wav_folder(const DatasetSpec& spec);

}  // namespace spikeloom
