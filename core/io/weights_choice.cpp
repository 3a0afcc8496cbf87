// Which tensors of a file a network wants, and under which names.

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/weights_file.hpp"

namespace spikeloom {
namespace {

// A group, or the part of it under a prefix, that may be what is wanted.
struct Candidate {
  size_t group = 0;
  std::string removed;  // by `weights.select`, with its dot
  std::vector<size_t> indices;
  std::vector<std::string> names;
  NameFit fit;
};

bool is_ignored(const std::string& name, const WeightsRequest& request) {
  return std::any_of(request.ignore.begin(), request.ignore.end(),
                     [&](const std::string& pattern) { return matches(pattern, name); });
}

std::string sets_of(const WeightsFile& file) {
  constexpr size_t kMost = 6;
  std::string text;
  for (size_t i = 0; i < file.groups.size() && i < kMost; ++i) {
    const TensorGroup& group = file.groups[i];
    text += (i == 0 ? "" : ", ") + (group.path.empty() ? "its root" : in_quotes(group.path)) +
            " (" + std::to_string(group.tensors.size()) + " tensors)";
  }
  return text + (file.groups.size() > kMost ? ", ..." : "");
}

// The tensors of a group whose names begin with `prefix`, without it.
Candidate part_of_group(const WeightsFile& file, size_t group, const std::string& prefix,
                        const WeightsRequest& request) {
  Candidate part;
  part.group = group;
  part.removed = prefix;
  const std::vector<StoredTensor>& tensors = file.groups[group].tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    if (!name.starts_with(prefix) || name.size() == prefix.size() || is_ignored(name, request)) {
      continue;
    }
    part.indices.push_back(i);
    part.names.push_back(name.substr(prefix.size()));
  }
  return part;
}

std::vector<Candidate> candidates_of(const WeightsFile& file, const WeightsRequest& request) {
  std::vector<Candidate> result;
  const std::string& select = request.select;
  for (size_t g = 0; g < file.groups.size(); ++g) {
    const std::string& path = file.groups[g].path;
    if (select.empty()) result.push_back(part_of_group(file, g, "", request));
    if (select.empty() || path != select) continue;
    result.push_back(part_of_group(file, g, "", request));
    break;
  }
  if (!select.empty() && result.empty()) {
    for (size_t g = 0; g < file.groups.size(); ++g) {
      const std::string& path = file.groups[g].path;
      for (const bool inside : {true, false}) {
        if (inside && (path.empty() || !select.starts_with(path + "."))) continue;
        const std::string prefix = (inside ? select.substr(path.size() + 1) : select) + ".";
        Candidate part = part_of_group(file, g, prefix, request);
        if (!part.names.empty()) result.push_back(std::move(part));
      }
    }
    if (result.empty()) {
      throw Error(ErrorCode::kUsage, request.select_key + ": " + printable(file.what, 100) +
                                         " has no dict and no prefix " + in_quotes(select) +
                                         "; it holds " + sets_of(file));
    }
  }
  for (Candidate& part : result) part.fit = fit_names(part.names, request.expected);
  return result;
}

std::string name_of(const WeightsFile& file, const Candidate& part) {
  const std::string& path = file.groups[part.group].path;
  const std::string prefix = part.removed.empty() ? "" : part.removed;
  if (prefix.empty()) return path.empty() ? "the root" : in_quotes(path);
  return in_quotes(path.empty() ? prefix : path + "." + prefix);
}

PathClass kind_of(const WeightsFile& file, const Candidate& part) {
  return rank_of_path(file.groups[part.group].path).kind;
}

// How much of what is wanted a candidate has. Without names to go by a usual path is as good as
// any number of tensors.
std::pair<size_t, size_t> score_of(const WeightsFile& file, const Candidate& part, bool by_hits) {
  if (by_hits) return {part.fit.hits, 0};
  return {kind_of(file, part) == PathClass::kPlain ? 1 : 0, part.names.size()};
}

void note_others(const WeightsFile& file, const std::vector<Candidate>& all, size_t best,
                 bool by_hits, const std::string& key, std::vector<std::string>& notes) {
  std::vector<std::string> others;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool rival = by_hits ? 2 * all[i].fit.hits >= all[best].fit.hits
                               : 2 * all[i].names.size() >= all[best].names.size() &&
                                     kind_of(file, all[i]) <=
                                         std::max(kind_of(file, all[best]), PathClass::kAverage);
    if (i != best && rival) others.push_back(file.groups[all[i].group].path);
  }
  if (others.empty()) return;
  notes.push_back("weights: " + name_of(file, all[best]) + " was taken; " + list_names(others) +
                  (others.size() == 1 ? " fits" : " fit") + " too: " + key + " chooses");
}

