#include "cli/inspect_network.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/npz.hpp"
#include "run/inspect_page.hpp"
#include "run/network_file.hpp"

namespace spikeloom {
namespace {

// A block for each node: what it is, then its numbers.
void print_facts(const std::string& path, const NetworkFacts& facts) {
  fmt::print("{}: {}\n", printable(path), facts.title);
  if (!facts.settings.empty()) fmt::print("{}\n", facts.settings);
  // The last column is as long as it likes, and gets a line of its own.
  const size_t columns = facts.header.size() - 1;
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns; ++c) {
    widths.push_back(facts.header[c].size());
    for (const auto& row : facts.rows) widths[c] = std::max(widths[c], row[c].size());
  }
  const auto print_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) line += fmt::format("{:<{}}  ", row[c], widths[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  fmt::print("\n");
  print_row(facts.header);
  for (const auto& row : facts.rows) {
    print_row(row);
    if (!row.back().empty()) fmt::print("    {}\n", row.back());
  }
  if (!facts.warnings.empty()) fmt::print("\n");
  for (const std::string& warning : facts.warnings) fmt::print("warning: {}\n", warning);
}

int print_check(const RecordingCheck& check, const std::string& recording) {
  for (const ComparedArray& array : check.arrays) {
    fmt::print("{:<24} {:<9} {} of {} values differ, largest difference {:.3g}\n",
               printable(array.node, 60), name_of(array.what), array.differing, array.values,
               array.largest);
  }
  for (const std::string& name : check.unknown) fmt::print("{}: of no node, not compared\n", name);
  if (!check.first) {
    fmt::print("{}: {} steps, no difference\n", printable(recording), check.steps);
    return 0;
  }
  const FirstDifference& first = *check.first;
  throw Error(
      ErrorCode::kData,
      fmt::format("{}: the first difference is at step {}, {} of {}, neuron {} (at {}): {} "
                  "here, {} recorded",
                  printable(recording), first.step, name_of(first.what), printable(first.node, 60),
                  first.neuron, place_text(first.shape, first.neuron), first.here, first.recorded));
}

}  // namespace

int inspect_network(const Family& family, const std::string& path,
                    const options::variables_map& values) {
  refuse_options(values, {"layer", "verify", "events"},
                 fmt::format("an option of traces, {} is a network", printable(path)));
  const ModelChoice model = choose_file(family, path, texts_of(values, "set"));
  if (values.count("check")) {
    if (const auto fault = family.check(model.spec))
      throw Error(ErrorCode::kUsage, "model." + fault->keys[0] + ": " + fault->message);
    const std::string recording = text_of(values, "check");
    const std::string prefix =
        values.count("prefix") ? text_of(values, "prefix") + "/" : std::string();
    return print_check(check_recording(model, load_npz(recording), prefix), recording);
  }
  const NetworkFacts facts = family.facts(model.spec);
  if (values.count("json")) {
    fmt::print("{}", dump_json(to_json(facts)));
  } else if (values.count("html")) {
    const std::string page = text_of(values, "html");
    refuse_overwriting(page, path);
    write_text_file(page, network_page(path, facts));
    fmt::print("wrote {}\n", printable(page));
  } else {
    print_facts(path, facts);
  }
  return 0;
}

}  // namespace spikeloom
