#include "bench/bench_child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/error.hpp"

namespace spikeloom {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_of_child() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with("OPENBLAS_CORETYPE=") || text.starts_with("OPENBLAS_L2_SIZE=")) continue;
    result.emplace_back(text);
  }
  return result;
}

}  // namespace

RivalChild::RivalChild(const std::string& python, const std::string& driver,
                       const std::vector<std::string>& arguments) {
  about_ = "not installed";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(driver, ignored)) {
    about_ = "there is no driver " + driver;
    return;
  }
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    throw Error(ErrorCode::kRuntime, "no pipe to " + python);
  std::vector<std::string> words = {python, driver}, environment = environment_of_child();
  words.insert(words.end(), arguments.begin(), arguments.end());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  // Here a driver that died is a failed write; the driver itself has the usual signals.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t usual;
  sigemptyset(&usual);
  for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&usual, signal);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawnp(&process_, python.c_str(), &actions, &attributes,
                                 pointers(words).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  if (error != 0) {
    process_ = -1;
    return;
  }
  const std::string line = read_line();
  ready_ = line.starts_with("ready ");
  const size_t space = line.find(' ');
  if (space != line.npos) about_ = line.substr(space + 1);
}

RivalChild::~RivalChild() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

std::string RivalChild::read_line() {
  std::string line;
  for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_))
    line += static_cast<char>(c);
  return line;
}

double RivalChild::run(int threads, int64_t calls) {
  std::fputs(fmt::format("{} {}\n", threads, calls).c_str(), to_);
  std::fflush(to_);
  double wall = 0, processor = 0;
  if (std::sscanf(read_line().c_str(), "%lf %lf", &wall, &processor) != 2)
    throw Error(ErrorCode::kRuntime, about_ + ": the driver has ended");
  return threads == 1 ? processor : wall;
}

}  // namespace spikeloom
