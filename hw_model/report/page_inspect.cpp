#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hw_model/report/draw/raster_chart.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;

constexpr size_t kMostSteps = 32;  // columns of the heat map

std::string shape_text(const Shape& shape, const std::string& axes) {
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : "×") + std::to_string(extent);
  return axes.empty() ? text : text + " (" + axes + ")";
}

// "98.83 %" and "253 of 256" from the trace's own labels.
Fact trace_accuracy(const TraceFile& trace) {
  const Accuracy accuracy = accuracy_of(trace);
  if (!accuracy.known) return {"accuracy", "not measured", "the samples have no labels"};
  return {"accuracy", percent_or_text(accuracy.fraction()),
          fmt::format("{} of {}", accuracy.correct, accuracy.total)};
}

std::vector<Fact> trace_facts(const TraceFile& trace, const std::vector<LayerRates>& layers) {
  double spikes = 0, updates = 0;
  for (const LayerRates& layer : layers) {
    if (!layer.fault.empty()) continue;
    spikes += static_cast<double>(layer.spikes);
    updates += static_cast<double>(layer.neurons) * static_cast<double>(layer.rows);
  }
  int64_t steps = 0;
  for (const TraceSample& sample : trace.samples()) steps += sample.steps;
  return {
      trace_accuracy(trace),
      {"mean firing rate", percent_or_text(updates > 0 ? spikes / updates : std::nan("")),
       trace.has_all_populations() ? "" : "of the recorded layers"},
      {"samples", grouped(static_cast<int64_t>(trace.samples().size())), grouped(steps) + " steps"},
      {"signature", trace.header().signature, "hash of all spike counts", true}};
}

Section damaged(const LayerRaster& raster) {
  Section out{"raster-of", "Spikes of " + raster.name};
  out.notes = {"Damaged, not drawn: " + raster.fault};
  return out;
}

Section raster_section(const TraceFile& trace, size_t p, const LayerRaster& raster) {
  if (!raster.fault.empty()) return damaged(raster);
  Section out{"raster-of", "Spikes of " + raster.name};
  out.page_only = true;
  const TracePopulation& population = trace.populations()[p];
  out.notes = {fmt::format("{}, {}, threshold {:g}, {} neurons. {}",
                           shape_text(raster.shape, raster.axes), population.neuron_model,
                           population.threshold, grouped(raster.neurons), raster_text(raster))};
  out.picture.draw = [raster](double width) { return draw_raster(raster, width); };
  out.table.caption = "Spikes of the whole layer at every step shown";
  out.table.columns = {{"sample"}, {"step"}, {"label"}, {"prediction"}, {"spikes"}, {"rate"}};
  for (const RasterColumn& c : raster.columns) {
    const auto or_dash = [](int64_t v) { return v < 0 ? std::string("-") : std::to_string(v); };
    const auto spikes = static_cast<double>(c.spikes);
    out.table.rows.push_back({std::to_string(c.sample),
                              std::to_string(c.step),
                              or_dash(c.label),
                              or_dash(c.prediction),
                              {Show::kExact, spikes},
                              {Show::kPercent, spikes / static_cast<double>(raster.neurons)}});
  }
  return out;
}

Section maps_section(const LayerRaster& raster, const SpikeMaps& maps) {
  Section out{"maps", "Where " + raster.name + " fires"};
  out.page_only = true;
  out.notes = {fmt::format(
      "Spikes per pixel of sample {}, added over the {} channels{}{}.", maps.sample,
      raster.shape.back(), maps.bin > 1 ? fmt::format(", mean of {0}×{0} pixels", maps.bin) : "",
      maps.steps_left > 0 ? fmt::format("; {} later steps are not shown", maps.steps_left) : "")};
  out.picture.heat_high = maps.high;
  out.picture.heat_unit = "spikes per pixel";
  out.picture.draw = [maps, name = raster.name](double width) {
    return draw_maps(maps, name, width);
  };
  return out;
}

// Steps of the run in at most kMostSteps equal groups: columns of the table, cells of the bars.
void add_steps(const std::vector<LayerRates>& layers, std::vector<LayerRate>& bars, BarChart& chart,
               Table& table) {
  size_t steps = 0;
  for (const LayerRates& layer : layers) steps = std::max(steps, layer.step_rows.size());
  if (steps < 2) return;  // it would repeat the bars
  const size_t group = (steps + kMostSteps - 1) / kMostSteps;
  for (size_t first = 0; first < steps; first += group) {
    const size_t last = std::min(first + group, steps) - 1;
    chart.heat_labels.push_back(std::to_string(first));
    table.columns.push_back(
        {first == last ? fmt::format("step {}", first) : fmt::format("steps {}-{}", first, last)});
    for (size_t i = 0; i < layers.size(); ++i) {
      const double rate = layers[i].rate_of_steps(first, group);
      bars[i].cells.push_back(rate);
      if (rate > chart.heat_high) chart.heat_high = rate;
      table.rows[i].emplace_back(Show::kPercent, rate);
    }
  }
  chart.heat_axis = group == 1 ? "rate at each step" : fmt::format("rate, {} steps a cell", group);
}

