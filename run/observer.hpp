#pragma once
// What a run tells while it goes on, and how it is told to stop.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace spikeloom {

// How far a part of the work has come; total 0: not known.
struct Progress {
  std::string_view stage;  // "loading", "run", "dense twin", "checking"
  int64_t done = 0, total = 0;
  std::string note;  // "accuracy 98.4 %"; "": nothing to add
};

// Both may be empty, and must not throw. Calls come one at a time, from the thread that started the
// work or, while chips are priced side by side, from one of its helpers.
struct Observer {
  std::function<void(const Progress&)> progress;  // after every sample: be quick
  // A line for people: what is continued, what was left behind.
  std::function<void(const std::string&)> note;

  void tell(const std::string& line) const {
    if (note) note(line);
  }
  void report(const Progress& state) const {
    if (progress) progress(state);
  }
};

// Asks for a clean end, from any thread; copies are one token. Whoever works looks at it between
// samples.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  // Watches a flag that outlives it, for instance one that a signal handler sets.
  explicit CancelToken(std::atomic<bool>& flag) : flag_(std::shared_ptr<void>(), &flag) {}
  void cancel() noexcept { *flag_ = true; }
  bool cancelled() const noexcept { return *flag_; }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace spikeloom
