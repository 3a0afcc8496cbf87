#include "datasets/left_out.hpp"

#include <algorithm>

#include "core/io/hint.hpp"

namespace spikeloom {

void LeftOut::add(const std::string& reason, const std::string& name) {
  const auto same = [&](const Reason& known) { return known.text == reason; };
  auto found = std::find_if(reasons_.begin(), reasons_.end(), same);
  if (found == reasons_.end()) found = reasons_.insert(found, {reason, 0, printable(name, 100)});
  ++found->count;
}

std::vector<std::string> LeftOut::lines() const {
  std::vector<std::string> lines;
  for (const Reason& reason : reasons_) {
    lines.push_back("left out, " + reason.text + ": " + std::to_string(reason.count) +
                    ", the first " + reason.first);
  }
  return lines;
}

}  // namespace spikeloom
