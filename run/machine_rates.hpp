#pragma once
// Break-even rates of this machine, measured once and kept in a file.
//
// What is measured while others use the machine is not what it is when it is quiet. So it is
// measured twice; where the two differ, or this thread had to wait for its processor, a third time,
// and the middle of the three is provisional: good for some minutes, then it is measured again.

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "sim/backends/cpu/choice.hpp"

namespace spikeloom {

using MeasureRates = std::function<BreakEven()>;

struct MachineRates {
  BreakEven rates{};
  bool provisional = false;
};

MachineRates measure_steadily(const MeasureRates& measure);

// Those of the file, or measured and then written there. `key`: what the file has to say to be this
// machine's. A file that is missing, damaged, another machine's, or provisional and older than ten
// minutes means to measure again; one that cannot be written is no error.
BreakEven kept_rates(const std::filesystem::path& file, const nlohmann::json& key,
                     const MeasureRates& measure);

}  // namespace spikeloom
