// spikeloom: the program. One table of commands, one place that catches errors.

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <new>
#include <string_view>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/notice.hpp"
#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hint.hpp"
#include "run/version.hpp"

namespace spikeloom {
namespace {

struct Command {
  std::string_view name, about;
  int (*run)(const Arguments&);
};

constexpr std::array kCommands = {
    Command{"run", "run an experiment file: accuracy, spikes, operation counts, energy, trace",
            command_run},
    Command{"inspect", "look into a spike trace: shapes, rates, activity; verify it; export events",
            command_inspect},
    Command{"count", "the reports of a run, made of spikes that were recorded before or elsewhere",
            command_count},
    Command{"chip", "price a spike trace on neuromorphic chips: energy, time, cores, links",
            command_chip},
    Command{"compare", "put two or more energy reports side by side", command_compare},
    Command{"convert", "convert weights to safetensors, or the sequences of a data set to .npy",
            command_convert},
    Command{"generate", "continue a text with a SpikeGPT, token by token", command_generate},
    Command{"tokenize", "print the token ids of a text", command_tokenize},
    Command{"stream", "feed a sound frame by frame; print the decision as it forms",
            command_stream},
    Command{"bench", "measure the engine on this machine beside its competitors", command_bench},
    Command{"list", "list models, presets, datasets, devices and energy schemes", command_list},
    Command{"report-bug", "print what a bug report needs to say about program and machine",
            command_report_bug},
};

void print_help() {
  fmt::print(
      "spikeloom {}: runs spiking transformers event by event and prices what they do\n\n"
      "usage: spikeloom COMMAND [ARGUMENTS]\n\n",
      kVersion);
  for (const Command& command : kCommands)
    fmt::print("  {:<10}  {}\n", command.name, command.about);
  fmt::print(
      "\n  --help, --version; 'spikeloom COMMAND --help' explains a command\n\nexit codes: 0 ok, 1 "
      "run-time, 2 usage or config, 3 data or format, 4 capacity, 70 internal, 130 interrupted\n");
}

int dispatch(const Arguments& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help();
    return words.empty() ? exit_code(ErrorCode::kUsage) : 0;
  }
  if (words[0] == "--version") {
    fmt::print("spikeloom {}\n", kVersion);
    return 0;
  }
  for (const Command& command : kCommands) {
    if (words[0] == command.name) return command.run({words.begin() + 1, words.end()});
  }
  throw Error(ErrorCode::kUsage, "no command '" + words[0] + "'; try spikeloom --help");
}

// A file opened later must not become standard output or error. What stands in for a stream that
// was closed refuses what the stream was for, as the closed one did.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    const int opened = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened >= 0 && opened != stream) {
      dup2(opened, stream);
      close(opened);
    }
  }
}

std::string output_fault() {
  constexpr const char* kFault = "standard output cannot be written";
  if (errno == EPIPE) return fmt::format("{}: who read it has ended", kFault);
  return kFault;
}

// What was printed must have arrived: a full disk behind "> file" is an error.
int flushed(int code) {
  errno = 0;
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw Error(ErrorCode::kRuntime, output_fault());
  return code;
}

int report(ErrorCode code, std::string_view message) {
  // Messages quote files: they stay on one line, of which the start tells where and the end what,
  // and cannot drive the terminal.
  constexpr size_t kLongest = 389, kEnd = 190;  // with "spikeloom: " 400 bytes
  std::string line = printable(message, message.size());
  if (line.size() > kLongest) {
    size_t end = line.size() - kEnd;
    while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) ++end;
    line = printable(line, kLongest - kEnd - 3) + line.substr(end);
  }
  notice("{}", line);
  return exit_code(code);
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  using namespace spikeloom;
  open_standard_streams();
  mallopt(M_MMAP_THRESHOLD, 1 << 18);  // freed weights and buffers go back to the system at once
  try {
    ignore_write_signals();
    if (const auto code = hdf5::serve_foreign_files(argc, argv)) return *code;
    install_interrupt_handler();
    return flushed(dispatch({argv + 1, argv + argc}));
  } catch (const Error& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    std::fputs("spikeloom: out of memory\n", stderr);
    return exit_code(ErrorCode::kCapacity);
  } catch (const std::system_error& error) {  // of fmt::print, files or threads
    errno = error.code().value();
    return report(ErrorCode::kRuntime, std::ferror(stdout) != 0 ? output_fault() : error.what());
  } catch (const std::exception& error) {
    return report(ErrorCode::kInternal,
                  std::string("internal error, please report it: ") + error.what());
  }
}
