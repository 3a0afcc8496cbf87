// Pages: escaping, numbers, ticks, wrapped labels, paths of spikes, and what a chart may never do.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <sstream>

#include "core/error.hpp"
#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/line_chart.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report_fixture.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;

namespace {

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("untrusted text cannot become markup, whatever it holds") {
  CHECK(escape_html("<a href=\"x\" b='y'>&") == "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
  CHECK(escape_html("a\nb\x01\x7f") == "a?b??");
  CHECK(escape_html("µ K\u1d40V 漢") == "µ K\u1d40V 漢");
  CHECK(escape_html("a\u202eb\u2066c\ufeffd") == "a?b?c?d");  // would turn or hide what follows
  CHECK(escape_html("\xff<\xc3") == "?&lt;?");                // no UTF-8: byte by byte
  const Table table{"", {{"<h>"}}, {{"</td><script>"}}};
  CHECK(occurrences(to_html(table), "<script") == 0);
  CHECK(occurrences(to_html(table), "&lt;h&gt;") == 1);
  CHECK(occurrences(page("</title><script>", "<s>", "", "<f>"), "<script") == 0);
  BarChart chart;
  chart.title = "\"><script>";
  chart.rows = {{"<script>", "<script>", {{{{1, 0}}, "<script>", 0, false}}, {}, false}};
  CHECK(occurrences(draw(chart, kWide), "<script") == 0);
}

TEST_CASE("numbers carry SI prefixes and never a raw NaN") {
  CHECK(si_text(4.767330226e-5, "J") == "47.67\u00a0µJ");
  CHECK(si_text(9.99999e-4, "J") == "1.000\u00a0mJ");  // rounds up into the next prefix
  CHECK(si_text(0, "J") == "0\u00a0J");
  CHECK(si_text(std::nan(""), "J") == "not measured");
  CHECK(si_text(std::numeric_limits<double>::infinity(), "") == "not measured");
  CHECK(si_text(9216, "") == "9216");
  CHECK(si_text(0.486, "") == "0.486");
  CHECK(si_text(12360000, "") == "12.36\u00a0M");
  CHECK(tick_text(5e-5, "J") == "50\u00a0µJ");
  CHECK(percent_or_text(0.13054) == "13.05\u00a0%");
  CHECK(percent_or_text(std::nan("")) == "not measured");
  CHECK(times_text(2, 0) == "-");
  CHECK(times_text(1, 4) == "0.250×");
  CHECK(grouped(-1234567) == "-1\u00a0234\u00a0567");
  CHECK(num(-0.001) == "0");
  CHECK(num(12.5) == "12.5");
}

TEST_CASE("ticks are round, start at 0, reach the top and are no more than asked for") {
  CHECK(nice_ticks(126.6, 4) == std::vector<double>{0, 50, 100, 150});
  for (const double high : {1e-12, 0.4118, 1.0, 7.0, 126.6, 99999.0, 3e17}) {
    for (const int most : {2, 3, 5, 7}) {
      const auto ticks = nice_ticks(high, most);
      CAPTURE(high, most);
      CHECK(ticks.size() >= 2);
      CHECK(static_cast<int>(ticks.size()) <= most);
      CHECK(ticks.front() == 0);
      CHECK(ticks.back() >= high * (1 - 1e-9));
      CHECK(ticks[ticks.size() - 2] < high);  // no empty last interval
    }
  }
  CHECK(nice_ticks(0, 5) == std::vector<double>{0, 1});
  CHECK(nice_ticks(std::nan(""), 5) == std::vector<double>{0, 1});
  CHECK(log_ticks(870, 1.6e6, 7) == std::vector<double>{100, 1e3, 1e4, 1e5, 1e6, 1e7});
  const auto few = log_ticks(1, 1e9, 3);
  CHECK(few.size() <= 3);
  CHECK(few.front() <= 1);
  CHECK(few.back() >= 1e9);
  CHECK(log_ticks(100, 100, 4).size() == 2);
  CHECK(log_ticks(0, 0, 4).size() == 2);
}

TEST_CASE("wrapped labels lose no character and fit") {
  for (const std::string label :
       {"block3.0.attn.q_conv.0.body.2.0", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "a", "", "漢字漢字漢字漢字漢字漢字", "one two three four five six seven"}) {
    for (const double width : {40.0, 90.0, 300.0}) {
      std::string joined, expected = label;
      for (const std::string& line : wrap_label(label, width, 12, true)) {
        CHECK(text_width(line, 12, true) <= width);
        joined += line;
      }
      for (std::string* text : {&joined, &expected})  // a break may replace a space
        text->erase(std::remove(text->begin(), text->end(), ' '), text->end());
      CHECK(joined == expected);
    }
  }
}

TEST_CASE("spikes become one stroke for each run") {
  const std::vector<uint8_t> cells{1, 1, 0, 1,  //
                                   0, 0, 0, 0,  //
                                   1, 1, 1, 1};
  CHECK(run_path(cells, 4) == "M0 0.5h2M3 0.5h1M0 2.5h4");
  CHECK(run_path({}, 4).empty());
  CHECK(run_path(std::vector<uint8_t>(8, 0), 4).empty());
  CHECK(shade_of(0, 1) == 0);
  CHECK(shade_of(1e-9, 1) == 1);  // a little is not nothing
  CHECK(shade_of(1, 1) == kShades);
  CHECK(shade_of(std::nan(""), 1) == 0);
  const std::vector<double> map{0, std::nan(""), 1};
  CHECK(occurrences(shade_paths(map, 3, 1), "<path") == 2);  // what was not recorded stays empty
}

TEST_CASE("the neurons of a raster run through all channels") {
  CHECK(raster_stride(kMostNeurons, 8) == 1);
  for (const int64_t channels : {1, 8, 30, 360}) {
    for (const int64_t pixels : {1, 49, 3136}) {
      const int64_t neurons = channels * pixels, stride = raster_stride(neurons, channels);
      CAPTURE(channels, pixels);
      CHECK((neurons + stride - 1) / stride <= kMostNeurons);
      if (stride > 1) CHECK(std::gcd(stride, channels) == 1);
    }
  }
}

TEST_CASE("a chart draws zeros, NaN and everything equal without a bar that lies") {
  BarChart chart;
  chart.title = "t";
  chart.rows = {{"zero", "", {{{{0, 0}}, "0", 0, false}}, {}, false},
                {"unknown", "", {{{{std::nan(""), 0}}, "not measured", 0, false}}, {}, false}};
  for (const bool log : {false, true}) {
    chart.log = log;
    for (const double width : {kWide, kNarrow}) {
      const std::string svg = draw(chart, width);
      CHECK(occurrences(svg, "class=\"s0\"") == 0);
      CHECK(occurrences(svg, "not measured") == 1);
      CHECK(occurrences(svg, "nan") == 0);
    }
  }
  chart.log = false;
  chart.rows.assign(200, {"full", "", {{{{1, 0}}, "1", 0, false}}, {}, false});
  const std::string svg = draw(chart, kWide);
  CHECK(occurrences(svg, "class=\"s0\"") == 200);
  CHECK(occurrences(svg, "<svg ") > 1);  // several pages of paper
}

TEST_CASE("a line chart orders its points, breaks at gaps and keeps them inside") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  LineChart chart;
  chart.title = "<t>";
  chart.x_axis = "key";
  chart.unit = "J";
  chart.x = {4, 1, 2, 3};
  chart.x_labels = {"4", "1", "2", "3"};
  chart.series = {{"a", {4, 1, 2, 3}}, {"b<", {1, 1, none, 1}}, {"none", {none, none, none, none}}};
  const std::string svg = draw(chart, 600);
  // By ascending x: one line of four points, higher and higher.
  const size_t line = svg.find("class=\"l0\" d=\"M") + 14;
  std::istringstream path(svg.substr(line, svg.find('"', line) - line));
  std::vector<double> xs, ys;
  for (char letter = 0; path >> letter;) {
    CHECK(letter == (xs.empty() ? 'M' : 'L'));
    double x = 0, y = 0;
    path >> x >> y;
    xs.push_back(x);
    ys.push_back(y);
  }
  REQUIRE(xs.size() == 4);
  CHECK(std::is_sorted(xs.begin(), xs.end()));
  CHECK(std::is_sorted(ys.rbegin(), ys.rend()));
  CHECK(xs.front() > 0);
  CHECK(xs.back() < 600);
  CHECK(xs[1] - xs[0] == Approx(xs[3] - xs[2]).margin(0.02));
  CHECK(occurrences(svg, "class=\"s1\"") == 3);
  CHECK(occurrences(svg.substr(svg.find("class=\"l1\"")), "M") == 2);  // before and after the gap
  CHECK(occurrences(svg, "<title>none") == 0);
  CHECK(occurrences(svg, "b<") + occurrences(svg, "<t>") == 0);
  CHECK(occurrences(svg, "logarithmic") == 0);
  for (LineSeries& series : chart.series) {
    for (double& value : series.y) value = std::pow(10, value);
  }
  CHECK(occurrences(draw(chart, 360), "logarithmic") == 1);
  for (const double value : {0.0, 1e-300, 1e300}) {
    chart.series = {{"one", {value, value, value, value}}};
    CHECK(occurrences(draw(chart, 600), "nan") + occurrences(draw(chart, 600), "inf") == 0);
  }
  chart.x = {5};
  chart.x_labels = {"5"};
  chart.series = {{"one", {3}}};
  CHECK(occurrences(draw(chart, 600), "<circle") == 1);
}

TEST_CASE("a page says what a report lacks and shows schemes it has never heard of") {
  nlohmann::json json = to_json(example_input());
  json["energy"]["novel"] = {{"scheme", "novel"}, {"form", "fused"}, {"effective_macs", 17}};
  json["accuracy"] = nullptr;
  const NamedReport report{"r", json};
  InspectInput input;
  input.name = "r";
  input.report = &report;
  const std::string page = inspect_page(input);
  CHECK(occurrences(page, "no energy in this scheme") >= 2);
  CHECK(occurrences(page, "effective_macs") == 1);
  CHECK(occurrences(page, "not measured") >= 1);
  const size_t verdict = page.find("class=\"verdict mixed\"");
  REQUIRE(verdict != page.npos);
  CHECK(verdict < page.find("<section"));
  // Order of the report, the unknown scheme behind the known spiking ones.
  const auto entries = scheme_entries(json);
  std::vector<std::string> order;
  for (const auto& entry : entries) {
    if (order.empty() || order.back() != entry.scheme) order.push_back(entry.scheme);
  }
  REQUIRE(order.size() >= 6);
  CHECK(order[0] == "paper");
  CHECK(order[1] == "as_built");
  CHECK(order[2] == "event");
  CHECK(order[3] == "syops");
  CHECK(order[4] == "novel");
  CHECK(order[5] == "dense_same");
  for (const SchemeEntry& entry : entries) {
    double parts = 0;
    for (const auto& [operand, joule] : entry.operands) parts += joule;
    if (!entry.operands.empty()) CHECK(near(parts, entry.per_sample_J, 1e-9));
  }
  json["schema_version"] = "2.0";
  CHECK_THROWS_AS(check_report({"r", json}), Error);
  CHECK_THROWS_AS(check_report({"r", nlohmann::json::array()}), Error);
}

namespace {

// Records a run of samples with these steps; a rate of 0 or 1 at the ends of the densities.
trace_test::Run record(const std::filesystem::path& path, int64_t channels, double density,
                       const std::vector<int64_t>& steps) {
  const Graph graph = trace_test::make_graph(channels, 1);
  const auto run = trace_test::make_run(graph, steps, density, 5);
  Recorder recorder(graph, trace_test::options_for(path));
  trace_test::feed(run, 2, recorder);
  recorder.close();
  return run;
}

}  // namespace

TEST_CASE("rates, raster and maps equal the spikes that were recorded") {
  const trace_test::Folder folder;
  for (const int64_t channels : {1, 13, 70}) {
    for (const double density : {0.0, 0.4, 1000.0}) {
      CAPTURE(channels, density);
      const auto path = folder / "trace.h5";
      const std::vector<int64_t> steps{3, 1, 60, 5};
      const auto run = record(path, channels, density, steps);
      const TraceFile trace(path);
      const auto layers = layer_rates(trace);
      REQUIRE(layers.size() == run.populations.size());
      for (size_t p = 0; p < layers.size(); ++p) {
        int64_t spikes = 0;
        std::vector<int64_t> by_step(60);
        for (const auto& sample : run.spikes) {
          for (size_t t = 0; t < sample.size(); ++t) by_step[t] += sample[t][p].view().count();
        }
        for (const int64_t count : by_step) spikes += count;
        CHECK(layers[p].spikes == spikes);
        CHECK(layers[p].step_spikes == by_step);
        CHECK(layers[p].step_rows[0] == 4);
        CHECK(layers[p].step_rows[59] == 1);
        if (density == 0) CHECK(layers[p].rate() == 0);
        if (density > 1) CHECK(layers[p].rate() == 1);
        CHECK(std::isnan(layers[p].rate_of_steps(60, 4)));

        const LayerRaster raster = layer_raster(trace, p);
        REQUIRE(raster.fault.empty());
        CHECK(raster.columns.size() == 64);  // 3 + 1 + 60; the last sample does not fit
        CHECK(raster.samples_left == 1);
        CHECK(raster.columns[3].sample == 1);
        bool equal = true;
        const int64_t width = trace.populations()[p].shape.back();
        for (int64_t i = 0; i < raster.shown; ++i) {
          for (size_t c = 0; c < raster.columns.size(); ++c) {
            const RasterColumn& column = raster.columns[c];
            const SpikeTensor& spikes_of =
                run.spikes[static_cast<size_t>(column.sample)][static_cast<size_t>(column.step)][p];
            const int64_t neuron = i * raster.stride;
            equal = equal && (raster.cells[static_cast<size_t>(i) * raster.columns.size() + c] !=
                              0) == spikes_of.view().test(neuron / width, neuron % width);
          }
        }
        CHECK(equal);
        const SpikeMaps maps = spike_maps(trace, p);
        if (trace.populations()[p].shape.size() != 3) {
          CHECK(maps.values.empty());
        } else {
          REQUIRE(maps.values.size() == 3);
          double sum = 0;
          for (const double value : maps.values[2]) sum += value;
          CHECK(sum == static_cast<double>(run.spikes[0][2][p].view().count()));
        }
      }
      InspectInput input;
      input.name = "trace";
      input.trace = &trace;
      input.layer = layers.size() - 1;
      const std::string page = inspect_page(input);
      CHECK(occurrences(page, "<h2>Spikes of head.lif") == 1);
      for (const char* raw : {">nan", " nan", "(nan", "\"nan"}) CHECK(occurrences(page, raw) == 0);
      CHECK(page == inspect_page(input));
    }
  }
}
