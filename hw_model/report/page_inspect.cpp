#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hw_model/report/draw/raster_chart.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostSteps = 32;  // columns of the heat map

std::string shape_text(const Shape& shape, const std::string& axes) {
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : "×") + std::to_string(extent);
  return axes.empty() ? text : text + " (" + axes + ")";
}

// "98.83 %" and "253 of 256" from the trace's own labels.
Fact trace_accuracy(const TraceFile& trace) {
  int64_t labelled = 0, correct = 0;
  for (const TraceSample& sample : trace.samples()) {
    labelled += sample.label >= 0;
    correct += sample.label >= 0 && sample.label == sample.prediction;
  }
  if (labelled == 0) return {"accuracy", "not measured", "the samples have no labels"};
  return {"accuracy", percent_or_text(static_cast<double>(correct) / static_cast<double>(labelled)),
          fmt::format("{} of {}", correct, labelled)};
}

// How well a language model, a report or its twin, predicts.
Fact language_fact(const char* name, const Json& network) {
  for (const char* unit : {"character", "token"}) {
    const std::string key = std::string("bits_per_") + unit;
    const double bits = number_in(network, {"language", key});
    if (std::isfinite(bits))
      return {name, fmt::format("{:.4f}", bits), fmt::format("bits per {}", unit)};
  }
  return {name, "not measured", ""};
}

std::string precision_text(const Json& report) {
  const std::string name = text_in(report, {"provenance", "precision", "name"});
  return name.empty() ? "fp32" : name;
}

