#include "run/bug_report.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/io/hint.hpp"
#include "core/memory_limit.hpp"
#include "core/sha256.hpp"
#include "run/device.hpp"
#include "run/version.hpp"

namespace spikeloom {
namespace {

// What stands behind `key` and a separator in the first line of a file that begins with it.
std::string first_value_of(const char* file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const size_t at = line.find_first_not_of("\t :=\"", key.size());
    const size_t end = line.find_last_not_of(" \"");
    if (at != line.npos && end >= at) return printable(line.substr(at, end - at + 1), 120);
  }
  return "unknown";
}

// The release of the kernel, not the name of the machine.
std::string system_text() {
  utsname system{};
  if (uname(&system) != 0) return "unknown";
  return fmt::format("{} {}, {} {}", first_value_of("/etc/os-release", "PRETTY_NAME"),
                     system.machine, system.sysname, system.release);
}

std::string processors_text() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  return fmt::format("{}, {} processors allowed, SHA-256 {}",
                     first_value_of("/proc/cpuinfo", "model name"), known ? CPU_COUNT(&allowed) : 0,
                     sha256_instructions());
}

std::string memory_text() {
  const MemoryLimit memory = memory_limit();
  constexpr double kMiB = 1 << 20;
  return fmt::format("{:.0f} of {:.0f} MiB left, {}", memory.left / kMiB, memory.limit / kMiB,
                     memory.what);
}

// Keys whose text is a word of this program's own.
constexpr std::array kWords = {
    "family",      "preset",      "origin",          "type",
    "fire",        "reset",       "readout",         "if_gain",
    "form",        "memory",      "head_mode",       "kind",
    "format",      "orientation", "time_unit",       "value",
    "steps",       "split",       "crop_rule",       "time_arithmetic",
    "device",      "schedule",    "level",           "precision",
    "unsupported", "update",      "recurrent_start", "event_compression",
};

bool is_word(std::string_view text) {
  return text.size() < 40 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-' || c == '=';
         });
}

std::string hidden(const std::string& text) {
  if (text.empty()) return "\"\"";
  const std::string ending = std::filesystem::path(text).extension().string();
  const bool plain = ending.size() > 1 && ending.size() < 14 && is_word(ending.substr(1));
  return plain ? fmt::format("(a {} file)", ending) : "(a text)";
}

void add_keys(std::string& out, const std::string& path, std::string_view key,
              const nlohmann::json& value) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      const std::string shown = is_word(name) ? name : "(a name)";
      add_keys(out, path.empty() ? shown : path + "." + shown, shown, member);
    }
  } else if (value.is_array() && value.size() <= 64 &&
             std::any_of(value.begin(), value.end(), [](const auto& entry) {
               return entry.is_structured() || entry.is_string();
             })) {
    for (size_t i = 0; i < value.size(); ++i)
      add_keys(out, fmt::format("{}[{}]", path, i), key, value[i]);
  } else if (value.is_array()) {
    out +=
        fmt::format("{} = {}\n", path,
                    value.size() <= 64 ? value.dump() : fmt::format("({} values)", value.size()));
  } else if (!value.is_string()) {
    out += fmt::format("{} = {}\n", path, value.dump());
  } else {
    const std::string text = value.get<std::string>();
    const bool shown =
        is_word(text) && std::find(kWords.begin(), kWords.end(), key) != kWords.end();
    out += fmt::format("{} = {}\n", path, shown ? "\"" + text + "\"" : hidden(text));
  }
}

}  // namespace

std::string describe_program(const std::vector<std::pair<std::string, std::string>>& settings) {
  std::string text = fmt::format(
      "spikeloom  {}\ncompiler   {}\nlibraries  {}\nsystem     {}\nprocessor  {}\nmemory     {}\n",
      kVersion, kCompiler, kLibraries, system_text(), processors_text(), memory_text());
  for (const auto& [name, value] : settings) {
    if (!value.empty()) text += fmt::format("setting    {}={}\n", name, printable(value, 80));
  }
  return text + device_lines();
}

std::string describe_keys(const nlohmann::json& config) {
  std::string text;
  add_keys(text, "", "", config);
  return text;
}

}  // namespace spikeloom
