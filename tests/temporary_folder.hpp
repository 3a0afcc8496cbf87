#pragma once
// A folder of a test's own that leaves with it.

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    std::random_device seed;
    path = std::filesystem::temp_directory_path() / ("spikeloom-test-" + std::to_string(seed()));
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path / name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path / name;
  }
};
