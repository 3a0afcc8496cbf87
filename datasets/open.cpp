#include "datasets/open.hpp"

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "datasets/cifar10.hpp"
#include "datasets/idx.hpp"
#include "datasets/image_folder.hpp"
#include "datasets/npy_batch.hpp"

namespace spikeloom {
namespace {

constexpr DatasetKind kKinds[] = {
    {"cifar10", "CIFAR-10 binary version: one .bin file, or a folder with split train or test",
     open_cifar10},
    {"idx", "MNIST-style IDX images and labels, plain or gzip", open_idx},
    {"image_folder", "JPEG and PNG files in a folder for each class, or in one folder with a list",
     open_image_folder},
    {"npy", "NumPy array [N,C,H,W], or [N,T,C,H,W] with one frame a step; labels [N]",
     open_npy_batch},
};

}  // namespace

std::span<const DatasetKind> dataset_kinds() noexcept {
  return kKinds;
}

std::unique_ptr<Dataset> open_dataset(const DatasetSpec& spec) {
  std::vector<std::string> names;
  for (const DatasetKind& kind : kKinds) {
    if (kind.name == spec.kind) return kind.open(spec);
    names.emplace_back(kind.name);
  }
  std::string message = "unknown kind of data set " + in_quotes(spec.kind) + "; known:";
  for (size_t i = 0; i < names.size(); ++i) message += (i == 0 ? " " : ", ") + names[i];
  const std::string near = nearest(spec.kind, names);
  if (!near.empty()) message += " (did you mean " + near + "?)";
  throw Error(ErrorCode::kUsage, message);
}

}  // namespace spikeloom
