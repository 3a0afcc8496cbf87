#pragma once
// An experiment file as checked values. Reading is the schema: every key the program knows is read
// here, once.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/chip_choice.hpp"
#include "cli/precision.hpp"
#include "cli/what_if.hpp"
#include "core/io/config.hpp"
#include "datasets/open.hpp"
#include "models/ann/kwt.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

// Blocks of a network: more than any published one has, and few enough that a typing error is
// refused before anything is built.
constexpr int64_t kMostLayers = 1024;

struct Experiment {
  struct Model {
    std::string family;
    std::string preset;  // "" when dimensions are given one by one
    SpikeformerConfig spikeformer;
    LmuformerConfig lmuformer;
    KwtConfig kwt;
    int64_t time_steps = 4;  // lmuformer: length of a sequence; kwt: 1

    bool is_lmuformer() const { return family == "lmuformer"; }
    bool is_kwt() const { return family == "kwt"; }
    int64_t num_classes() const {
      return is_lmuformer() ? lmuformer.num_classes
             : is_kwt()     ? kwt.num_classes
                            : spikeformer.num_classes;
    }
  } model;
  struct WeightSource {
    std::filesystem::path path;       // "": random
    std::string select;               // of several sets of weights in a file
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
  DatasetSpec dataset;
  struct Run {
    std::string device;  // "cpu" | "reference"
    int threads = 1;
    Schedule schedule = Schedule::kLayerMajor;
    std::string form;   // "as_written" | "fused"
    int64_t batch = 1;  // samples in flight
    PrecisionChoice precision;
  } run;
  WhatIf what_if;
  std::optional<ChipChoice> chip;  // priced while the run goes on
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
  bool neurobench = false;  // also count as the NeuroBench harness does
  struct Output {
    std::filesystem::path dir;
    std::vector<std::string> features, membranes;
    bool per_step = false;    // also the logits after every step
    double checkpoint_s = 1;  // shortest time between two checkpoints
  } output;
};

// Tables that experiments of every family share.
Experiment::WeightSource read_weights(Config& config);
// `twin.weights` and `twin.select`.
void read_twin(Config& config, std::filesystem::path& weights, std::string& select);
Experiment::Run read_run(Config& config);
Experiment::Trace read_trace(Config& config);

// Reads and checks everything but the image size, which the dataset gives. Throws Error(kUsage).
Experiment read_experiment(Config& config);

}  // namespace spikeloom
