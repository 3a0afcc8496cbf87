#include "hw_model/chip/mapping_file.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/npy.hpp"
#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

constexpr int64_t kMaxMappingBytes = int64_t{100} << 20;

class MappingReader {
 public:
  MappingReader(const std::filesystem::path& path, const ChipNetwork& network, const ChipSpec& chip)
      : path_(path), network_(network), chip_(chip) {}

  Mapping read(std::string_view text) {
    try {
      root_ = parse_json(text, path_.string(), &positions_);
    } catch (const Error& error) {
      throw Error(ErrorCode::kUsage, error.what());
    }
    const Pointer top;
    check_keys(top, {"schema_version", "chip", "populations"});
    if (integer(top / "schema_version", 1, 1) != 1) throw wrong(top, "unknown version");
    const Json& chip_name = member(top, "chip");
    if (!chip_name.is_string() || chip_name.get<std::string>() != chip_.name) {
      throw wrong(top / "chip", "the mapping is for another chip than " + in_quotes(chip_.name));
    }
    const Pointer populations = top / "populations";
    if (!member(top, "populations").is_object()) throw wrong(populations, "expected an object");
    mapping_.cores.resize(network_.populations.size());
    for (const auto& [name, value] : root_.at(populations).items()) {
      read_population(index_of(name, populations / name), populations / name, value);
    }
    for (const ChipPopulation& population : network_.populations) {
      if (!root_.at(populations).contains(population.name)) {
        throw wrong(populations, "population " + in_quotes(population.name) + " is missing");
      }
    }
    return std::move(mapping_);
  }

 private:
  Error wrong(const Pointer& at, const std::string& what) const {
    const auto found = positions_.values.find(at.to_string());
    std::string place = path_.string();
    if (found != positions_.values.end()) {
      place +=
          ":" + std::to_string(found->second.line) + ":" + std::to_string(found->second.column);
    }
    return {ErrorCode::kUsage,
            place + ": " + (at.empty() ? "" : printable(at.to_string()) + ": ") + what};
  }

  const Json& member(const Pointer& table, const std::string& key) const {
    const Json& value = root_.at(table);
    if (!value.is_object()) throw wrong(table, "expected an object");
    const auto found = value.find(key);
    if (found == value.end()) throw wrong(table, in_quotes(key) + " is missing");
    return *found;
  }

  void check_keys(const Pointer& table, const std::vector<std::string>& known) const {
    if (!root_.at(table).is_object()) throw wrong(table, "expected an object");
    for (const auto& [key, value] : root_.at(table).items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string near = nearest(key, known);
      throw wrong(table / key,
                  "unknown key" + (near.empty() ? "" : " (did you mean " + near + "?)"));
    }
  }

