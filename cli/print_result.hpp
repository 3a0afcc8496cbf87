#pragma once
// What `run` and `count` print of a result.

#include "run/run.hpp"

namespace spikeloom {

// A summary, with `full` every table, with `quiet` notices only; returns the exit code.
int print_result(const RunResult& result, bool quiet, bool full);

}  // namespace spikeloom
