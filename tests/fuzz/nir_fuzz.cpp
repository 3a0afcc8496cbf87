// What a NIR file may hold, as JSON that stands for HDF5 (which the confined process decodes, see
// hdf5_answer): parsed, wired, described, and made an operator graph under every origin.
//
// {"/node": null, "/node/type": {"texts": ["NIRGraph"]}, "/node/nodes/a/weight": {"shape": [2, 3],
// "numbers": [...], "double": true}}: null is a group; without a shape, a scalar or a list.

#include <nlohmann/json.hpp>

#include "core/io/json.hpp"
#include "nir/describe.hpp"
#include "nir/lower.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

nir::Item item_of(const nlohmann::json& json) {
  nir::Item item;
  item.is_group = !json.is_object();
  if (item.is_group) return item;
  const auto list = [&](const char* key) {
    return json.contains(key) && json[key].is_array() ? json[key] : nlohmann::json::array();
  };
  const nlohmann::json texts = list("texts"), numbers = list("numbers");
  const auto count = static_cast<int64_t>(std::max(texts.size(), numbers.size()));
  for (const auto& extent : list("shape"))
    item.shape.push_back(extent.is_number_integer() ? std::abs(extent.get<int32_t>()) : 1);
  if (item.shape.size() > 8 || element_count(item.shape) != count) item.shape = {count};
  if (!texts.empty()) {
    std::vector<std::string> names;
    for (const auto& text : texts) names.push_back(text.is_string() ? text.get<std::string>() : "");
    item.values = std::move(names);
    return item;
  }
  const bool wide = json.contains("double");
  Tensor values(item.shape, wide ? DType::kF64 : DType::kF32);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double value = numbers[i].is_number() ? numbers[i].get<double>() : NAN;
    wide ? values.as<double>()[i] = value : values.f32()[i] = static_cast<float>(value);
  }
  item.values = std::move(values);
  return item;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    const nlohmann::json json = parse_json(fuzz::text(data, size), "file");
    nir::Content content;
    if (!json.is_object()) return;
    for (const auto& [path, item] : json.items()) content.emplace(path, item_of(item));
    nir::File file;
    file.network = nir::parse(content);
    file.wiring = nir::wire(file.network);
    for (int origin = 0; origin < 6; ++origin) {
      nir::Choices choices = nir::choices_of(static_cast<nir::Origin>(origin));
      nir::describe(file, choices);
      if (choices.dt == 0) choices.dt = 1e-3;
      fuzz::errors_only([&] { nir::lower(file.network, file.wiring, choices, {}); });
    }
  });
}
