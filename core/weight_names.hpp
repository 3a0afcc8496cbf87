#pragma once
// One step from the names in a checkpoint to the names of a network, whatever the file's format.
//
// Training wraps networks, and each wrapper leaves its name in front of, or inside, every array's:
// "module.", "model.", "_orig_mod.", "student.backbone.". What is removed is decided by the names
// the network has; where those are not known, only words that wrappers are known to use go.
// Functions are pure and deterministic.

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

using NameSet = std::set<std::string, std::less<>>;

// How usual it is that the weights to run stand under this path of dict keys or this prefix of
// names ("model", "ema.module"): smaller is more usual. Plain ones come before moving averages, and
// both before words that mean nothing.
enum class PathClass { kPlain, kRoot, kAverage, kUnknown };
struct PathRank {
  PathClass kind = PathClass::kRoot;
  size_t depth = 0;
  size_t order = 0;  // of the first key among those of its class
  auto operator<=>(const PathRank&) const = default;
};
PathRank rank_of_path(std::string_view path);

struct FittedName {
  std::string name;      // as the network has it
  bool outside = false;  // does not stand under the prefix and is none of the network's
};

struct NameFit {
  std::vector<FittedName> names;  // one for each name given
  std::string prefix;             // removed from those under it: "module.model."
  // Other prefixes under which as many of the network's names stand, the most usual first.
  std::vector<std::string> rivals;
  bool ambiguous = false;  // a rival is as usual as the prefix: nothing tells which is meant
  size_t hits = 0;         // names of the network that were found
};

// `expected`: the network's names; empty: unknown. Every name keeps what follows the prefix; one
// that stands before it ("head.weight" beside "backbone.*") is found too.
NameFit fit_names(std::span<const std::string> names, const NameSet& expected);

// Shell patterns: '*' any text, '?' any one byte, everything else itself.
bool matches(std::string_view pattern, std::string_view name);

// "'a', 'b', 'c' and 9 more": at most `most`, each cut to 60 bytes.
std::string list_names(std::span<const std::string> names, size_t most = 3);

}  // namespace spikeloom
