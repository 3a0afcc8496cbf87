#pragma once
// What a listing leaves out, counted by reason, so that nothing is missing without a word.

#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom {

class LeftOut {
 public:
  void add(const std::string& reason, const std::string& name);
  // One for each reason, in the order they were met: "left out, hidden: 2, the first b/.x.png".
  std::vector<std::string> lines() const;

 private:
  struct Reason {
    std::string text;
    int64_t count = 0;
    std::string first;
  };
  std::vector<Reason> reasons_;
};

}  // namespace spikeloom