  int64_t integer(const Pointer& at, int64_t min, int64_t max) const {
    if (!root_.contains(at)) throw wrong(at.parent_pointer(), in_quotes(at.back()) + " is missing");
    const Json& value = root_.at(at);
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT64_MAX});
    if (!fits || value.get<int64_t>() < min || value.get<int64_t>() > max) {
      throw wrong(at,
                  "expected an integer from " + std::to_string(min) + " to " + std::to_string(max));
    }
    return value.get<int64_t>();
  }

  int64_t place(const Pointer& entry, const char* key, int64_t count) const {
    return root_.contains(entry / key) ? integer(entry / key, 0, count - 1) : 0;
  }

  int64_t core_of(const Pointer& entry) const {
    return core_at(
        chip_, {place(entry, "chip", chip_.chips()), place(entry, "tile", chip_.tiles_per_chip()),
                place(entry, "slot", chip_.cores_per_tile)});
  }

  Range range(const Pointer& entry, const char* key, int64_t size) const {
    const Pointer at = entry / key;
    if (!root_.contains(at)) return {0, size};
    const Json& value = root_.at(at);
    if (!value.is_array() || value.size() != 2)
      throw wrong(at, "expected [first, behind the last]");
    const Range out{integer(at / 0, 0, size), integer(at / 1, 0, size)};
    if (out.size() == 0) throw wrong(at, "an empty range");
    return out;
  }

  size_t index_of(const std::string& name, const Pointer& at) const {
    std::vector<std::string> names;
    for (size_t p = 0; p < network_.populations.size(); ++p) {
      if (network_.populations[p].name == name) return p;
      names.push_back(network_.populations[p].name);
    }
    const std::string near = nearest(name, names);
    throw wrong(at, "no such population" + (near.empty() ? "" : " (did you mean " + near + "?)"));
  }

  void read_population(size_t p, const Pointer& at, const Json& value) {
    if (value.is_string()) {
      read_npy(p, at, value.get<std::string>());
      return;
    }
    if (!value.is_array() || value.empty()) {
      throw wrong(at, "expected entries, core numbers or the name of an .npy file");
    }
    if (value.front().is_number()) {
      check_size(p, at, static_cast<int64_t>(value.size()));
      for (size_t i = 0; i < value.size(); ++i) {
        mapping_.cores[p].push_back(static_cast<int32_t>(integer(at / i, 0, chip_.cores() - 1)));
      }
      return;
    }
    const bool by_neurons = root_.contains(at / 0 / "neurons");
    for (size_t i = 0; i < value.size(); ++i) {
      if (by_neurons) {
        read_neurons(p, at / i);
      } else {
        read_box(p, at / i);
      }
    }
    const auto& cores = mapping_.cores[p];
    const auto missing = std::find(cores.begin(), cores.end(), -1);
    if (missing != cores.end()) {
      throw wrong(at, "neuron " + std::to_string(missing - cores.begin()) + " is on no core");
    }
  }

  void read_box(size_t p, const Pointer& at) {
    check_keys(at, {"channels", "y", "x", "chip", "tile", "slot"});
    const ChipPopulation& shape = network_.populations[p];
    mapping_.boxes.push_back({static_cast<int>(p), range(at, "y", shape.height),
                              range(at, "x", shape.width), range(at, "channels", shape.channels),
                              core_of(at)});
  }

  void read_neurons(size_t p, const Pointer& at) {
    check_keys(at, {"neurons", "chip", "tile", "slot"});
    auto& cores = mapping_.cores[p];
    const int64_t neurons = network_.populations[p].neurons();
    if (cores.empty()) cores.assign(static_cast<size_t>(neurons), -1);
    const Range which = range(at, "neurons", neurons);
    for (int64_t n = which.begin; n < which.end; ++n) {
      int32_t& core = cores[static_cast<size_t>(n)];
      if (core >= 0) throw wrong(at, "neuron " + std::to_string(n) + " is held twice");
      core = static_cast<int32_t>(core_of(at));
    }
  }

  void read_npy(size_t p, const Pointer& at, const std::string& name) {
    if (name.empty() || name.find('\0') != name.npos) throw wrong(at, "expected a file name");
    const Tensor tensor = load_npy(path_.parent_path() / name);
    check_size(p, at, element_count(tensor.shape()));
    if (tensor.dtype() != DType::kI32 && tensor.dtype() != DType::kI64) {
      throw wrong(at, "core numbers must be 32- or 64-bit integers");
    }
    const bool narrow = tensor.dtype() == DType::kI32;
    for (int64_t n = 0; n < element_count(tensor.shape()); ++n) {
      int64_t core = 0;
      int32_t narrow_core = 0;
      std::memcpy(narrow ? static_cast<void*>(&narrow_core) : &core,
                  tensor.data() + n * size_of(tensor.dtype()),
                  static_cast<size_t>(size_of(tensor.dtype())));
      if (narrow) core = narrow_core;
      if (core < 0 || core >= chip_.cores()) {
        throw wrong(at, "core " + std::to_string(core) + " of neuron " + std::to_string(n) +
                            " is not among the " + std::to_string(chip_.cores()));
      }
      mapping_.cores[p].push_back(static_cast<int32_t>(core));
    }
  }

  void check_size(size_t p, const Pointer& at, int64_t numbers) const {
    if (numbers == network_.populations[p].neurons()) return;
    throw wrong(at, std::to_string(numbers) + " core numbers for " +
                        std::to_string(network_.populations[p].neurons()) + " neurons");
  }

  std::filesystem::path path_;
  const ChipNetwork& network_;
  const ChipSpec& chip_;
  Json root_;
  JsonPositions positions_;
  Mapping mapping_;
};

}  // namespace

Mapping parse_mapping(std::string_view text, const std::filesystem::path& path,
                      const ChipNetwork& network, const ChipSpec& chip) {
  Mapping mapping = MappingReader(path, network, chip).read(text);
  try {
    cores_of_neurons(network, chip, mapping);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
  return mapping;
}

Mapping load_mapping(const std::filesystem::path& path, const ChipNetwork& network,
                     const ChipSpec& chip) {
  const std::vector<std::byte> bytes = read_file(path, kMaxMappingBytes);
  return parse_mapping({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, network,
                       chip);
}

std::string chip_of_mapping(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxMappingBytes);
  try {
    const Json root =
        parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
    if (root.is_object() && root.contains("chip") && root["chip"].is_string())
      return root["chip"].get<std::string>();
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, error.what());
  }
  throw Error(ErrorCode::kUsage, path.string() + ": \"chip\" is missing");
}

std::string mapping_json(const Mapping& mapping, const ChipNetwork& network, const ChipSpec& chip) {
  cores_of_neurons(network, chip, mapping);
  Json populations = Json::object();
  for (const Box& box : mapping.boxes) {
    const CorePlace place = place_of_core(chip, box.core);
    const auto pair = [](Range range) { return Json::array({range.begin, range.end}); };
    populations[network.populations[static_cast<size_t>(box.population)].name].push_back(
        {{"channels", pair(box.channels)},
         {"y", pair(box.y)},
         {"x", pair(box.x)},
         {"chip", place.chip},
         {"tile", place.tile},
         {"slot", place.slot}});
  }
  for (size_t p = 0; p < mapping.cores.size(); ++p) {
    if (!mapping.cores[p].empty()) populations[network.populations[p].name] = mapping.cores[p];
  }
  return dump_json({{"schema_version", 1}, {"chip", chip.name}, {"populations", populations}});
}

}  // namespace spikeloom
