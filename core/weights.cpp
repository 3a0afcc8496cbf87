#include "core/weights.hpp"

#include "core/error.hpp"

namespace spikeloom {

void Weights::add(std::string name, Tensor data, Tensor scale) {
  insert(std::move(name),
         std::make_shared<const WeightTensor>(WeightTensor{std::move(data), std::move(scale)}));
}

void Weights::share(const std::string& name, const Weights& other) {
  insert(name, other.find(name));
}

void Weights::insert(std::string name, Shared tensor) {
  const auto [place, is_new] = tensors_.emplace(std::move(name), std::move(tensor));
  if (!is_new) throw Error(ErrorCode::kData, "tensor '" + place->first + "' occurs twice");
}

const WeightTensor& Weights::at(std::string_view name) const {
  return *find(name);
}

const Weights::Shared& Weights::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw Error(ErrorCode::kData, "no tensor named '" + std::string(name) + "'");
  return found->second;
}

void Weights::erase(std::string_view name) {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) tensors_.erase(found);
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> result;
  result.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) result.push_back(name);
  return result;
}

int64_t Weights::bytes() const {
  int64_t sum = 0;
  for (const auto& [name, tensor] : tensors_) sum += tensor->data.bytes() + tensor->scale.bytes();
  return sum;
}

}  // namespace spikeloom
