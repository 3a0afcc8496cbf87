#pragma once
// A progress bar on standard error, only when that is a terminal; redrawn at most ten times a
// second and removed at the end. Without a terminal nothing is printed.

#include <chrono>
#include <cstdint>
#include <string>

namespace spikeloom {

class Progress {
 public:
  Progress(std::string title, int64_t total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // `note` follows the bar, for instance "accuracy 98.4 %".
  void update(int64_t done, const std::string& note);

 private:
  void erase();

  std::string title_;
  int64_t total_ = 0;
  bool visible_ = false, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// Whether text on this descriptor may be coloured: a terminal, TERM not dumb, NO_COLOR empty,
// CLICOLOR not 0; CLICOLOR_FORCE set and not 0 forces it.
bool colour_allowed(int descriptor);

}  // namespace spikeloom
