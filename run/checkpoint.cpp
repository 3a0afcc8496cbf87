#include "run/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/safetensors.hpp"
#include "datasets/watched.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kDigestWords = sizeof(Digest) / sizeof(int64_t);

// Calls visit(name, values) for every array of integers in a state; the same walk writes and reads.
template <typename State, typename Visit>
void visit_arrays(State& state, Visit&& visit) {
  const auto visit_counts = [&](const std::string& whose, auto& statistics) {
    for (auto& [name, p] : statistics.populations) {
      visit(whose + "population/" + name + "/rows", p.events_per_row);
      visit(whose + "population/" + name + "/steps", p.events_per_step);
      if (!p.packets) continue;
      visit(whose + "population/" + name + "/packets/rows", p.packets->per_row);
      visit(whose + "population/" + name + "/packets/steps", p.packets->per_step);
    }
  };
  visit_counts("", state.statistics);
  if (state.twin_statistics) visit_counts("twin/", *state.twin_statistics);
  visit("signature", state.signature);
}

template <typename Score, typename Visit>
void visit_score(const std::string& whose, Score& score, Visit&& visit) {
  visit(whose + "correct", score.accuracy.correct);
  visit(whose + "labelled", score.accuracy.total);
  visit(whose + "predictions", score.predictions);
  visit(whose + "not_finite", score.not_finite.samples);
  visit(whose + "not_finite/first", score.not_finite.first);
}

template <typename Statistics, typename Visit>
void visit_statistics(const std::string& whose, Statistics& statistics, Visit&& visit) {
  visit(whose + "samples", statistics.samples);
  visit(whose + "evaluations", statistics.evaluations);
  visit(whose + "step_pairs", statistics.step_pairs);
  for (auto& [name, p] : statistics.populations) {
    visit(whose + "population/" + name + "/evaluations", p.evaluations);
    visit(whose + "population/" + name + "/events", p.events);
    if (p.packets) visit(whose + "population/" + name + "/packets", p.packets->events);
  }
  for (auto& [name, a] : statistics.attention) {
    visit(whose + "attention/" + name + "/q", a.q_events);
    visit(whose + "attention/" + name + "/k", a.k_events);
    visit(whose + "attention/" + name + "/v", a.v_events);
    visit(whose + "attention/" + name + "/coincidences", a.kv_coincidences);
    visit(whose + "attention/" + name + "/nonzero", a.qkv_nonzero_adds);
  }
}

// Likewise for the single integers.
template <typename State, typename Visit>
void visit_numbers(State& state, Visit&& visit) {
  visit("done", state.done);
  visit("binary", state.binary);
  visit("lit", state.lit);
  visit("twin/done", state.twin_done);
  visit_score("", state.score, visit);
  visit_score("twin/", state.twin_score, visit);
  visit_statistics("", state.statistics, visit);
  if (state.twin_statistics) visit_statistics("twin/", *state.twin_statistics, visit);
  for (auto& layer : state.twin_zeros) {
    visit("twin/" + layer.layer + "/zeros", layer.zeros);
    visit("twin/" + layer.layer + "/values", layer.values);
  }
  if (!state.neurobench) return;
  visit("neurobench/samples", state.neurobench->samples);
  visit("neurobench/membrane_updates", state.neurobench->membrane_updates);
  for (auto& layer : state.neurobench->layers) {
    visit("neurobench/" + layer.name + "/macs", layer.effective_macs);
    visit("neurobench/" + layer.name + "/acs", layer.effective_acs);
    visit("neurobench/" + layer.name + "/dense", layer.dense);
  }
}

// What of a score is no integer.
Json small_score(const Score& score) {
  return {{"nats", score.nats},
          {"accuracy_known", score.accuracy.known},
          {"not_finite", score.not_finite.where}};
}

void read_small_score(const Json& json, Score& score) {
  score.nats = json.at("nats").get<double>();
  score.accuracy.known = json.at("accuracy_known").get<bool>();
  score.not_finite.where = json.at("not_finite").get<std::string>();
}

Json small_state(const RunState& state) {
  Json json{{"seconds", state.seconds},          {"outputs_final", state.outputs_final},
            {"score", small_score(state.score)}, {"twin_score", small_score(state.twin_score)},
            {"broken", Json::array()},           {"notes", Json::array()},
            {"unnamed", state.unnamed},          {"numbers", Json::object()}};
  for (const BrokenSample& broken : state.broken)
    json["broken"].push_back({broken.index, broken.reason});
  for (const CountedNote& note : state.notes)
    json["notes"].push_back({note.text, note.samples, note.first});
  visit_numbers(state,
                [&](const std::string& name, int64_t value) { json["numbers"][name] = value; });
  return json;
}

