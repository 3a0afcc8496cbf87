#pragma once
// The one exception type of the project.
//
// Thrown while loading, building, planning, mapping and writing; caught once, in cli/main.cpp,
// which prints `what()` on one line and exits with `exit_code(code)`. Kernels are noexcept and
// never throw. Context is added from the inside out: `throw e.in("block3.0.attn")` puts
// "block3.0.attn: " in front.

#include <stdexcept>
#include <string>
#include <string_view>

namespace spikeloom {

enum class ErrorCode {
  kRuntime,      // the run itself failed (a write failed, disk full)
  kUsage,        // command line or experiment file is wrong
  kData,         // an input file is missing, damaged or does not fit
  kCapacity,     // the request does not fit a declared limit
  kInternal,     // our bug
  kInterrupted,  // Ctrl-C
};

// Process exit code: 1 run-time, 2 usage or config, 3 data or format, 4 capacity, 70 internal, 130
// interrupted.
int exit_code(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }
  // The same error with "context: " in front of its message.
  Error in(std::string_view context) const { return {code_, std::string(context) + ": " + what()}; }

 private:
  ErrorCode code_;
};

}  // namespace spikeloom
