#pragma once
// Named, immutable tensors of a network: what a checkpoint holds.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.hpp"

namespace spikeloom {

// One stored tensor. `scale` (fp32, one value per output channel, or empty) is for integer weights:
// the real weight is data * scale[channel].
struct WeightTensor {
  Tensor data;
  Tensor scale;
};

// Copies share their tensors; tensors themselves never change, so a Weights may be shared between
// threads.
class Weights {
 public:
  // Throws Error(kData) when the name is already there.
  void add(std::string name, Tensor data, Tensor scale = {});
  // Takes in the tensor of that name of another, which both hold then. Throws like add() and at().
  void share(const std::string& name, const Weights& other);
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // Throws Error(kData) when absent.
  const WeightTensor& at(std::string_view name) const;
  void erase(std::string_view name);
  // All names in byte order.
  std::vector<std::string> names() const;
  size_t size() const noexcept { return tensors_.size(); }
  // Sum of stored bytes.
  int64_t bytes() const;

 private:
  using Shared = std::shared_ptr<const WeightTensor>;
  void insert(std::string name, Shared tensor);
  const Shared& find(std::string_view name) const;

  std::map<std::string, Shared, std::less<>> tensors_;
};

// What a file holds of a network.
struct StoredWeights {
  Weights tensors;  // under the network's names
  // Tensors of element types that a Tensor cannot hold: name, type in the words of the format.
  std::map<std::string, std::string, std::less<>> unsupported;
  // What was chosen, renamed or left out on the way, a sentence each.
  std::vector<std::string> notes;
};

}  // namespace spikeloom
