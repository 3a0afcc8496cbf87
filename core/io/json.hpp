#pragma once
// JSON text: strict reading of untrusted files, stable writing.
//
// Reading refuses text above 100 MB, nesting above 64, keys that would make the places of a config
// 16 times the text (or 1 MiB), duplicate keys, numbers that overflow,
// invalid UTF-8 and anything after the value, with Error(kData) "name:line:column: ..." (both from
// 1, columns in code points).

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace spikeloom {

struct TextPosition {
  int64_t line = 0;
  int64_t column = 0;
};

// Where each member's key and each value stands, by JSON pointer ("/model/dims/2"). The root is "".
struct JsonPositions {
  std::map<std::string, TextPosition> keys;
  std::map<std::string, TextPosition> values;
};

// `name` appears in errors; `positions` is filled when given.
nlohmann::json parse_json(std::string_view text, const std::string& name,
                          JsonPositions* positions = nullptr);

// Reads and parses a file.
nlohmann::json load_json(const std::filesystem::path& path);

// Keys in byte order, 2 spaces, a newline at the end: equal values give equal bytes. NaN, infinity
// and invalid UTF-8 (JSON has none of them) are Error(kInternal) naming the place.
std::string dump_json(const nlohmann::json& value);

}  // namespace spikeloom
