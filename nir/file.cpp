#include "nir/file.hpp"

#include "core/error.hpp"
#include "nir/content.hpp"

namespace spikeloom::nir {

File load(const std::filesystem::path& path) {
  try {
    File file;
    file.network = parse(read_content(path));
    file.wiring = wire(file.network);
    return file;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

}  // namespace spikeloom::nir
