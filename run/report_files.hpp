#pragma once
// The reports of an output folder: report.json, report.csv, energy.csv, page.html, with a chip
// chip.csv.

#include <filesystem>
#include <string>
#include <vector>

#include "core/io/file.hpp"
#include "hw_model/report/report.hpp"

namespace spikeloom {

// Made before the work, so that a folder which refuses them does so at once.
class ReportFiles {
 public:
  // Throws Error(kRuntime) when the folder does not take them.
  explicit ReportFiles(const std::filesystem::path& dir);

  // Writes them and gives them their names. The page draws spikes of `trace`; "": there is none; and
  // calls the folder `name`; "": as it is.
  void write(const Report& report, const std::filesystem::path& trace,
             const std::filesystem::path& name = {});
  // Names in the folder.
  static std::vector<std::string> names(bool with_chip);

 private:
  std::filesystem::path dir_;
  OutputFile json_, csv_, energy_, page_;
};

}  // namespace spikeloom