size_t choose_candidate(const WeightsFile& file, const std::vector<Candidate>& all,
                        const std::string& key, std::vector<std::string>& notes) {
  const bool by_hits =
      std::any_of(all.begin(), all.end(), [](const Candidate& part) { return part.fit.hits > 0; });
  size_t best = 0;
  for (size_t i = 1; i < all.size(); ++i) {
    const auto score = score_of(file, all[i], by_hits), top = score_of(file, all[best], by_hits);
    // Among usual paths the order of the groups decides.
    if (by_hits || top.first == 0 ? score > top : score.first > top.first) best = i;
  }
  // Without the network's names nobody can tell; a note does.
  for (size_t i = best + 1; by_hits && i < all.size(); ++i) {
    if (kind_of(file, all[best]) != PathClass::kUnknown ||
        score_of(file, all[i], by_hits) != score_of(file, all[best], by_hits)) {
      continue;
    }
    throw Error(ErrorCode::kData, file.what + ": " + name_of(file, all[best]) + " and " +
                                      name_of(file, all[i]) + " fit equally well: " + key +
                                      " chooses");
  }
  note_others(file, all, best, by_hits, key, notes);
  return best;
}

bool begins_with_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    return !prefix.empty() && name.starts_with(prefix);
  });
}

void note_prefix(const NameFit& fit, const std::string& key, std::vector<std::string>& notes) {
  if (!fit.rivals.empty()) {
    notes.push_back("weights: the names " +
                    (fit.prefix.empty() ? "without a prefix" : "under " + in_quotes(fit.prefix)) +
                    " were taken; those under " + list_names(fit.rivals) + " fit too: " + key +
                    " chooses");
  } else if (!fit.prefix.empty()) {
    notes.push_back("weights: " + in_quotes(fit.prefix) + " in front of the names was removed");
  }
}

// Names the network's arrays; leaves out what belongs to other modules once all of them are found.
void name_tensors(const WeightsFile& file, const WeightsRequest& request, Candidate& part,
                  ChosenTensors& chosen) {
  const bool complete = !request.expected.empty() && part.fit.hits == request.expected.size();
  std::map<std::string, size_t, std::less<>> taken;
  std::vector<std::string> outside;
  for (size_t i = 0; i < part.names.size(); ++i) {
    FittedName& fitted = part.fit.names[i];
    const bool wanted = request.expected.contains(fitted.name);
    if (is_ignored(fitted.name, request)) continue;
    const bool other =
        !wanted && (fitted.outside || begins_with_any(part.names[i], part.fit.rivals));
    if (complete && other) {
      // Those of a rival are told of as such.
      if (!begins_with_any(part.names[i], part.fit.rivals)) outside.push_back(part.names[i]);
      continue;
    }
    const auto [place, is_new] = taken.emplace(fitted.name, part.indices[i]);
    if (is_new || !(wanted || request.expected.empty())) continue;
    const auto& tensors = file.groups[part.group].tensors;
    throw Error(ErrorCode::kData,
                file.what + ": tensors " + in_quotes(tensors[place->second].name) + " and " +
                    in_quotes(part.names[i]) + " are both " + in_quotes(fitted.name) +
                    " of the network; weights.ignore can leave one out");
  }
  for (auto& [name, index] : taken) chosen.tensors.push_back({name, index});
  if (outside.empty()) return;
  chosen.notes.push_back("weights: left out of other modules: " + list_names(outside));
}

void note_ignored(const WeightsFile& file, const WeightsRequest& request, const Candidate& part,
                  ChosenTensors& chosen) {
  std::vector<std::string> ignored;
  for (const StoredTensor& tensor : file.groups[part.group].tensors) {
    if (is_ignored(tensor.name, request)) ignored.push_back(tensor.name);
  }
  for (size_t i = 0; i < part.names.size(); ++i) {
    if (is_ignored(part.fit.names[i].name, request)) ignored.push_back(part.names[i]);
  }
  if (ignored.empty()) return;
  chosen.notes.push_back("weights: weights.ignore left out " + list_names(ignored));
}

}  // namespace

ChosenTensors choose_tensors(const WeightsFile& file, const WeightsRequest& request) {
  ChosenTensors chosen;
  std::vector<Candidate> all = candidates_of(file, request);
  const size_t best = choose_candidate(file, all, request.select_key, chosen.notes);
  Candidate& part = all[best];
  if (part.fit.ambiguous) {
    throw Error(ErrorCode::kData, file.what + ": the names under " + in_quotes(part.fit.prefix) +
                                      " and under " + list_names(part.fit.rivals) +
                                      " fit equally well: " + request.select_key + " chooses");
  }
  chosen.group = part.group;
  note_prefix(part.fit, request.select_key, chosen.notes);
  note_ignored(file, request, part, chosen);
  name_tensors(file, request, part, chosen);
  return chosen;
}

}  // namespace spikeloom
