#pragma once
// PyTorch checkpoints: zip form (since 1.6) and the legacy form before it.
//
// The pickle inside (protocols 2 to 5) is decoded, never executed. Any dict of tensors at the root
// or up to two keys below it can be read (weights_file.hpp says which is). Tensors are copied out
// in C order, so transposed, expanded and shared ones are fine; a tensor may need at most 16 times
// its storage (or 1 MiB) and all of a dict together at most 16 times the file (or 16 MiB).

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/io/weights_file.hpp"
#include "core/io/zip_archive.hpp"
#include "core/weights.hpp"

namespace spikeloom {

struct PthFile {
  Weights weights;
  // Symbols of the pickle without a meaning for tensors, sorted: "argparse.Namespace". Dangerous
  // ones ("os.system") are evidence of tampering; they were not run.
  std::vector<std::string> opaque;
  // Tensors that a Tensor cannot hold (complex, quantised, sparse), as "name (reason)".
  std::vector<std::string> left_out;
};

// What a file holds. The zip form is read from the archive tensor by tensor, the legacy form is in
// memory. Throw Error(kData) on damage, on a TorchScript or tar archive (with a hint), on pickle
// protocols other than 2 to 5 and when no state dict is found.
WeightsFile open_pth(const std::shared_ptr<const ZipArchive>& archive);
WeightsFile open_pth(const std::shared_ptr<const std::vector<std::byte>>& bytes,
                     const std::string& what);

// The tensors of the most usual dict. Thread-safe.
PthFile load_pth(const std::filesystem::path& path);
// `what` starts every error message.
PthFile parse_pth(std::span<const std::byte> bytes, const std::string& what);

// Starts like the legacy form.
bool is_legacy_pth(std::span<const std::byte> bytes) noexcept;
// Is a tar archive, the form before the legacy one.
bool is_tar(std::span<const std::byte> bytes) noexcept;

}  // namespace spikeloom
