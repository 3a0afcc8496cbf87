#pragma once
// What the stand-in runtime pretends to be and how it fails, from the environment variable
// SPIKELOOM_STANDIN: items separated by commas.
//
//   devices=1 driver=13000 capability=8.0 memory=1073741824
//   fail=cudaMalloc:3:2      the third call of cudaMalloc returns error 2; may be given several times
//   races=1                  kernels run with the race detector
//   order=backward           of blocks and warps; also shuffled:SEED
//   count=1                  kernels, blocks, instructions of warps and calls are printed at the end

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/gpu/simt/engine.hpp"

namespace spikeloom::standin {

struct Failure {
  std::string call;
  int64_t number = 1;
  int code = 999;
};

struct Config {
  int devices = 1;
  int driver = 13000;
  int major = 8, minor = 0;
  size_t memory = size_t{4} << 30;
  std::vector<Failure> failures;
  simt::Options options{.races = false};
  bool count = false;
};

// Throws std::invalid_argument, naming what it does not know.
Config parse_config(const std::string& text);

}  // namespace spikeloom::standin
