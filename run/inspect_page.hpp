#pragma once
// What `spikeloom inspect` shows of a trace. --html: finds trace and report that belong together and
// writes the page.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sim/trace/inspect.hpp"

namespace spikeloom {

// `argument`: a trace, a report.json, or a folder that holds trace.h5, report.json or both. The
// other one is taken from beside it (trace.h5, report.json) when the signatures are equal;
// otherwise the page says why not. `layers`: at most one. Throws Error(kUsage) for unknown layers,
// and for an output that is one of the inputs; Error(kData) for what was named and cannot be read.
void write_inspect_page(const std::string& argument, const std::string& output,
                        const std::vector<std::string>& layers);

// The trace that is named, or in the folder. Throws Error(kUsage, kData): what is no trace says
// whether it could be something else.
TraceFile open_trace(const std::string& argument);
nlohmann::json to_json(const TraceSummary& summary);

// A page may not overwrite what it is made from: Error(kUsage).
void refuse_overwriting(const std::filesystem::path& output, const std::filesystem::path& input);

}  // namespace spikeloom
