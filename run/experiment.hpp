#pragma once
// An experiment as checked values, from a file or built in memory. Reading is the schema: every key
// the program knows is read here, once.

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/io/config.hpp"
#include "datasets/open.hpp"
#include "datasets/token_rows.hpp"
#include "datasets/tokenizer.hpp"
#include "run/chip_choice.hpp"
#include "run/device.hpp"
#include "run/model_choice.hpp"
#include "run/precision.hpp"
#include "run/what_if.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

enum class TokenFile { kBinidx, kText, kTokens };
inline constexpr const char* kTokenFileNames[] = {"binidx", "text", "tokens"};

struct Experiment {
  ModelChoice model;
  struct WeightSource {
    std::filesystem::path path;  // "": random
    std::string select;          // of several sets of weights in a file
    std::string select_key = "weights.select";
    std::vector<std::string> ignore;  // patterns of names to leave out
    int64_t random_seed = 1;
    bool trained = false;
    std::string note;  // where they come from, for the report

    // Of the dense twin's file; the patterns hold for both.
    WeightSource for_twin(const std::string& set) const {
      WeightSource twin;
      twin.select = set;
      twin.select_key = "twin.select";
      twin.ignore = ignore;
      return twin;
    }
  } weights;
  std::filesystem::path twin_weights;  // "": the twin is counted, not executed
  std::string twin_select;             // as weights.select
  DatasetSpec dataset;                 // images and sequences
  struct Tokens {
    TokenFile kind = TokenFile::kBinidx;
    std::filesystem::path path;
    std::shared_ptr<const NpyMemory> ids;  // tokens: an array in memory, which `path` only names
    std::string split;                     // of a text, "": all of it
    std::string vocab;      // resolved path, "bytes", or "" (no text; text of 256 tokens)
    int64_t window = 1024;  // tokens before the state is reset; 0: never
    int64_t limit = -1;     // windows; -1: all
    int64_t skip = 0;       // windows left out at the start
    WantedWindows wanted() const { return {window, skip, limit}; }
  } tokens;  // of a network that reads them, in the dataset's place
  struct Run {
    Device device;
    std::string device_reason;  // why, where it was chosen for the user
    int threads = 1;
    Schedule schedule = Schedule::kLayerMajor;
    GraphForm form = GraphForm::kAsWritten;
    int64_t batch = 1;  // samples in flight
    PrecisionChoice precision;
  } run;
  struct Trace {
    bool enabled = true;
    std::vector<std::string> layers;  // empty: all
    int64_t every = 1;
    std::vector<int64_t> samples;  // empty: all
    bool events_auto = true;
    std::vector<std::string> events;
    bool events_gzip = true;

    // Whether the file holds every spike of the run.
    bool is_whole() const { return enabled && layers.empty() && every == 1 && samples.empty(); }
  } trace;
  struct Output {
    std::filesystem::path dir = "out";
    std::vector<std::string> features, membranes;
    bool logits = true;       // logits.npy
    bool per_step = false;    // also the logits after every step
    double checkpoint_s = 1;  // shortest time between two checkpoints
  } output;
  WhatIf what_if;
  std::optional<ChipChoice> chip;  // priced while the run goes on
  bool neurobench = false;         // also count as the NeuroBench harness does

  // Of an experiment that was read: every key as it was given, and as it was understood; the file,
  // for places in errors. Null where it was built in memory.
  nlohmann::json config, as_read;
  std::shared_ptr<Config> file;

  // Samples whose spikes choose the scales of int8 weights; no layer of a token model has such.
  int64_t calibration_samples() const { return reads_tokens() ? 0 : run.precision.samples; }
  bool reads_tokens() const { return model.family->sample == SampleKind::kTokens; }
  // Whether the file says so itself.
  bool says(const std::string& key) const { return file != nullptr && file->has(key); }
  // An Error(kUsage) that names the key, and its place where there is a file.
  Error error_at(const std::string& key, const std::string& message) const;
};

// Reads and checks everything but what the samples decide. Throws Error(kUsage).
Experiment read_experiment(Config config);
// The same on arrays in memory, which outlive the run, as samples and (null: none) their labels:
// where the experiment has no data set, they are its data set; else keys but kind, path and labels
// hold for them. Reports name them by their names.
Experiment read_experiment(Config config, NpyMemory samples, const NpyMemory* labels);
// dataset.format, sensor, orientation, columns and time_unit.
RecordingOptions read_recording_options(Config& config);
// What one key rules out of another, and values that no key could have: for experiments that were
// built in memory, or changed there. Throws Error(kUsage).
void check_experiment(const Experiment& experiment);
// Sets what the samples decide of the network (Family::fit).
void fit_to(Experiment& experiment, const DatasetInfo& data);
// The data set of images or sequences, with what the network says about it.
DatasetSpec dataset_of(const Experiment& experiment);

// Every key with its value, as a file would say it: reading that gives the same experiment.
nlohmann::json config_of(const Experiment& experiment);
// What a report states: the keys as they were given, but for those that were changed since.
nlohmann::json stated(const Experiment& experiment);

// Throws Error(kUsage) where trace.samples names one that a run of so many has not.
void check_trace_samples(const Experiment& experiment, int64_t samples);

// The tokenizer a network of so many tokens needs: `vocab` is a file, "bytes", or "" for bytes
// where there are 256. The network may know more tokens, for vocabularies are padded, never fewer.
// `option` names it in errors. Throws Error(kUsage, kData).
Tokenizer tokenizer_for(const std::string& vocab, int64_t vocabulary, const char* option);

}  // namespace spikeloom