void read_small_state(const Json& json, RunState& state) {
  state.seconds = json.at("seconds").get<double>();
  state.outputs_final = json.at("outputs_final").get<bool>();
  read_small_score(json.at("score"), state.score);
  read_small_score(json.at("twin_score"), state.twin_score);
  state.unnamed = json.at("unnamed").get<std::map<std::string, std::string>>();
  for (const Json& broken : json.at("broken")) {
    state.broken.push_back({broken.at(0).get<int64_t>(), broken.at(1).get<std::string>()});
  }
  for (const Json& note : json.at("notes")) {
    state.notes.push_back(
        {note.at(0).get<std::string>(), note.at(1).get<int64_t>(), note.at(2).get<std::string>()});
  }
  const Json& numbers = json.at("numbers");
  visit_numbers(state, [&](const std::string& name, int64_t& value) {
    value = numbers.at(name).get<int64_t>();
    if (value < 0) throw Error(ErrorCode::kData, name + " is negative");
  });
}

Tensor inputs_tensor(const std::vector<Digest>& inputs) {
  Tensor tensor({static_cast<int64_t>(inputs.size()), kDigestWords}, DType::kI64);
  if (!inputs.empty()) std::memcpy(tensor.data(), inputs.data(), inputs.size() * sizeof(Digest));
  return tensor;
}

std::vector<Digest> inputs_of(const Tensor& tensor) {
  const Shape& shape = tensor.shape();
  if (tensor.dtype() != DType::kI64 || shape.size() != 2 || shape[1] != kDigestWords)
    throw Error(ErrorCode::kData, "inputs are no hashes");
  std::vector<Digest> inputs(static_cast<size_t>(shape[0]));
  if (!inputs.empty()) std::memcpy(inputs.data(), tensor.data(), inputs.size() * sizeof(Digest));
  return inputs;
}

// "dataset.path: a.npy, 12 samples there, a.npy, 16 samples here".
std::string difference(const std::string& key, const std::string& there, const std::string& here) {
  constexpr size_t kLongest = 80;
  if (std::max(there.size(), here.size()) > kLongest) return key + " differs";
  return fmt::format("{}: {} there, {} here", key, printable(there), printable(here));
}

// Keys that change when a run saves its state and how fast it is, and nothing in its results.
constexpr std::string_view kChangesNothing[] = {"output.checkpoint_s", "run.batch", "run.device",
                                                "run.threads"};

// Every value by its dotted key; arrays are values.
void add_values(const Json& table, const std::string& prefix,
                std::map<std::string, std::string>& to) {
  for (const auto& member : table.items()) {
    const std::string key = prefix + member.key();
    if (member.value().is_object()) {
      add_values(member.value(), key + ".", to);
    } else {
      to[key] = member.value().dump();
    }
  }
}

// The keys of two configurations whose values differ, with the values where they are short; empty:
// nothing that results depend on.
std::string config_difference(const std::string& there, const std::string& here) {
  constexpr size_t kMostKeys = 3;
  std::map<std::string, std::string> before, now;
  add_values(parse_json(there, "config"), "", before);
  add_values(parse_json(here, "config"), "", now);
  std::map<std::string, std::string> all = before;
  all.insert(now.begin(), now.end());
  std::vector<std::string> found;
  for (const auto& [key, value] : all) {
    const auto text = [&key = key](const std::map<std::string, std::string>& values) {
      const auto at = values.find(key);
      return at == values.end() ? std::string("nothing") : at->second;
    };
    if (text(before) == text(now)) continue;
    if (std::count(std::begin(kChangesNothing), std::end(kChangesNothing), key) > 0) continue;
    found.push_back(difference(key, text(before), text(now)));
  }
  const size_t shown = std::min(found.size(), kMostKeys);
  std::string result = fmt::format("{}", fmt::join(found.begin(), found.begin() + shown, "; "));
  if (found.size() > shown) result += fmt::format("; {} more keys", found.size() - shown);
  return result;
}

void check_identity(const std::map<std::string, std::string>& stored, const RunIdentity& identity) {
  for (const auto& [key, value] : identity) {
    const auto found = stored.find(key);
    if (found != stored.end() && found->second == value) continue;
    const std::string there = found == stored.end() ? "nothing" : found->second;
    const bool is_config = key == "config" && found != stored.end();
    const std::string what =
        is_config ? config_difference(there, value) : difference(key, there, value);
    if (what.empty()) continue;
    throw Error(ErrorCode::kUsage,
                "the unfinished run in this folder is another one (" + what +
                    "); run without --resume to start over, or choose another output.dir");
  }
}

}  // namespace

