#pragma once
// An experiment file as checked values. Reading is the schema: every key the program knows is read
// here, once.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/chip_choice.hpp"
#include "cli/model_choice.hpp"
#include "cli/precision.hpp"
#include "cli/what_if.hpp"
#include "core/io/config.hpp"
#include "datasets/open.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

// What experiments of every family have.
struct CommonExperiment {
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
  struct Run {
    std::string device;  // "cpu" | "reference"
    int threads = 1;
    Schedule schedule = Schedule::kLayerMajor;
    std::string form;   // "as_written" | "fused"
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
    std::filesystem::path dir;
    std::vector<std::string> features, membranes;
    bool logits = true;       // logits.npy
    bool per_step = false;    // also the logits after every step
    double checkpoint_s = 1;  // shortest time between two checkpoints
  } output;
};

struct Experiment : CommonExperiment {
  DatasetSpec dataset;
  WhatIf what_if;
  std::optional<ChipChoice> chip;  // priced while the run goes on
  bool neurobench = false;         // also count as the NeuroBench harness does
};

// Reads all of it but the model and the twin's weights; `logits`: the default of output.logits.
void read_common(Config& config, bool logits, CommonExperiment& experiment);
// `twin.weights` and `twin.select`.
void read_twin(Config& config, CommonExperiment& experiment);
// Throws Error(kUsage) where trace.samples names one that a run of so many has not.
void check_trace_samples(const Config& config, const Experiment::Trace& trace, int64_t samples);

// Reads and checks everything but the image size, which the dataset gives. Throws Error(kUsage),
// also for a network of tokens.
Experiment read_experiment(Config& config);

}  // namespace spikeloom
