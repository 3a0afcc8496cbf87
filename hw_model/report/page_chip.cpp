#include "hw_model/report/page_chip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/io/text.hpp"
#include "hw_model/chip/noc.hpp"
#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostTableRows = 200;

// A row-major picture of equal cells; NaN where there is nothing.
struct Map {
  int64_t columns = 0, rows = 0;
  std::vector<double> values;
  double high = 0;

  Map(int64_t width, int64_t height)
      : columns(width), rows(height), values(static_cast<size_t>(width * height), kNone) {}
  void set(int64_t x, int64_t y, double value) {
    values[static_cast<size_t>(y * columns + x)] = value;
    high = std::max(high, value);
  }
};

std::string draw_map(const Map& map, const std::string& title, double width) {
  const double cell = std::min(
      {(width - 2) / static_cast<double>(map.columns), 40.0, 700 / static_cast<double>(map.rows)});
  const double w = cell * static_cast<double>(map.columns),
               h = cell * static_cast<double>(map.rows);
  std::string body =
      fmt::format("<path class=\"f\" d=\"M1 1h{}v{}h-{}z\"/>", num(w), num(h), num(w));
  body += fmt::format("<g stroke-width=\".92\" transform=\"translate(1 1) scale({:.4f})\">{}</g>",
                      cell, shade_paths(map.values, map.columns, map.high));
  body += fmt::format("<path class=\"o\" d=\"M1 1h{}v{}h-{}z\"/>", num(w), num(h), num(w));
  return svg_frame(width, h + 2, title, body);
}

void set_map(HtmlFigure& figure, const Map& map, const std::string& unit) {
  figure.heat_high = map.high;
  figure.heat_unit = unit;
  figure.wide_html = draw_map(map, figure.heading, kWide);
  figure.narrow_html = draw_map(map, figure.heading, kNarrow);
}

// Cores of a tile stand in a small square; north is up.
std::string cores_section(const ChipRun& run, const ChipSpec& chip) {
  const Geometry geometry(chip);
  const auto side_x =
      static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(chip.cores_per_tile))));
  const int64_t side_y = (chip.cores_per_tile + side_x - 1) / side_x;
  Map map(geometry.width * side_x, geometry.height * side_y);
  HtmlFigure figure;
  figure.id = "cores";
  figure.heading = "Activity of the cores";
  figure.table.header = {"core",       "chip",        "tile",           "slot", "synaptic events",
                         "packets in", "packets out", "dynamic energy", "busy"};
  std::vector<ChipRun::Core> rows = run.core_rows;
  for (const ChipRun::Core& core : rows) {
    const TilePlace tile = geometry.tile_of_core(core.core);
    map.set(tile.x * side_x + core.slot % side_x,
            (geometry.height - 1 - tile.y) * side_y + core.slot / side_x,
            static_cast<double>(core.events));
  }
  if (rows.empty() || map.high <= 0) return "";
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.joules > b.joules; });
  const size_t all = rows.size();
  rows.resize(std::min(all, kMostTableRows));
  for (const ChipRun::Core& core : rows) {
    figure.table.rows.push_back({grouped(core.core), grouped(core.chip), grouped(core.tile),
                                 grouped(core.slot), grouped(core.events), grouped(core.packets_in),
                                 grouped(core.packets_out), si_text(core.joules, "J"),
                                 si_text(core.busy_s, "s")});
  }
  figure.notes = {
      fmt::format("Synaptic events of the whole run by core: {} x {} tiles, {} cores each, north "
                  "up; empty: not "
                  "in use.",
                  geometry.width, geometry.height, chip.cores_per_tile)};
  figure.table_name = all > rows.size()
                          ? fmt::format("The {} of {} cores that need most", rows.size(), all)
                          : "Every core in use, most energy first";
  set_map(figure, map, "synaptic events");
  return render(figure);
}

