#include "datasets/binidx.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

template <typename T>
int64_t load_as(Bytes bytes, size_t at) {
  return static_cast<int64_t>(load_le<T>(bytes, at));
}

// By the format's code.
struct ElementType {
  const char* name;
  size_t bytes;
  int64_t (*load)(Bytes, size_t);  // null: no integer
};
constexpr std::array<ElementType, 9> kTypes{{
    {"", 0, nullptr},
    {"uint8", 1, load_as<uint8_t>},
    {"int8", 1, load_as<int8_t>},
    {"int16", 2, load_as<int16_t>},
    {"int32", 4, load_as<int32_t>},
    {"int64", 8, load_as<int64_t>},
    {"float32", 4, nullptr},
    {"float64", 8, nullptr},
    {"uint16", 2, load_as<uint16_t>},
}};

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
constexpr size_t kVersionAt = 9, kTypeAt = 17, kCountAt = 18, kMarksAt = 26, kHeaderBytes = 34;
constexpr size_t kSequenceBytes = sizeof(int32_t) + sizeof(int64_t), kMarkBytes = sizeof(int64_t);

struct Header {
  ElementType type;
  size_t sequences = 0, marks = 0;
};

[[noreturn]] void fail(const std::string& what, const std::string& reason) {
  throw Error(ErrorCode::kData, what + ": " + reason);
}

Header read_header(Bytes index, const std::string& what) {
  if (index.size() < kHeaderBytes || as_text(index.first(kMagic.size())) != kMagic) {
    fail(what, "is no token index (MMIDIDX)");
  }
  const auto version = load_le<uint64_t>(index, kVersionAt);
  if (version != 1) fail(what, "version " + std::to_string(version) + ", expected 1");
  const auto code = load_le<uint8_t>(index, kTypeAt);
  if (code == 0 || code >= kTypes.size()) {
    fail(what, "element type " + std::to_string(code) + " does not exist");
  }
  Header header{kTypes[code], 0, 0};
  if (header.type.load == nullptr) {
    fail(what, std::string("expected integer tokens, found ") + header.type.name);
  }
  const auto sequences = load_le<uint64_t>(index, kCountAt);
  const auto marks = load_le<uint64_t>(index, kMarksAt);
  const size_t space = index.size() - kHeaderBytes;
  if (sequences > space / kSequenceBytes || marks > space / kMarkBytes ||
      sequences * kSequenceBytes + marks * kMarkBytes != space) {
    fail(what, std::to_string(sequences) + " sequences and " + std::to_string(marks) +
                   " document marks do not make the " + std::to_string(index.size()) +
                   " bytes there are");
  }
  header.sequences = sequences;
  header.marks = marks;
  return header;
}

// Marks rise from 0 to the number of sequences.
void check_marks(Bytes marks, const Header& header, const std::string& what) {
  int64_t last = 0;
  for (size_t i = 0; i < header.marks; ++i) {
    const auto mark = load_le<int64_t>(marks, i * kMarkBytes);
    const bool ends = i + 1 == header.marks;
    if ((i == 0 && mark != 0) || mark < last ||
        (ends && mark != static_cast<int64_t>(header.sequences))) {
      fail(what, "document mark " + std::to_string(i) + " is " + std::to_string(mark));
    }
    last = mark;
  }
}

// The .bin: its size, and how to fill a span from an offset.
struct Tokens {
  uint64_t size;
  std::function<void(uint64_t, std::span<std::byte>)> read;
  std::string name;
};

std::vector<int32_t> read_row(const Tokens& tokens, const ElementType& type, uint64_t offset,
                              size_t length, int64_t vocabulary, const std::string& sequence) {
  std::vector<std::byte> stored(length * type.bytes);
  tokens.read(offset, stored);
  std::vector<int32_t> row;
  row.reserve(length);
  for (size_t i = 0; i < length; ++i) {
    row.push_back(checked_token(type.load(stored, i * type.bytes), vocabulary, i,
                                tokens.name + ": " + sequence));
  }
  return row;
}

// Where every sequence lies is checked; tokens are read of those with a wanted window.
TokenRows read_rows(Bytes index, const std::string& index_name, const Tokens& tokens,
                    int64_t vocabulary, const WantedWindows& wanted) {
  const Header header = read_header(index, index_name);
  const Bytes lengths = index.subspan(kHeaderBytes, header.sequences * sizeof(int32_t));
  const Bytes offsets =
      index.subspan(kHeaderBytes + lengths.size(), header.sequences * sizeof(int64_t));
  check_marks(index.last(header.marks * kMarkBytes), header, index_name);
  TokenRows result;
  uint64_t left = tokens.size / header.type.bytes;  // each may belong to one sequence
  int64_t rows = 0, window = 0;
  for (size_t s = 0; s < header.sequences; ++s) {
    const auto length = load_le<int32_t>(lengths, s * sizeof(int32_t));
    const auto offset = load_le<int64_t>(offsets, s * sizeof(int64_t));
    const std::string sequence = "sequence " + std::to_string(s);
    if (length < 0 || offset < 0 || static_cast<uint64_t>(length) > left ||
        static_cast<uint64_t>(offset) > tokens.size ||
        (tokens.size - static_cast<uint64_t>(offset)) / header.type.bytes <
            static_cast<uint64_t>(length)) {
      fail(index_name, sequence + ": " + std::to_string(length) + " tokens at byte " +
                           std::to_string(offset) + " do not lie in the " +
                           std::to_string(tokens.size) + " bytes of " + tokens.name);
    }
    left -= static_cast<uint64_t>(length);
    if (length == 0) continue;
    ++rows;
    const int64_t first = window;
    window += wanted.in(length);
    if (window <= wanted.skip || first >= wanted.end()) {
      result.cut = true;
      continue;
    }
    if (result.rows.empty()) result.first_window = first;
    result.rows.push_back(read_row(tokens, header.type, static_cast<uint64_t>(offset),
                                   static_cast<size_t>(length), vocabulary, sequence));
  }
  if (rows == 0) fail(index_name, "holds no tokens");
  result.description =
      std::string("binidx of ") + header.type.name + ", " + std::to_string(rows) + " sequences";
  return result;
}

}  // namespace

TokenRows parse_binidx(Bytes index, const std::string& index_name, Bytes tokens,
                       const std::string& tokens_name, int64_t vocabulary,
                       const WantedWindows& wanted) {
  const auto read = [tokens](uint64_t offset, std::span<std::byte> to) {
    const Bytes part = tokens.subspan(static_cast<size_t>(offset), to.size());
    std::copy(part.begin(), part.end(), to.begin());
  };
  return read_rows(index, index_name, {tokens.size(), read, tokens_name}, vocabulary, wanted);
}

TokenRows load_binidx_rows(const std::filesystem::path& path, int64_t vocabulary,
                           const WantedWindows& wanted) {
  std::filesystem::path beside = path;
  beside.replace_extension(".bin");
  if (path.extension() != ".idx") {
    fail(path.string(), "expected the .idx of a pair of .idx and .bin");
  }
  const std::vector<std::byte> index = read_file(path);
  const InputFile file(beside);
  const auto read = [&file](uint64_t offset, std::span<std::byte> to) { file.read_at(offset, to); };
  TokenRows rows =
      read_rows(index, path.string(), {file.size(), read, beside.string()}, vocabulary, wanted);
  file.check_unchanged();
  return rows;
}

}  // namespace spikeloom
