// The picture of a network: a row for each block with the rates of its neurons, and what goes from
// block to block.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/network_view.hpp"
#include "hw_model/report/report_sections.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;

constexpr double kRow = 40, kBox = 22, kCell = 13, kLane = 9;
constexpr size_t kMostLanes = 6, kMostBlocks = 120;

struct Fire {
  std::string name;
  double rate = 0;
};

struct Block {
  std::string name;
  size_t layers = 0;
  std::vector<Fire> fires;
};

struct Way {  // from block to block
  size_t from = 0, to = 0;
  double rate = 0;  // NaN: no spikes
  std::string kind;
  bool feedback = false;
  size_t lane = 0;
};

struct Blocks {
  std::vector<Block> blocks;
  std::vector<Way> ways;
  const Fire* hottest = nullptr;
  double high = 0;
};

// Indices are untrusted.
bool index_in(const Json& value, const char* key, size_t size, size_t& out) {
  const double number = number_in(value, {key});
  if (!(number >= 0) || number >= static_cast<double>(size)) return false;
  out = static_cast<size_t>(number);
  return true;
}

// Blocks in the order in which their first layers run.
std::vector<size_t> add_blocks(const Json& report, Blocks& picture) {
  std::map<std::string, size_t> known;
  const auto block = [&](const std::string& name) {
    const auto [at, is_new] = known.emplace(block_of(name), picture.blocks.size());
    if (is_new) picture.blocks.push_back({at->first, 0, {}});
    return at->second;
  };
  std::vector<size_t> of_node;
  for (const Json& node : list_in(report, {"network", "nodes"})) {
    of_node.push_back(block(text_in(node, {"name"})));
    ++picture.blocks[of_node.back()].layers;
  }
  // Neurons whose path is no block's own belong to the block that reads them.
  std::map<std::string, size_t> readers;
  for (const Json& edge : list_in(report, {"network", "edges"})) {
    size_t to = 0;
    if (index_in(edge, "to", of_node.size(), to))
      readers.emplace(text_in(edge, {"population"}), of_node[to]);
  }
  for (const Json* neuron : firing_layers(report)) {
    const std::string name = text_in(*neuron, {"name"});
    const auto reader = readers.find(name);
    const bool own = known.contains(block_of(name)) || reader == readers.end();
    picture.blocks[own ? block(name) : reader->second].fires.push_back(
        {name, number_in(*neuron, {"rate"})});
  }
  return of_node;
}

void add_ways(const Json& report, const std::vector<size_t>& of_node, Blocks& picture) {
  std::set<std::pair<std::pair<size_t, size_t>, std::string>> seen;
  for (const Json& edge : list_in(report, {"network", "edges"})) {
    size_t from = 0, to = 0;
    if (!index_in(edge, "from", of_node.size(), from) || !index_in(edge, "to", of_node.size(), to))
      continue;
    Way way{of_node[from],           of_node[to], number_in(edge, {"rate"}),
            text_in(edge, {"kind"}), false,       0};
    way.feedback = way.to < way.from;
    if (way.from == way.to) continue;
    if (!seen.insert({{way.from, way.to}, text_in(edge, {"population"})}).second) continue;
    picture.ways.push_back(way);
  }
  // Short ways inside, one lane each where there is room.
  std::stable_sort(picture.ways.begin(), picture.ways.end(), [](const Way& a, const Way& b) {
    const auto span = [](const Way& w) { return w.to > w.from ? w.to - w.from : w.from - w.to; };
    return span(a) < span(b);
  });
  std::vector<std::vector<std::pair<size_t, size_t>>> lanes(kMostLanes);
  for (Way& way : picture.ways) {
    const auto [low, high] = std::minmax(way.from, way.to);
    if (high - low == 1) continue;
    while (way.lane + 1 < kMostLanes && std::any_of(lanes[way.lane].begin(), lanes[way.lane].end(),
                                                    [&, l = low, h = high](const auto& other) {
                                                      return l < other.second && other.first < h;
                                                    }))
      ++way.lane;
    lanes[way.lane].emplace_back(low, high);
    ++way.lane;  // 0: straight down
  }
}

void find_hottest(Blocks& picture) {
  for (const Block& block : picture.blocks) {
    for (const Fire& fire : block.fires) {
      if (!(fire.rate > picture.high)) continue;
      picture.high = fire.rate;
      picture.hottest = &fire;
    }
  }
}

