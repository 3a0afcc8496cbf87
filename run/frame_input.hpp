#pragma once
// What `spikeloom stream` feeds a network: a sound, rows of an array or a recording of an event
// camera, from a file or standard input, frame by frame.

#include <functional>
#include <string>
#include <vector>

#include "run/experiment.hpp"
#include "run/frames.hpp"
#include "run/network.hpp"

namespace spikeloom {

struct FrameInput {
  Experiment experiment;  // with what the input decides of the network
  Network network;
  NextFrame next;                                   // throws Error(kData) that names the input
  bool sound = false;                               // frames of 10 ms
  std::string none;                                 // what an input without a frame is
  std::function<std::vector<std::string>()> notes;  // on the input, when next() has returned false
};

// `path`: "-" is standard input. Throws Error(kUsage) for networks that are not fed frame by frame,
// Error(kData) for the input.
FrameInput open_frames(Experiment experiment, const std::string& path);

// The same for a caller who feeds frames of its own, sequences: `next` and `notes` are empty.
FrameInput open_frames(Experiment experiment);

}  // namespace spikeloom