fs::path checkpoint_path(const fs::path& folder) {
  return folder / "checkpoint.safetensors";
}

void save_checkpoint(const FolderLock& folder, const RunIdentity& identity, const RunState& state) {
  folder.check();
  Weights arrays;
  visit_arrays(state, [&](const std::string& name, const auto& values) {
    Tensor tensor({static_cast<int64_t>(values.size())}, DType::kI64);
    const auto to = tensor.as<int64_t>();
    for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<int64_t>(values[i]);
    arrays.add(name, std::move(tensor));
  });
  arrays.add("inputs", inputs_tensor(state.inputs));
  std::map<std::string, std::string> metadata(identity);
  metadata["state"] = dump_json(small_state(state));
  save_safetensors(checkpoint_path(folder.path()), arrays, metadata);
}

void load_checkpoint(const fs::path& path, const RunIdentity& identity, RunState& state) {
  const SafetensorsFile file = read_safetensors(path);
  try {
    check_identity(file.metadata, identity);
    const auto small = file.metadata.find("state");
    if (small == file.metadata.end()) throw Error(ErrorCode::kData, "no state in it");
    read_small_state(parse_json(small->second, "state"), state);
    visit_arrays(state, [&](const std::string& name, auto& values) {
      const Tensor& tensor = file.weights.at(name).data;
      const bool grows = name.ends_with("/steps");  // as long as the longest sample so far
      if (tensor.dtype() != DType::kI64 ||
          (!grows && tensor.size() != static_cast<int64_t>(values.size()))) {
        throw Error(ErrorCode::kData, name + " is of another network");
      }
      values.clear();
      for (const int64_t value : tensor.as<int64_t>()) {
        values.push_back(static_cast<typename std::decay_t<decltype(values)>::value_type>(value));
      }
    });
    state.inputs = inputs_of(file.weights.at("inputs").data);
    if (static_cast<int64_t>(state.inputs.size()) < state.done)
      throw Error(ErrorCode::kData, "hashes of samples are missing");
  } catch (const Error& error) {
    throw error.in_file(path);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kData, path.string() + ": damaged state: " + printable(error.what()));
  }
}

void start_or_continue(const fs::path& folder, const RunIdentity& identity, bool resume,
                       int64_t size, const char* unit, RunState& state, const Observer& observer,
                       const std::function<void(const RunState&)>& check_inputs) {
  const fs::path path = checkpoint_path(folder);
  const bool unfinished = fs::exists(path);
  if (resume && unfinished) {
    load_checkpoint(path, identity, state);
    if (state.done > size) {
      throw Error(ErrorCode::kData,
                  fmt::format("{}: tells of more {}s than there are", path.string(), unit));
    }
    check_inputs(state);
    observer.tell(fmt::format("continuing after {} {} of {}", unit, state.done, size));
    return;
  }
  if (resume) {
    observer.tell(fmt::format("{} holds no unfinished run; starting with the first {}",
                              folder.string(), unit));
  } else if (unfinished) {
    observer.tell(fmt::format(
        "starting over; --resume would have continued the unfinished run in {}", folder.string()));
  }
  forget_checkpoint(folder);
}

std::map<std::string, std::string> inputs_of(const RunIdentity& identity,
                                             const std::vector<Digest>& samples) {
  std::map<std::string, std::string> inputs;
  for (const auto& [key, value] : identity) {
    const bool hash = value.size() == 2 * sizeof(Digest) &&
                      value.find_first_not_of("0123456789abcdef") == value.npos;
    if (hash) inputs[key] = value;
  }
  inputs["dataset.path"] = digest_text(samples);
  return inputs;
}

std::string no_lock_warning(const fs::path& folder) {
  return folder.string() +
         ": its file system has no locks, so nothing keeps a second run out of the folder";
}

ClaimedFile earlier_output(const fs::path& path, const RunState& state) {
  const std::string name = path.filename().string();
  if (const auto found = state.unnamed.find(name); found != state.unnamed.end()) {
    if (!is_temporary_name(found->second, name) || found->second.find('/') != std::string::npos)
      throw Error(ErrorCode::kData, "the checkpoint names no temporary file of " + path.string());
    ClaimedFile unnamed(path.parent_path() / found->second);
    if (unnamed) {
      settle_trace(unnamed.path());
      return unnamed;
    }
  }
  ClaimedFile named(path);
  if (named) return named;
  throw Error(
      ErrorCode::kData,
      path.string() + ": what the unfinished run wrote is gone; without --resume it starts over");
}

void forget_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  fs::remove(checkpoint_path(folder), ignored);
  remove_leftovers(folder);
}

}  // namespace spikeloom