// Between two tiles stands the busier of their two links; links around a torus are in the table.
std::string links_section(const ChipSpec& chip, const ReplayResult& result) {
  const Geometry geometry(chip);
  if (result.link_flits.empty() || geometry.tiles() < 2) return "";
  Map map(2 * geometry.width - 1, 2 * geometry.height - 1);
  struct Link {
    Direction direction;
    TilePlace tile;
    int64_t flits;
  };
  std::vector<Link> used;
  std::vector<double> shown(map.values.size(), 0);
  for (int32_t y = 0; y < geometry.height; ++y) {
    for (int32_t x = 0; x < geometry.width; ++x) {
      for (const Direction d : {kEast, kWest, kNorth, kSouth}) {
        const int64_t flits = result.link_flits[static_cast<size_t>(geometry.link(d, {x, y}))];
        if (flits > 0) used.push_back({d, {x, y}, flits});
        const int64_t column = 2 * x + (d == kEast) - (d == kWest);
        const int64_t row = 2 * (geometry.height - 1 - y) - (d == kNorth) + (d == kSouth);
        if (column < 0 || column >= map.columns || row < 0 || row >= map.rows) continue;
        double& most = shown[static_cast<size_t>(row * map.columns + column)];
        most = std::max(most, static_cast<double>(flits));
        map.set(column, row, most);
      }
    }
  }
  if (used.empty()) return "";
  std::stable_sort(used.begin(), used.end(),
                   [](const Link& a, const Link& b) { return a.flits > b.flits; });
  HtmlFigure figure;
  figure.id = "links";
  figure.heading = "Load of the links";
  figure.table.header = {"link", "x", "y", "flits"};
  const size_t all = used.size();
  used.resize(std::min(all, kMostTableRows));
  for (const Link& link : used) {
    figure.table.rows.push_back({kDirectionNames[link.direction], grouped(link.tile.x),
                                 grouped(link.tile.y), grouped(link.flits)});
  }
  figure.notes = {
      "Flits of the whole run. The cells between tiles are their links, the busier direction of "
      "the "
      "two; tiles themselves are empty, north is up."};
  figure.table_name =
      fmt::format("The {} busiest of {} links in use, by the tile they leave", used.size(), all);
  set_map(figure, map, "flits");
  return render(figure);
}

std::string energy_section(const ChipRun& run) {
  HtmlFigure figure;
  figure.id = "energy";
  figure.heading = "Energy per inference";
  BarChart chart;
  chart.title = "Energy per inference by category";
  chart.unit = "J";
  chart.mono = false;
  figure.table.header = {"category", "energy per inference"};
  const auto add = [&](const std::string& name, double joules, int color, bool known = true) {
    if (!known) {
      BarRow row;
      row.label = name;
      row.bars.push_back({{}, "not priced", 0, false});
      chart.rows.push_back(std::move(row));
      figure.table.rows.push_back({name, "not priced"});
      return;
    }
    if (joules <= 0) return;
    BarRow row;
    row.label = name;
    row.bars.push_back({{{joules, color}}, si_text(joules, "J"), 0, false});
    chart.rows.push_back(std::move(row));
    figure.table.rows.push_back({name, si_text(joules, "J")});
  };
  for (const ChipEnergy::Term& term : run.dynamic)
    add(term.name, term.joules, 0, run.has_price(term.name));
  add("static", run.static_j, 6, run.known.static_j);
  add("idle clock", run.idle_j, 6);
  add("barriers and ticks", run.sync_j, 6, run.known.sync_j);
  add("host", run.host_j, 1, run.known.host_j);
  if (chart.rows.empty()) return "";
  choose_axis(chart, "energy per inference", 100);
  figure.legend = {{0, "dynamic: per event"}, {6, "per second the chip is on"}};
  if (run.host_j > 0) figure.legend.push_back({1, "on the host processor"});
  figure.table_name = "Energies";
  set_chart(figure, chart);
  return render(figure);
}

std::string layers_section(const ChipRun& run) {
  HtmlTable table;
  table.header = {"layer",
                  "neurons",
                  "updates",
                  "spikes",
                  "packets",
                  "synaptic events",
                  "dynamic energy of the run"};
  for (const ChipRun::Layer& layer : run.layers) {
    table.rows.push_back({layer.name, grouped(layer.neurons), grouped(layer.updates),
                          grouped(layer.fired), grouped(layer.packets), grouped(layer.events),
                          si_text(layer.joules, "J")});
  }
  return table.rows.empty() ? "" : section("layers", "Layer by layer", render(table));
}

