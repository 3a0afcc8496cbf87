#pragma once
// `spikeloom inspect` of a file that is a network.

#include <string>

#include "cli/options.hpp"
#include "models/families.hpp"

namespace spikeloom {

int inspect_network(const Family& family, const std::string& path,
                    const options::variables_map& values);

}  // namespace spikeloom
