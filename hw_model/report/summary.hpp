#pragma once
// What a run says when it ends: a page of a terminal can hold several of them. Thread-safe: pure
// functions.

#include <string>
#include <utility>
#include <vector>

#include "hw_model/report/report.hpp"

namespace spikeloom {

constexpr size_t kSummaryLines = 14, kSummaryWidth = 80;

// At most kSummaryLines lines of kSummaryWidth columns: verdict, changes of a what-if, accuracy or
// score, rate and operations, energy of the rows at equal precision and of the best, what is
// unpriced, the chip, the signature; then `more`, labels with their texts. Names that do not fit
// are cut ("..."); only texts of `more` are never cut, they are there to be copied.
std::string to_summary(const Report& report,
                       const std::vector<std::pair<std::string, std::string>>& more = {});

}  // namespace spikeloom