double top_of(size_t row) {
  return 4 + kRow * static_cast<double>(row);
}

std::string draw_way(const Blocks& picture, const Way& way, double x) {
  const bool spikes = std::isfinite(way.rate);
  const std::string look = spikes
                               ? fmt::format("class=\"q\" stroke-opacity=\"{}\" stroke-width=\"3\"",
                                             shade_opacity(shade_of(way.rate, picture.high)))
                               : std::string("class=\"x\" stroke-width=\"1.5\"");
  const std::string dash = way.feedback ? " stroke-dasharray=\"3 3\"" : "";
  const std::string tip =
      fmt::format("{} to {}: {}{}", picture.blocks[way.from].name, picture.blocks[way.to].name,
                  spikes ? "spikes, rate " + percent_or_text(way.rate) : way.kind + " values",
                  way.feedback ? ", one step later" : "");
  std::string path;
  if (way.lane == 0 && !way.feedback) {
    path = fmt::format("M{} {}V{}", num(x + 10), num(top_of(way.from) + kBox), num(top_of(way.to)));
  } else {
    const double left = x - kLane * static_cast<double>(std::max<size_t>(way.lane, 1)) - 2;
    path = fmt::format("M{} {}H{}V{}H{}", num(x), num(top_of(way.from) + kBox - 6), num(left),
                       num(top_of(way.to) + 6), num(x));
  }
  return fmt::format("<path {}{} d=\"{}\"><title>{}</title></path>", look, dash, path,
                     escape_html(tip));
}

// What reaches a block from the one above it.
std::string arrival(const Blocks& picture, size_t row) {
  std::set<std::string> texts;
  for (const Way& way : picture.ways) {
    if (way.to == row && way.from + 1 == row)
      texts.insert(std::isfinite(way.rate) ? percent_or_text(way.rate) : way.kind);
  }
  std::string all;
  size_t shown = 0;
  for (const std::string& text : texts) {
    if (++shown > 2) break;
    all += (all.empty() ? "" : ", ") + text;
  }
  return texts.size() > 2 ? all + ", ..." : all;
}

std::string cut_to(std::string text, double width) {
  if (text_width(text, 12, true) <= width) return text;
  while (!text.empty() && text_width(text + "...", 12, true) > width) {
    while (text.size() > 1 && (text.back() & 0xC0) == 0x80) text.pop_back();
    text.pop_back();
  }
  return text + "...";
}

std::string draw_block(const Blocks& picture, size_t row, double x, double names, double width) {
  const Block& block = picture.blocks[row];
  const double y = top_of(row);
  std::string out = fmt::format(
      "<path class=\"f\" d=\"M{0} {1}H{2}v{3}H{0}z\"/><path class=\"o\" d=\"M{0} "
      "{1}H{2}v{3}H{0}z\"/>",
      num(x), num(y), num(width - 1), num(kBox));
  out += fmt::format("<a href=\"#block-{}\">{}</a>", row,
                     svg_text(x + 6, y + 15, "class=\"m\"", cut_to(block.name, names - 12)));
  if (row > 0) {
    const std::string text = arrival(picture, row);
    if (!text.empty()) out += svg_text(x + 17, y - 5, "class=\"n\"", text);
  }
  const double from = x + names;
  const double room = width - from - 70;
  const auto most = static_cast<size_t>(std::max(1.0, std::floor(room / kCell)));
  double hottest = std::nan("");
  for (size_t i = 0; i < block.fires.size(); ++i) {
    const Fire& fire = block.fires[i];
    if (std::isfinite(fire.rate) && !(fire.rate <= hottest)) hottest = fire.rate;
    if (i >= most) continue;
    const double at = from + kCell * static_cast<double>(i);
    out += fmt::format(
        "<g><title>{}: {}</title><path class=\"q\" stroke-width=\"{}\" stroke-opacity=\"{}\" "
        "d=\"M{} {}h{}\"/>{}</g>",
        escape_html(fire.name), percent_or_text(fire.rate), num(kCell - 1),
        shade_opacity(shade_of(std::isfinite(fire.rate) ? fire.rate : 0, picture.high)), num(at),
        num(y + kBox / 2), num(kCell - 2),
        &fire == picture.hottest
            ? fmt::format("<path class=\"hot\" d=\"M{} {}h{}v{}h-{}z\"/>", num(at - 1), num(y + 4),
                          num(kCell), num(kBox - 8), num(kCell))
            : std::string());
  }
  if (std::isfinite(hottest))
    out += svg_text(width - 6, y + 15, "class=\"v\" text-anchor=\"end\"", percent_or_text(hottest));
  return out;
}