Section trace_rates(const TraceFile& trace, const std::vector<LayerRates>& layers) {
  Section out;
  out.notes = {
      fmt::format("Spikes per neuron and step, mean over {}; layers in the order of the network.",
                  trace.is_partial() ? "the recorded steps and samples (a selection of the run)"
                                     : "all samples and steps of the run")};
  out.table.columns = {{"layer", kLeft},   {"shape", kLeft}, {"neurons"},
                       {"recorded steps"}, {"spikes"},       {"rate"}};
  std::vector<LayerRate> bars;
  for (const LayerRates& layer : layers) {
    const bool sound = layer.fault.empty();
    const auto exact = [](int64_t count) { return Cell(Show::kExact, static_cast<double>(count)); };
    bars.push_back({layer.name, layer.rate(), sound ? percent_or_text(layer.rate()) : "damaged"});
    out.table.rows.push_back({layer.name, shape_text(layer.shape, layer.axes), exact(layer.neurons),
                              exact(layer.rows), sound ? exact(layer.spikes) : Cell("damaged"),
                              bars.back().text});
  }
  BarChart chart;
  add_steps(layers, bars, chart, out.table);
  set_rates(out, bars, std::move(chart));
  return out;
}

Table fact_table(const std::vector<std::pair<std::string, std::string>>& rows) {
  Table table{"", {{"what", kLeft}, {"value", kLeft}}};
  for (const auto& [name, value] : rows) table.rows.push_back({name, value});
  return table;
}

Section provenance_section(const InspectInput& input) {
  std::vector<std::pair<std::string, std::string>> rows;
  if (input.report != nullptr) rows = provenance_rows(input.report->json);
  if (input.trace != nullptr) {
    const TraceHeader& header = input.trace->header();
    rows.insert(rows.end(), {{"trace.created", header.created},
                             {"trace.generator", header.generator},
                             {"trace.format", header.version},
                             {"trace.run_id", header.run_id},
                             {"trace.config_sha256", header.config_sha256},
                             {"trace.signature", header.signature},
                             {"trace.complete", header.complete ? "yes" : "no"}});
  }
  Section out{"provenance", "Provenance"};
  out.table = fact_table(rows);
  if (input.report == nullptr) return out;
  if (const Json* config = find_in(input.report->json, {"config"})) {
    out.parts.resize(1);
    out.parts[0].table = fact_table(flatten_json(*config));
    out.parts[0].table.caption = "The whole configuration";
  }
  return out;
}

std::string head(const InspectInput& input, const std::vector<LayerRates>& layers) {
  std::string out;
  if (input.report != nullptr) {
    const Json& report = input.report->json;
    out += verdict_box(report);
    for (const Json& change : list_in(report, {"what_if"}))
      out += warning_box("what if: " + scalar_text(change));
    for (const Json& warning : list_in(report, {"warnings"}))
      out += warning_box(scalar_text(warning));
  }
  if (!input.note.empty()) out += warning_box(input.note);
  if (input.trace != nullptr) {
    if (const std::string text = input.trace->warning(); !text.empty()) out += warning_box(text);
    if (input.trace->is_partial())
      out += warning_box("only a selection of steps or samples was recorded in the trace");
    for (const LayerRates& layer : layers) {
      if (!layer.fault.empty())
        out += warning_box("damaged layer " + layer.name + ": " + layer.fault);
    }
  }
  if (input.report != nullptr) {
    out += fact_boxes(report_facts(input.report->json));
  } else if (input.trace != nullptr) {
    out += fact_boxes(trace_facts(*input.trace, layers));
  }
  if (input.report == nullptr) return out;
  std::vector<std::string> lines;
  const auto& verdict = list_in(input.report->json, {"verdict"});
  for (size_t i = 1; i < verdict.size(); ++i) lines.push_back(scalar_text(verdict[i]));
  return lines.empty() ? out : out + details("All comparisons of the verdict", bullets(lines));
}

}  // namespace

size_t default_layer(const TraceFile& trace) {
  const auto& all = trace.populations();
  const auto sound = [](const TracePopulation& p) { return p.fault.empty() && p.rows > 0; };
  const auto found = std::find_if(all.begin(), all.end(), sound);
  return found == all.end() ? 0 : static_cast<size_t>(found - all.begin());
}

std::string inspect_page(const InspectInput& input) {
  if (input.report != nullptr) check_report(*input.report);
  const std::vector<LayerRates> layers =
      input.trace != nullptr ? layer_rates(*input.trace) : std::vector<LayerRates>{};
  std::string defs, body = head(input, layers);
  if (input.trace != nullptr && layers.empty()) body += warning_box("the trace holds no layer");
  std::vector<Section> traced;
  if (!layers.empty()) {
    const LayerRaster raster = layer_raster(*input.trace, input.layer);
    traced = {trace_rates(*input.trace, layers), raster_section(*input.trace, input.layer, raster)};
    if (raster.fault.empty()) {
      defs = raster_defs(raster);
      if (const SpikeMaps maps = spike_maps(*input.trace, input.layer); !maps.values.empty()) {
        traced.push_back(maps_section(raster, maps));
        defs += maps_defs(maps);
      }
    }
  }
  body += to_html(input.report != nullptr ? report_sections(input.report->json, std::move(traced))
                                          : std::move(traced));
  body += to_html(provenance_section(input));
  return page("Spikes and energy: " + input.name,
              input.report != nullptr ? text_in(input.report->json, {"dataset"})
                                      : "a spike trace without a report",
              body, "Written by spikeloom; the page loads nothing and runs no script.", defs);
}

}  // namespace spikeloom
