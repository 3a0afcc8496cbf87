#pragma once
// The one exception type of the project.
//
// Thrown while loading, building, planning, mapping and writing; caught once, in cli/main.cpp,
// which prints `what()` on one line and exits with `exit_code(code)`. Kernels are noexcept and
// never throw. What a program may want to know of the place stands in fields, whatever the message
// says. Context is added from the inside out: `throw e.in("block3.0.attn")` puts
// "block3.0.attn: " in front.

#include <cstdint>
#include <filesystem>
#include <memory>
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

// Where the fault lies, as far as it is known.
struct ErrorPlace {
  std::string file;              // experiment, weights, data, ...
  int64_t line = 0, column = 0;  // in it, from 1; 0: not known
  std::string key;               // of an experiment file: "run.threads"
  std::string node;              // of a graph
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ErrorCode code, const std::string& message, ErrorPlace place)
      : std::runtime_error(message),
        code_(code),
        place_(std::make_shared<const ErrorPlace>(std::move(place))) {}
  ErrorCode code() const noexcept { return code_; }
  // Fields are empty where nothing is known.
  const ErrorPlace& place() const noexcept;
  // The same error with "context: " in front of its message; a file or a node is a field, too, where
  // none is known yet.
  Error in(std::string_view context) const;
  Error in_file(const std::filesystem::path& path) const;
  Error in_node(std::string_view name) const;

 private:
  ErrorCode code_;
  std::shared_ptr<const ErrorPlace> place_;  // shared, so that copying never throws; null: unknown
};

}  // namespace spikeloom