std::vector<Fact> report_facts(const Json& report) {
  const Json* counts = find_in(report, {"accuracy_counts"});
  const Json* twin = find_in(report, {"dense_twin"});
  std::vector<Fact> facts;
  if (find_in(report, {"language"}) != nullptr) {
    facts = {language_fact("score", report),
             language_fact("score of the dense twin", twin == nullptr ? Json() : *twin)};
  } else {
    facts = {{"accuracy", percent_or_text(number_in(report, {"accuracy"})),
              counts == nullptr ? "" : accuracy_note(*counts, "correct", "total")},
             {"accuracy of the dense twin",
              percent_or_text(number_in(report, {"dense_twin", "accuracy"})),
              twin == nullptr ? "" : accuracy_note(*twin, "correct", "total")}};
  }
  const std::vector<Fact> others{
      {"mean firing rate", percent_or_text(number_in(report, {"run", "mean_rate"})), ""},
      {"samples × steps",
       fmt::format("{:.0f} × {:.0f}", number_in(report, {"run", "samples"}),
                   number_in(report, {"run", "steps"})),
       fmt::format("form {}, {}", text_in(report, {"run", "form"}), precision_text(report))},
      {"weights", weights_state(report), text_in(report, {"provenance", "weights_text"})},
      {"signature", text_in(report, {"signature"}), "hash of all spike counts", true}};
  facts.insert(facts.end(), others.begin(), others.end());
  return facts;
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

std::string raster_section(const TraceFile& trace, size_t p, std::string& defs) {
  const LayerRaster raster = layer_raster(trace, p);
  HtmlFigure figure;
  figure.id = "raster-of";
  figure.heading = "Spikes of " + raster.name;
  if (!raster.fault.empty()) {
    return section(figure.id, figure.heading, warning_box("damaged, not drawn: " + raster.fault));
  }
  const TracePopulation& population = trace.populations()[p];
  figure.notes = {fmt::format("{}, {}, threshold {:g}, {} neurons. {}",
                              shape_text(raster.shape, raster.axes), population.neuron_model,
                              population.threshold, grouped(raster.neurons), raster_text(raster))};
  defs = raster_defs(raster);
  figure.wide_html = draw_raster(raster, kWide);
  figure.narrow_html = draw_raster(raster, kNarrow);
  figure.table_name = "Spikes of the whole layer at every step shown";
  figure.table.header = {"sample", "step", "label", "prediction", "spikes", "rate"};
  figure.table.text_columns = 0;
  for (const RasterColumn& c : raster.columns) {
    const auto or_dash = [](int64_t v) { return v < 0 ? std::string("-") : std::to_string(v); };
    figure.table.rows.push_back(
        {std::to_string(c.sample), std::to_string(c.step), or_dash(c.label), or_dash(c.prediction),
         grouped(c.spikes),
         percent_or_text(static_cast<double>(c.spikes) / static_cast<double>(raster.neurons))});
  }
  std::string out = render(figure);
  const SpikeMaps maps = spike_maps(trace, p);
  if (maps.values.empty()) return out;
  HtmlFigure picture;
  picture.id = "maps";
  picture.heading = "Where " + raster.name + " fires";
  picture.notes = {fmt::format(
      "Spikes per pixel of sample {}, added over the {} channels{}{}.", maps.sample,
      raster.shape.back(), maps.bin > 1 ? fmt::format(", mean of {0}×{0} pixels", maps.bin) : "",
      maps.steps_left > 0 ? fmt::format("; {} later steps are not shown", maps.steps_left) : "")};
  picture.heat_high = maps.high;
  picture.heat_unit = "spikes per pixel";
  picture.wide_html = draw_maps(maps, raster.name, kWide);
  picture.narrow_html = draw_maps(maps, raster.name, kNarrow);
  defs += maps_defs(maps);
  return out + render(picture);
}

// Steps of the run in at most kMostSteps equal groups.
void set_heat(const std::vector<LayerRates>& layers, BarChart& chart, HtmlFigure& figure) {
  size_t steps = 0;
  for (const LayerRates& layer : layers) steps = std::max(steps, layer.step_rows.size());
  if (steps < 2) return;  // it would repeat the bars
  const size_t group = (steps + kMostSteps - 1) / kMostSteps;
  for (size_t first = 0; first < steps; first += group) {
    const size_t last = std::min(first + group, steps) - 1;
    chart.heat_labels.push_back(std::to_string(first));
    figure.table.header.push_back(first == last ? fmt::format("step {}", first)
                                                : fmt::format("steps {}-{}", first, last));
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    std::vector<double> cells;
    for (size_t first = 0; first < steps; first += group) {
      cells.push_back(layers[i].rate_of_steps(first, group));
      if (cells.back() > chart.heat_high) chart.heat_high = cells.back();
      figure.table.rows[i].push_back(std::isnan(cells.back()) ? "-"
                                                              : percent_or_text(cells.back()));
    }
    if (i < chart.rows.size()) chart.rows[i].cells = std::move(cells);
  }
  chart.heat_axis = group == 1 ? "rate at each step" : fmt::format("rate, {} steps a cell", group);
  figure.heat_high = chart.heat_high;
  figure.heat_unit = "%";
}

BarRow rate_row(const std::string& name, double rate, const std::string& text) {
  BarRow row;
  row.label = name;
  row.tip = name + ": " + text;
  row.bars.push_back({{{rate, 0}}, text, 0, false});
  if (std::isnan(rate)) row.bars.back().segments.clear();
  return row;
}

HtmlFigure rates_figure() {
  HtmlFigure figure;
  figure.id = "rates";
  figure.heading = "Firing rates";
  figure.table_name = "Rates of every layer";
  return figure;
}

std::string finish_rates(HtmlFigure& figure, BarChart& chart, size_t layers) {
  chart.title = "Firing rate by layer and step";
  chart.axis = "mean firing rate";
  chart.unit = "%";
  if (layers > kMostRows)
    figure.notes.push_back(
        fmt::format("The first {} of {} layers are drawn; the table has all.", kMostRows, layers));
  set_chart(figure, chart);
  return render(figure);
}

std::string trace_rates(const TraceFile& trace, const std::vector<LayerRates>& layers) {
  HtmlFigure figure = rates_figure();
  BarChart chart;
  figure.notes = {
      fmt::format("Spikes per neuron and step, mean over {}; layers in the order of the network.",
                  trace.is_partial() ? "the recorded steps and samples (a selection of the run)"
                                     : "all samples and steps of the run")};
  figure.table.header = {"layer", "shape", "neurons", "recorded steps", "spikes", "rate"};
  figure.table.text_columns = 2;
  for (const LayerRates& layer : layers) {
    const std::string rate =
        layer.fault.empty() ? percent_or_text(layer.rate()) : std::string("damaged");
    if (chart.rows.size() < kMostRows)
      chart.rows.push_back(rate_row(layer.name, layer.rate(), rate));
    figure.table.rows.push_back({layer.name, shape_text(layer.shape, layer.axes),
                                 grouped(layer.neurons), grouped(layer.rows),
                                 layer.fault.empty() ? grouped(layer.spikes) : "damaged", rate});
  }
  set_heat(layers, chart, figure);
  return finish_rates(figure, chart, layers.size());
}

// Without a trace: the rates of the report.
std::string report_rates(const Json& report) {
  HtmlFigure figure = rates_figure();
  BarChart chart;
  figure.notes = {"Spikes per neuron and step, from the report."};
  figure.table.header = {"layer", "neurons", "spikes", "rate"};
  const auto& layers = list_in(report, {"counts", text_in(report, {"run", "form"}), "neurons"});
  for (const Json& layer : layers) {
    const std::string name = text_in(layer, {"name"});
    const double rate = number_in(layer, {"rate"});
    if (chart.rows.size() < kMostRows)
      chart.rows.push_back(rate_row(name, rate, percent_or_text(rate)));
    figure.table.rows.push_back({name, fmt::format("{:.0f}", number_in(layer, {"neurons"})),
                                 fmt::format("{:.0f}", number_in(layer, {"spikes"})),
                                 percent_or_text(rate)});
  }
  return layers.empty() ? "" : finish_rates(figure, chart, layers.size());
}

HtmlTable fact_table(const std::vector<std::pair<std::string, std::string>>& rows) {
  HtmlTable table;
  table.header = {"what", "value"};
  table.text_columns = 2;
  for (const auto& [name, value] : rows) table.rows.push_back({name, value});
  return table;
}

std::string provenance_section(const InspectInput& input) {
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
  std::string body = render(fact_table(rows));
  if (input.report != nullptr) {
    if (const Json* config = find_in(input.report->json, {"config"}))
      body += details("The whole configuration", render(fact_table(flatten_json(*config))));
  }
  return section("provenance", "Provenance", body);
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
  if (input.report != nullptr)
    body += energy_section(input.report->json) + network_section(input.report->json);
  if (!layers.empty()) {
    body += trace_rates(*input.trace, layers);
    body += raster_section(*input.trace, input.layer, defs);
  } else if (input.report != nullptr) {
    body += report_rates(input.report->json);
  }
  if (input.report != nullptr) {
    const Json& report = input.report->json;
    body += language_section(report) + operations_section(report) + unpriced_section(report) +
            memory_section(report) + break_even_section(report) + methods_section(report);
  }
  body += provenance_section(input);
  return page("Spikes and energy: " + input.name,
              input.report != nullptr ? text_in(input.report->json, {"dataset"})
                                      : "a spike trace without a report",
              body, "Written by spikeloom; the page loads nothing and runs no script.", defs);
}

}  // namespace spikeloom
