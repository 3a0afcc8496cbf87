#pragma once
// How far a run has come: what `run --resume` continues from.
//
// "<folder>/checkpoint.safetensors" is replaced as a whole after a sample, at most once a second,
// when everything it tells of has been flushed. A finished run removes it.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/hash.hpp"
#include "core/io/folder_lock.hpp"
#include "core/io/temporary.hpp"
#include "hw_model/report/report.hpp"
#include "run/observed.hpp"
#include "run/observer.hpp"

namespace spikeloom {

// What readers forgave in the same words: how often, and where first.
struct CountedNote {
  std::string text;
  int64_t samples = 0;
  std::string first;  // its name, or "sample 3"
};

struct RunState {
  int64_t done = 0;  // samples that ended or could not be read
  Score score;
  std::vector<BrokenSample> broken;
  std::vector<CountedNote> notes;  // in the order they were met
  RunStatistics statistics;
  std::vector<uint64_t> signature;  // by population
  int64_t binary = 0;  // samples of nothing but 0 and 1, as long as there were no others
  int64_t lit = 0;     // of these, samples with a 1
  std::optional<NeuroBenchCounts> neurobench;
  double seconds = 0;
  // What was read: of every sample that is done, or that chose the scales of the weights.
  std::vector<Digest> inputs;
  // Where the outputs lie that do not have their names yet: final names and temporary ones.
  std::map<std::string, std::string> unnamed;
  bool outputs_final = false;  // the spiking run ended: trace and arrays have their names
  int64_t twin_done = 0;
  Score twin_score;
  std::vector<ZeroCount> twin_zeros;             // by layer; none: they are not counted
  std::optional<RunStatistics> twin_statistics;  // of a twin of tokens

  int64_t ended() const noexcept { return done - static_cast<int64_t>(broken.size()); }
};

// What must be equal for a run to be continued: text by key.
using RunIdentity = std::map<std::string, std::string>;

std::filesystem::path checkpoint_path(const std::filesystem::path& folder);

// Throws Error(kRuntime) when the file cannot be written or the folder is no longer the one that
// was locked.
void save_checkpoint(const FolderLock& folder, const RunIdentity& identity, const RunState& state);

// Fills `state`, whose statistics already list the network's populations. Error(kUsage) naming what
// differs when the file belongs to another run, Error(kData) when it is damaged.
void load_checkpoint(const std::filesystem::path& path, const RunIdentity& identity,
                     RunState& state);

// Makes `state`, that of a run before its first sample, the one to start from: what the unfinished
// run in the folder tells, when there is one and `resume` asks for it; tells the observer what it
// does. Forgets the unfinished run otherwise. `size` samples, called `unit`, make a whole run.
// `check_inputs` throws when what the unfinished run read is no longer there.
void start_or_continue(const std::filesystem::path& folder, const RunIdentity& identity,
                       bool resume, int64_t size, const char* unit, RunState& state,
                       const Observer& observer,
                       const std::function<void(const RunState&)>& check_inputs);

// Says when the next checkpoint is due: `seconds` after the last one, later where they are slow.
// They take at most 1/20 of the time, unless `seconds` is 0: then one is always due.
class CheckpointPace {
 public:
  explicit CheckpointPace(double seconds)
      : pause_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        next_(Clock::now() + pause_) {}
  bool due() const { return Clock::now() >= next_; }
  template <typename Write>
  void run(Write&& write) {
    const auto start = Clock::now();
    write();
    const auto end = Clock::now();
    const auto slow = kShare * (end - start);
    next_ = end + (pause_.count() == 0 ? pause_ : std::max<Clock::duration>(pause_, slow));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kShare = 20;
  Clock::duration pause_;
  Clock::time_point next_;
};

// Where an earlier process left an output: under the temporary name that `state` tells or, after
// Ctrl-C, under its own. While this lives nothing removes it. Error(kData) when there is none.
ClaimedFile earlier_output(const std::filesystem::path& path, const RunState& state);

// Content by key, for the report: the hashes of an identity, that of the samples as dataset.path.
std::map<std::string, std::string> inputs_of(const RunIdentity& identity,
                                             const std::vector<Digest>& samples);

// For the report of a run whose folder cannot be locked.
std::string no_lock_warning(const std::filesystem::path& folder);

inline void add_unnamed(std::map<std::string, std::string>& unnamed,
                        const std::filesystem::path& path, const std::filesystem::path& temporary) {
  unnamed[path.filename().string()] = temporary.filename().string();
}

// Removes the checkpoint and every temporary file that a killed run left in the folder.
void forget_checkpoint(const std::filesystem::path& folder);

}  // namespace spikeloom