std::string prices_section(const ChipRun& run) {
  HtmlTable table;
  table.header = {"operation", "source", "mark", "count", "pJ each", "energy of the run"};
  table.text_columns = 3;
  for (const ChipRun::Operation& op : run.operations) {
    if (op.count == 0) continue;
    table.rows.push_back({op.name, op.source, op.priced ? std::string(1, op.mark) : "-",
                          grouped(op.count),
                          op.priced ? fmt::format("{:.4g}", op.price_pj) : "no price",
                          op.priced ? si_text(op.joules, "J") : "-"});
  }
  std::string body = table.rows.empty() ? "" : render(table);
  if (!run.unpriced.empty()) body += "<h3>What has no price</h3>" + bullets(run.unpriced);
  return body.empty() ? "" : section("prices", "Every count and its price", body);
}

std::string verdicts_section(const ChipRun& run) {
  HtmlTable table;
  table.header = {"criterion", "against", "source",   "why",
                  "quantity",  "verdict", "measured", "limit"};
  table.text_columns = 6;
  for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
    table.rows.push_back({verdict.id, verdict.against, verdict.source, verdict.why,
                          verdict.quantity, std::string(name_of(verdict.verdict)),
                          value_text(verdict), limit_text(verdict)});
  }
  const std::string note = fmt::format(
      "Does spiking cost less than the dense network? {} steps tell one value; a dense network "
      "needs {} multiply-accumulates for what runs on the chip.",
      run.break_even.value_steps, si_text(run.break_even.macs, ""));
  HtmlTable layers;
  layers.header = {"projection that reads spikes", "spikes per synapse",
                   "firing rate of its source"};
  for (const ChipRun::BreakEven::Layer& layer : run.break_even.layers)
    layers.rows.push_back(
        {layer.name, fmt::format("{:.4g}", layer.spikes_per_synapse), percent_or_text(layer.rate)});
  return section("break-even", "Break-even",
                 paragraph(note) + render(table) +
                     (layers.rows.empty() ? "" : details("Layer by layer", render(layers))));
}

}  // namespace

std::string chip_page(const std::string& trace, const ChipRun& run, const ChipSpec& chip,
                      const ReplayResult& result) {
  const ChipVerdict verdict = verdict_of(run);
  std::string body =
      verdict_box(name_of(verdict.outcome),
                  fmt::format(": {} per inference, {}", si_text(run.total_j, "J"), verdict.text),
                  mark_of(verdict.outcome));
  if (!run.unpriced.empty()) {
    body += warning_box(fmt::format("{} kinds of work have no price here; they are listed below",
                                    run.unpriced.size()));
  }
  body += fact_boxes({
      {"energy per inference", si_text(run.total_j, "J"),
       fmt::format("of what has a price, {}-bit weights", run.weight_bits)},
      {"synaptic work", share_text(run.coverage.priced),
       fmt::format("priced, {} on the chip", share_text(run.coverage.on_chip))},
      {"latency", run.known.time ? si_text(run.latency_s, "s") : "not known",
       std::string(name_of(run.level)) + " level"},
      {"cores", grouped(run.cores_used),
       fmt::format("of {}; {} of {} chips in use", run.cores, run.chips_used, run.chips)},
      {"utilisation", run.known.time ? percent_or_text(run.utilisation) : "not known",
       "of the cores in use"},
      {"weakest evidence", std::string(1, run.weakest), run.chip_source},
  });
  if (!run.critical.empty())
    body += paragraph("What sets the length of steps: " + run.critical + ".");
  body += energy_section(run) + cores_section(run, chip) + links_section(chip, result) +
          verdicts_section(run) + layers_section(run) + prices_section(run);
  return page("On a chip: " + run.label, trace, body,
              "Written by spikeloom chip; the page loads nothing and runs no script.");
}

}  // namespace spikeloom
