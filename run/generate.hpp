#pragma once
// Text from a token model, token by token: what `spikeloom generate` does, as one function.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hw_model/energy/energy.hpp"
#include "models/sampling.hpp"
#include "run/cpu_choice.hpp"
#include "run/experiment.hpp"
#include "run/observer.hpp"

namespace spikeloom {

struct GenerateRequest {
  Experiment network;           // of a token model; its data set is not looked at
  std::filesystem::path state;  // to continue from, and written at the end; "": none
  // The prompt as a text or, where this is given, as token ids of a vocabulary of so many; neither
  // is needed behind a state.
  std::string prompt;
  std::function<std::vector<int32_t>(int64_t vocabulary)> ids;
  int64_t tokens = 100;  // how many to make
  Sampling sampling;
  double top_p_newline = 0.9;  // behind a newline, of characters
  CpuOptions cpu;
  CancelToken cancel;
  // Called with the bytes of every token as it is made: parts of characters, too. May be empty.
  std::function<void(const std::string& bytes)> made;
};

// Energy of one token.
struct TokenEnergy {
  std::string name, precision;
  Evidence evidence;
  double total_uJ = 0, without_head_uJ = 0;
};

struct GeneratedText {
  std::vector<int32_t> prompt, ids;
  bool has_text = false;  // otherwise `bytes` are ids
  std::string bytes;
  double prompt_seconds = 0, seconds = 0;  // up to the first token, behind it
  std::vector<TokenEnergy> energies;       // as it ran, and of dense twins, from counts of this run
  std::string settings;                    // of the network, worth a line; "": none
  std::string weights;                     // where they come from
  std::vector<std::string> notes;          // on their file
  bool cancelled = false;

  double tokens_per_second() const { return static_cast<double>(ids.size() - 1) / seconds; }
};

// The same seed gives the same text on every machine. Throws Error(kUsage, kData) for what does not
// fit, Error(kRuntime) where logits are no numbers or another process wrote the state.
GeneratedText generate(const GenerateRequest& request);
nlohmann::json to_json(const GeneratedText& made, uint64_t seed);

}  // namespace spikeloom
