// A PTX text into kernels.

#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

#include "tests/gpu/ptx/decoder.hpp"
#include "tests/gpu/ptx/scanner.hpp"

namespace spikeloom::ptx {
namespace {

size_t bytes_of(uint32_t line, const std::string& type) {
  static const std::map<std::string, size_t> kSizes = {
      {".b8", 1},  {".u8", 1},  {".s8", 1},  {".b16", 2}, {".u16", 2}, {".s16", 2}, {".b32", 4},
      {".u32", 4}, {".s32", 4}, {".f32", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8}, {".f64", 8}};
  const auto found = kSizes.find(type);
  if (found == kSizes.end()) fail(line, "unknown type " + type);
  return found->second;
}

// ".align 8 .b8 name[288]": of a parameter or a shared array.
struct Declaration {
  std::string name;
  size_t align = 1, bytes = 0;
};
Declaration declaration_of(uint32_t line, const std::string& text) {
  Declaration d;
  std::string type;
  std::vector<std::string> words;
  for (const std::string& word : split(text, ' '))
    if (!word.empty()) words.push_back(word);
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ".align")
      d.align = std::max(d.align, static_cast<size_t>(std::atoi(words.at(++i).c_str())));
    else if (words[i] == ".ptr" || words[i] == ".global" || words[i] == ".param")
      continue;
    else if (words[i][0] == '.')
      type = words[i];
    else
      d.name = words[i];
  }
  d.bytes = bytes_of(line, type);
  d.align = std::max(d.align, d.bytes);
  if (const size_t open = d.name.find('['); open != std::string::npos) {
    d.bytes *= static_cast<size_t>(std::atoi(d.name.c_str() + open + 1));
    d.name.resize(open);
  }
  if (d.name.empty()) fail(line, "a declaration without a name");
  return d;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : scan_(text) {}

  Module run() {
    while (!scan_.at_end()) top_level();
    if (module_.version.empty()) fail(1, "no .version");
    return std::move(module_);
  }

 private:
  void top_level() {
    const std::string word = scan_.word();
    if (word == ".version")
      module_.version = scan_.rest_of_line();
    else if (word == ".target")
      module_.target = scan_.rest_of_line();
    else if (word == ".address_size")
      address_size();
    else if (word == ".visible" || word == ".weak" || word == ".extern")
      return;
    else if (word == ".file")
      file();
    else if (word == ".section")
      section();
    else if (word == ".shared") {
      const uint32_t line = scan_.line();
      const Declaration d = declaration_of(line, scan_.until(';'));
      arrays_.push_back({d.name, 0, d.bytes});
    } else if (word == ".entry")
      entry();
    else
      fail(scan_.line(), "unknown directive " + word);
  }

  void address_size() {
    if (scan_.rest_of_line() != "64") fail(scan_.line(), "addresses of another size than 64 bits");
  }

  void file() {
    const std::string text = scan_.rest_of_line();
    const size_t quote = text.find('"');
    if (quote == std::string::npos) return;
    const std::string path = text.substr(quote + 1, text.rfind('"') - quote - 1);
    module_.files[static_cast<uint32_t>(std::atoi(text.c_str()))] =
        path.substr(path.rfind('/') + 1);
  }

  void section() {
    scan_.until('{');
    scan_.until('}');
  }

  void entry() {
    Kernel kernel;
    static std::atomic<uint64_t> ids{0};
    kernel.id = ++ids;
    kernel.name = scan_.word();
    Decoder decoder(kernel, arrays_);
    if (scan_.take('(')) {
      const uint32_t line = scan_.line();
      for (const std::string& parameter : split(scan_.until(')'), ',')) {
        const Declaration d = declaration_of(line, parameter);
        decoder.parameter(d.name, d.align, d.bytes);
      }
    }
    while (scan_.peek() == '.') {
      const std::string word = scan_.word();
      const std::string values = scan_.rest_of_line();
      if (word == ".maxntid" || word == ".reqntid")
        kernel.max_threads = static_cast<unsigned>(std::atoi(values.c_str()));
      else if (word != ".minnctapersm")
        fail(scan_.line(), "unknown directive " + word);
    }
    scan_.expect('{');
    body(kernel, decoder);
    module_.kernels.push_back(std::move(kernel));
  }

  void body(Kernel& kernel, Decoder& decoder) {
    for (int depth = 1; depth > 0;) {
      const char next = scan_.peek();
      std::string name;
      if (next == '\0') fail(scan_.line(), "a kernel without an end");
      if (scan_.take('{')) {
        decoder.open_scope();
        ++depth;
      } else if (scan_.take('}')) {
        if (--depth > 0) decoder.close_scope();
      } else if (next == '.') {
        directive(kernel, decoder);
      } else if (scan_.take_label(name)) {
        decoder.label(name);
      } else {
        const uint32_t line = scan_.line();
        decoder.statement(line, scan_.until(';'));
      }
    }
    decoder.finish(scan_.line());
  }

  void directive(Kernel& kernel, Decoder& decoder) {
    const uint32_t line = scan_.line();
    const std::string word = scan_.word();
    if (word == ".reg") {
      decoder.registers(line, scan_.until(';'));
    } else if (word == ".shared") {
      const Declaration d = declaration_of(line, scan_.until(';'));
      decoder.shared_array({d.name, 0, d.bytes}, d.align);
    } else if (word == ".loc") {
      location(kernel, line, scan_.rest_of_line());
    } else if (word == ".pragma") {
      scan_.until(';');
    } else {
      fail(line, "unknown directive " + word);
    }
  }

  static void location(Kernel& kernel, uint32_t line, const std::string& text) {
    Source source{line, 0, 0, 0, 0};
    std::sscanf(text.c_str(), "%u %u", &source.file, &source.line);
    if (const size_t at = text.find("inlined_at"); at != std::string::npos)
      std::sscanf(text.c_str() + at + 10, "%u %u", &source.inlined_file, &source.inlined_line);
    kernel.sources.push_back(source);
  }

  Scanner scan_;
  Module module_;
  std::vector<Array> arrays_;
};

std::string readable(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : mangled;
}

}  // namespace

const Kernel* Module::find(std::string_view name) const {
  for (const Kernel& kernel : kernels)
    if (kernel.name == name) return &kernel;
  return nullptr;
}

std::string Module::place(const Kernel& kernel, uint32_t line) const {
  std::string text = readable(kernel.name) + " PTX line " + std::to_string(line);
  const auto after = std::upper_bound(kernel.sources.begin(), kernel.sources.end(), line,
                                      [](uint32_t l, const Source& s) { return l < s.ptx_line; });
  if (after == kernel.sources.begin()) return text;
  const Source& source = *std::prev(after);
  const auto name = [&](uint32_t file, uint32_t at) {
    const auto found = files.find(file);
    return (found == files.end() ? "?" : found->second) + ":" + std::to_string(at);
  };
  text += " (" + name(source.file, source.line);
  if (source.inlined_file != 0)
    text += ", inlined in " + name(source.inlined_file, source.inlined_line);
  return text + ")";
}

Module parse(std::string_view text) {
  return Parser(text).run();
}

}  // namespace spikeloom::ptx