std::string draw_network(const Blocks& picture, double width) {
  size_t lanes = 0;
  double names = 60;
  for (const Way& way : picture.ways)
    lanes = std::max({lanes, way.lane, static_cast<size_t>(way.feedback ? 1 : 0)});
  for (const Block& block : picture.blocks)
    names = std::max(names, text_width(block.name, 12, true) + 16);
  const double x = kLane * static_cast<double>(lanes) + 6;
  names = std::min(names, (width - x) * 0.45);
  std::string body;
  for (const Way& way : picture.ways) body += draw_way(picture, way, x);
  for (size_t row = 0; row < picture.blocks.size(); ++row)
    body += draw_block(picture, row, x, names, width);
  return svg_frame(width, top_of(picture.blocks.size()) - kRow + kBox + 6,
                   "The blocks of the network and the rates of their neurons", body);
}

// Every edge between layers: what is behind the picture.
void add_edges(const Json& report, const std::vector<size_t>& of_node, Table& table) {
  table.caption = "Every way from layer to layer";
  table.columns = {{"from", kLeft},  {"operator", kLeft}, {"to", kLeft}, {"operator", kLeft},
                   {"value", kLeft}, {"neurons", kLeft},  {"rate"}};
  const auto& nodes = list_in(report, {"network", "nodes"});
  std::map<size_t, size_t> first_row;  // where a node receives
  std::vector<std::pair<size_t, size_t>> ends;
  std::set<size_t> blocks;
  for (const Json& edge : list_in(report, {"network", "edges"})) {
    size_t from = 0, to = 0;
    if (!index_in(edge, "from", nodes.size(), from) || !index_in(edge, "to", nodes.size(), to))
      continue;
    const size_t row = table.rows.size();
    first_row.emplace(to, row);
    ends.emplace_back(from, to);
    const Json* later = find_in(edge, {"feedback"});
    const bool feedback = later != nullptr && later->is_boolean() && later->get<bool>();
    table.rows.push_back({text_in(nodes[from], {"name"}),
                          text_in(nodes[from], {"op"}),
                          text_in(nodes[to], {"name"}),
                          text_in(nodes[to], {"op"}),
                          text_in(edge, {"kind"}) + (feedback ? ", one step later" : ""),
                          text_in(edge, {"population"}),
                          {Show::kPercent, number_in(edge, {"rate"})}});
    if (blocks.insert(of_node[to]).second)
      table.rows[row][3].id = fmt::format("block-{}", of_node[to]);
  }
  for (const auto& [node, row] : first_row) table.rows[row][2].id = fmt::format("into-{}", node);
  for (size_t row = 0; row < ends.size(); ++row) {
    if (first_row.contains(ends[row].first))
      table.rows[row][0].link = fmt::format("into-{}", ends[row].first);
  }
}

}  // namespace

Section network_section(const Json& report) {
  Blocks picture;
  const std::vector<size_t> of_node = add_blocks(report, picture);
  if (of_node.empty()) return {};
  add_ways(report, of_node, picture);
  Section out{"network", "The network"};
  out.page_only = true;
  out.notes = {
      "A row is a block; its cells are its layers of neurons, the darker the more they fire, and "
      "the number behind them is the highest rate. Between blocks: the rate of the spikes that go "
      "down, or that real values do. Lines at the left pass blocks by."};
  if (picture.blocks.size() > kMostBlocks) {
    out.notes.push_back(fmt::format("The first {} of {} blocks are drawn; the table has all.",
                                    kMostBlocks, picture.blocks.size()));
    picture.blocks.resize(kMostBlocks);
    std::erase_if(picture.ways,
                  [](const Way& w) { return w.from >= kMostBlocks || w.to >= kMostBlocks; });
  }
  find_hottest(picture);
  if (picture.hottest != nullptr) {
    out.notes.push_back(fmt::format("Hottest layer: {} fires at {}.", picture.hottest->name,
                                    percent_or_text(picture.hottest->rate)));
    out.picture.heat_high = picture.high;
    out.picture.heat_unit = "%";
  }
  add_edges(report, of_node, out.table);
  out.picture.draw = [shared = std::make_shared<const Blocks>(std::move(picture))](double width) {
    return draw_network(*shared, width);
  };
  return out;
}

}  // namespace spikeloom
