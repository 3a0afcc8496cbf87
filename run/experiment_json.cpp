// The keys of an experiment, as its file would say them.

#include "run/experiment.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

// What a key of a family is set to; null: nothing.
struct FieldValue {
  json operator()(const IntegerField& f) const { return *f.value; }
  json operator()(const IntegersField& f) const {
    return std::vector<int64_t>(f.value.begin(), f.value.end());
  }
  json operator()(const RealField& f) const {
    return std::visit([](auto* value) { return json(*value); }, f.value);
  }
  json operator()(const PathField& f) const { return f.value->string(); }
  json operator()(const ShapeField& f) const { return *f.value; }
  json operator()(const TablesField& f) const { return to_json(*f.value); }
  json operator()(const FlagField& f) const { return *f.value; }
  json operator()(const OptionalFlagField& f) const {
    return f.value->has_value() ? json(**f.value) : json();
  }
  json operator()(const ChoiceField& f) const { return f.words[f.get(f.value)]; }
};

json model_json(const ModelChoice& model) {
  json table{{"family", model.family->name}};
  if (!model.preset.empty()) table[std::string(model.family->preset_key)] = model.preset;
  ModelSpec spec = model.spec;
  for (const ModelKey& key : model.family->keys(spec)) {
    json value = std::visit(FieldValue{}, key.field);
    if (!value.is_null()) table[std::string(key.name)] = std::move(value);
  }
  return table;
}

void add_event_options(json& table, const EventOptions& event) {
  const RecordingOptions& recording = event.recording;
  table["format"] = recording.format;
  table["sensor"] = recording.sensor;
  table["orientation"] = recording.orientation;
  table["columns"] = recording.columns;
  table["time_unit"] = recording.time_unit;
  table["steps"] = event.steps;
  table["value"] = event.value;
  table["time_arithmetic"] = event.time_arithmetic;
}

json dataset_json(const DatasetSpec& d) {
  json table{{"kind", d.kind},
             {"path", d.path.string()},
             {"labels", d.labels.string()},
             {"limit", d.limit},
             {"skip", d.skip},
             {"pad", d.pad},
             {"classes", d.classes},
             {"mean", d.mean},
             {"std", d.std},
             {"events", d.events == LevelRange()},
             {"split", d.split},
             {"pattern", d.pattern},
             {"label_field", d.label_field},
             {"where", d.where},
             {"permutation", d.permutation.string()},
             {"follow_links", d.follow_links},
             {"size", d.size},
             {"crop", d.crop},
             {"crop_rule", kCropRuleNames[static_cast<size_t>(d.crop_rule)]}};
  if (d.kind == "events") add_event_options(table, d.event);
  if (d.events && *d.events != LevelRange()) table["levels"] = {d.events->low, d.events->high};
  return table;
}

json tokens_json(const Experiment::Tokens& t) {
  json table{{"kind", kTokenFileNames[static_cast<size_t>(t.kind)]},
             {"path", t.path.string()},
             {"vocab", t.vocab},
             {"window", t.window},
             {"limit", t.limit},
             {"skip", t.skip}};
  if (!t.split.empty()) table["split"] = t.split;
  return table;
}

// "all" or "none" in the place of an empty list.
json list_or(const std::vector<std::string>& list, const char* word) {
  return list.empty() ? json(std::vector<std::string>{word}) : json(list);
}

json trace_json(const Experiment::Trace& t) {
  json table{{"layers", list_or(t.layers, t.enabled ? "all" : "none")},
             {"every", t.every},
             {"events", list_or(t.events, t.events_auto ? "auto" : "none")},
             {"event_compression", t.events_gzip ? "gzip" : "none"}};
  if (!t.samples.empty()) table["samples"] = t.samples;
  return table;
}

json what_if_json(const WhatIf& w) {
  json table = json::object();
  if (w.weight_bits > 0) table["weight_bits"] = w.weight_bits;
  if (w.accumulator_bits > 0) table["accumulator_bits"] = w.accumulator_bits;
  if (!w.dead_neurons.empty()) table["dead_neurons"] = w.dead_neurons.string();
  if (!w.dead_cores.empty()) table["dead_cores"] = w.dead_cores;
  if (!w.mapping.empty()) table["mapping"] = w.mapping.string();
  if (w.drops) table["drop_rate"] = w.drop_rate;
  if (w.drops) table["drop_seed"] = w.drop_seed;
  return table;
}

json chip_json(const ChipChoice& c) {
  return {{"name", c.name},
          {"set", c.sets},
          {"mapping", c.mapping.string()},
          {"level", kLevelNames[static_cast<size_t>(c.level)]},
          {"update", kUpdateRuleNames[static_cast<size_t>(c.lower.update)]},
          {"unsupported", c.host ? "host" : "refuse"},
          {"weight_bits", c.lower.weight_bits},
          {"value_bits", c.lower.value_bits}};
}

}  // namespace

json config_of(const Experiment& e) {
  json config{{"model", model_json(e.model)},
              {"dataset", e.reads_tokens() ? tokens_json(e.tokens) : dataset_json(e.dataset)},
              {"weights",
               {{"path", e.weights.path.string()},
                {"select", e.weights.select},
                {"ignore", e.weights.ignore},
                {"random_seed", e.weights.random_seed},
                {"trained", e.weights.trained},
                {"note", e.weights.note}}},
              {"run",
               {{"device", name_of(e.run.device)},
                {"threads", e.run.threads},
                {"schedule", kScheduleNames[static_cast<size_t>(e.run.schedule)]},
                {"form", name_of(e.run.form)},
                {"batch", e.run.batch},
                {"precision", name_of(e.run.precision.precision)},
                {"calibration", e.run.precision.samples}}},
              {"trace", trace_json(e.trace)},
              {"output",
               {{"dir", e.output.dir.string()},
                {"features", e.output.features},
                {"membranes", e.output.membranes},
                {"logits", e.output.logits},
                {"per_step", e.output.per_step},
                {"checkpoint_s", e.output.checkpoint_s}}},
              {"report", {{"neurobench", e.neurobench}}}};
  if (!e.twin_weights.empty())
    config["twin"] = {{"weights", e.twin_weights.string()}, {"select", e.twin_select}};
  const json what_if = what_if_json(e.what_if);
  if (!what_if.empty()) config["what_if"] = what_if;
  if (e.chip) config["chip"] = chip_json(*e.chip);
  return config;
}

json stated(const Experiment& e) {
  const json now = config_of(e);
  if (e.config.is_null()) return now;
  const json as_read = e.as_read.flatten(), flat = now.flatten();
  if (as_read == flat) return e.config;
  // A value that was changed since it was read stands as it is; lists as a whole.
  json result = e.config;
  for (const auto& [table, keys] : now.items()) {
    for (const auto& [key, value] : keys.items()) {
      const json::json_pointer at("/" + table + "/" + key);
      if (!e.as_read.contains(at) || e.as_read[at] != value) result[at] = value;
    }
  }
  for (const auto& [table, keys] : e.as_read.items()) {
    for (const auto& [key, value] : keys.items()) {
      if (!now.contains(table) || !now[table].contains(key)) result[table].erase(key);
    }
  }
  return result;
}

}  // namespace spikeloom
