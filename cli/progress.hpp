#pragma once
// A progress bar on standard error, only when that is a terminal; redrawn at most ten times a
// second and removed at the end. Without a terminal no bar is drawn.
//
// Lines that a library tells before the work itself begins wait for its first result: what ends
// with an error before that says nothing but the error.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "run/observer.hpp"

namespace spikeloom {

class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Draws what a library tells, and prints its lines; must not outlive the bar.
  Observer observer();
  // Takes the bar away, for lines on standard output; it comes back with the next step.
  void clear();

 private:
  void update(const Progress& state);
  void draw(const Progress& state, std::chrono::steady_clock::time_point now);
  void begin();

  bool visible_ = false, drawn_ = false;
  bool begun_ = false;  // the work itself has a first result
  std::vector<std::string> waiting_;
  int exceptions_;  // under way when the bar was made
  std::string stage_;
  int64_t before_ = 0;  // what the stage had done when it was first seen: by an earlier process
  std::chrono::steady_clock::time_point start_, last_;
};

// Whether text on this descriptor may be coloured: a terminal, TERM not dumb, NO_COLOR empty,
// CLICOLOR not 0; CLICOLOR_FORCE set and not 0 forces it.
bool colour_allowed(int descriptor);

// Columns of the terminal behind the descriptor; `otherwise` where there is none.
size_t terminal_width(int descriptor, size_t otherwise);

}  // namespace spikeloom
