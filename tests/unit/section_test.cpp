// A section in every output: what fits a terminal, what is escaped, what a column is called.

#include "hw_model/report/section.hpp"

#include <sstream>

#include "tests/catch.hpp"

using namespace spikeloom;
using enum Align;
using enum Show;

namespace {

Section example() {
  Section section{"energy", "Energy by scheme"};
  section.notes = {"A note that says what the figures above stand for."};
  section.items = {"an entry of a list that is longer than the narrowest terminal"};
  section.table.columns = {{"scheme", kLeft},
                           {"energy", kRight, "J", "per_sample_J"},
                           {"share", kRight, "%"},
                           {"what it is", kLeft},
                           {"of it spikes", kRight, "J", "", true}};
  section.table.rows = {
      {"paper",
       {kJoule, 1.25e-6},
       {kShare, 0.99999},
       "the formula of the literature",
       {kJoule, 1e-9}},
      {"as_built",
       {kJoule, 0.5e-9},
       {kShare, 1.0},
       "what ran, word by word by word by word",
       {kJoule, 0}},
      {"none", {kJoule, std::nan("")}, {kShare, 0.5, "*"}, "", {kJoule, std::nan(""), "absent"}}};
  return section;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a section fits every width and loses no word but details and repeated keys") {
  const Section section = example();
  for (size_t width = 34; width <= 140; ++width) {
    const std::string text = to_text(section, width);
    for (const std::string& line : lines_of(text)) {
      INFO(width << ": " << line);
      CHECK(line.size() <= width);
    }
    for (const char* word :
         {"1.250", "uJ", "500.0", "99.99", "word", "literature", "note", "list", "*"})
      CHECK(text.find(word) != text.npos);
    CHECK((text.find("of it spikes") != text.npos) == (width >= 82));
  }
  CHECK(lines_of(to_text(section, 400))[0] == "ENERGY BY SCHEME");
  CHECK(lines_of(to_text(section, 400))[2] ==
        "paper     1.250 uJ   99.99 %  the formula of the literature               1.000 nJ");
  const std::string last = lines_of(to_text(section, 400))[4];
  CHECK(last.starts_with("none             -  50.00 %*  -   "));
  CHECK(last.ends_with("   absent"));
}

TEST_CASE("columns that do not fit stand below, with the keys again") {
  Section section{"many", "Many columns"};
  section.table.columns = {{"layer", kLeft}};
  section.table.rows = {{"one"}, {"two"}};
  for (int c = 0; c < 9; ++c) {
    section.table.columns.push_back({"step " + std::to_string(c)});
    for (auto& row : section.table.rows) row.emplace_back(kPercent, 0.01 * c);
  }
  const auto lines = lines_of(to_text(section, 40));
  REQUIRE(lines.size() == 1 + 3 * 3 + 2);
  CHECK(lines[1] == "layer  step 0  step 1  step 2  step 3");
  CHECK(lines[4].empty());
  CHECK(lines[5] == "layer  step 4  step 5  step 6  step 7");
  CHECK(lines[10] == "one    8.00 %");
}

TEST_CASE("pages alone show long lists; nothing is nothing") {
  Section section = example();
  section.page_only = true;
  CHECK(to_text(section, 80).empty());
  CHECK(to_html(section).find("<section id=\"energy\"><h2>Energy by scheme</h2>") == 0);
  CHECK(to_text(Section{}, 80).empty());
  CHECK(to_html(Section{}).empty());
}

TEST_CASE("pages escape every text of a section") {
  const std::string evil = "<b>\"&'";
  Section section{evil, evil};
  section.notes = section.items = {evil};
  section.table.caption = evil;
  section.table.columns = {{evil, kLeft}, {"x"}};
  section.table.rows = {{evil, {kJoule, 1.0, evil}}};
  section.table.rows[0][0].id = section.table.rows[0][0].link = evil;
  section.picture.legend = {{1, evil}};
  section.picture.heat_high = 1;
  section.picture.heat_unit = evil;
  section.parts.resize(1);
  section.parts[0].heading = evil;
  section.parts[0].notes = {evil};
  const std::string html = to_html(section);
  CHECK(html.find("<b>") == html.npos);
  CHECK(html.find(evil.substr(3)) == html.npos);
  // Control characters of an untrusted name do not reach a terminal.
  section.table.rows[0][0].text = "a\x1b[31m\nb";
  CHECK(to_text(section, 80).find('\x1b') == std::string::npos);
}

TEST_CASE("numbers as they are read") {
  CHECK(to_text(Cell(kCount, 136.9e6)) == "136.9 M");
  CHECK(to_text(Cell(kTenths, 12345678.0)) == "12345678");
  CHECK(to_text(Cell(kTenths, 1.25)) == "1.2");
  CHECK(to_text(Cell(kExact, 0.1)) == "0.1");
  CHECK(to_text(Cell(kTimes, 0.5, " ran")) == "0.500x ran");
  CHECK(to_text(Cell(kOneOver, 32.21)) == "1/32.2");
  CHECK(to_text(Cell(kSecond, 1.5e-6)) == "1.500 us");
  CHECK(to_text(std::vector<Fact>{{"a", "3 × 2", "note"}, {"long", "x", ""}}, 80) ==
        "a     3 x 2: note\nlong  x\n");
}

TEST_CASE("rows by key: what is not named is empty, counts keep every digit") {
  Table table = table_of("name,count,joules");
  add_row(table, {{"joules", {kNumber, 0.25}}, {"name", "a, \"b\""}});
  add_row(table, {{"count", (int64_t{1} << 62) + 1}, {"joules", {kNumber, std::nan("")}}});
  CHECK(to_csv(table) == "name,count,joules\n\"a, \"\"b\"\"\",,0.25\n,4611686018427387905,\n");
}
