#include "core/weight_names.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace spikeloom {
namespace {

// Components that torch.compile, FSDP, activation checkpointing and Fabric put anywhere in a name.
constexpr std::array<std::string_view, 5> kInterior = {"_orig_mod", "_fsdp_wrapped_module",
                                                       "_checkpoint_wrapped_module", "_fpw_module",
                                                       "_forward_module"};
// Words for the weights themselves, the most usual first.
constexpr std::array<std::string_view, 15> kPlainWords = {
    "model",   "state_dict", "model_state_dict", "net",         "network",
    "module",  "params",     "weights",          "model_state", "base_model",
    "student", "backbone",   "encoder",          "generator",   "_model"};

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_average(std::string_view word) {
  return word == "ema" || word.starts_with("ema_") || word.ends_with("_ema") ||
         word.find("_ema_") != std::string_view::npos || word == "swa" || word == "shadow" ||
         word.starts_with("swa_") || word.starts_with("averaged");
}

// Calls f(component) for each part between dots.
template <typename F>
void each_component(std::string_view name, F&& f) {
  while (true) {
    const size_t dot = name.find('.');
    f(name.substr(0, dot));
    if (dot == std::string_view::npos) return;
    name.remove_prefix(dot + 1);
  }
}

std::string without(std::string_view name, std::span<const std::string_view> words) {
  std::string result;
  bool first = true, any = false;
  each_component(name, [&](std::string_view part) {
    if (is_one_of(part, words)) {
      any = true;
      return;
    }
    if (!first) result += '.';
    result += part;
    first = false;
  });
  return !any || result.empty() ? std::string(name) : result;
}

std::vector<std::string> without_all(std::span<const std::string> names,
                                     std::span<const std::string_view> words) {
  std::vector<std::string> result;
  result.reserve(names.size());
  for (const std::string& name : names) result.push_back(without(name, words));
  return result;
}

size_t longest_of(const NameSet& names) {
  size_t longest = 0;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  return longest;
}

// How many names of the network stand under each prefix.
std::map<std::string, size_t, std::less<>> count_prefixes(std::span<const std::string> names,
                                                          const NameSet& expected) {
  const size_t longest = longest_of(expected);
  std::map<std::string, size_t, std::less<>> counts;
  for (const std::string& name : names) {
    size_t at = 0;
    while (true) {
      const std::string_view rest = std::string_view(name).substr(at);
      if (rest.size() <= longest && expected.contains(rest)) ++counts[name.substr(0, at)];
      const size_t dot = name.find('.', at);
      if (dot == std::string::npos) break;
      at = dot + 1;
    }
  }
  return counts;
}

PathRank rank_of_prefix(std::string_view prefix) {
  if (prefix.empty()) return {PathClass::kPlain, 0, 0};
  return rank_of_path(prefix.substr(0, prefix.size() - 1));
}

// The prefix with the most of the network's names, the most usual of equals.
void choose_prefix(const std::map<std::string, size_t, std::less<>>& counts, NameFit& fit) {
  for (const auto& [prefix, count] : counts) {
    const bool better = count > fit.hits ||
                        (count == fit.hits && rank_of_prefix(prefix) < rank_of_prefix(fit.prefix));
    if (!better) continue;
    fit.hits = count;
    fit.prefix = prefix;
  }
  for (const auto& [prefix, count] : counts) {
    if (count == fit.hits && prefix != fit.prefix) fit.rivals.push_back(prefix);
  }
  std::sort(fit.rivals.begin(), fit.rivals.end(), [](const auto& a, const auto& b) {
    return std::pair(rank_of_prefix(a), a) < std::pair(rank_of_prefix(b), b);
  });
  fit.ambiguous = !fit.rivals.empty() && rank_of_prefix(fit.prefix).kind == PathClass::kUnknown;
}

// The network's name that `name` has behind one of the beginnings of `prefix`, or "".
std::string_view found_before(std::string_view name, std::string_view prefix,
                              const NameSet& expected) {
  for (size_t length = prefix.size();;) {
    if (name.starts_with(prefix.substr(0, length)) && expected.contains(name.substr(length))) {
      return name.substr(length);
    }
    if (length == 0) return {};
    const size_t dot = length < 2 ? std::string_view::npos : prefix.rfind('.', length - 2);
    length = dot == std::string_view::npos ? 0 : dot + 1;
  }
}

NameFit fit_known(std::vector<std::string> names, const NameSet& expected) {
  NameFit fit;
  choose_prefix(count_prefixes(names, expected), fit);
  NameSet found;
  for (std::string& name : names) {
    const bool under = name.starts_with(fit.prefix) && name.size() > fit.prefix.size();
    const std::string_view known = found_before(name, fit.prefix, expected);
    if (!known.empty()) {
      found.emplace(known);
      fit.names.push_back({std::string(known), false});
    } else {
      fit.names.push_back({under ? name.substr(fit.prefix.size()) : std::move(name), !under});
    }
  }
  fit.hits = found.size();
  return fit;
}

// Without a network: words of wrappers that all names begin with.
NameFit fit_unknown(std::vector<std::string> names) {
  NameFit fit;
  const auto begins = [&](const std::string& name, std::string_view prefix) {
    return name.size() > prefix.size() && name.starts_with(prefix);
  };
  while (!names.empty()) {
    const std::string next = names[0].substr(0, names[0].find('.') + 1);
    if (next.size() < 2 || rank_of_prefix(next).kind != PathClass::kPlain) break;
    if (!std::all_of(names.begin(), names.end(), [&](const auto& n) { return begins(n, next); }))
      break;
    for (std::string& name : names) name.erase(0, next.size());
    fit.prefix += next;
  }
  for (std::string& name : names) fit.names.push_back({std::move(name), false});
  return fit;
}

}  // namespace

PathRank rank_of_path(std::string_view path) {
  if (path.empty()) return {PathClass::kRoot, 0, 0};
  PathRank rank{PathClass::kPlain, 0, 0};
  each_component(path, [&](std::string_view part) {
    const auto word = std::find(kPlainWords.begin(), kPlainWords.end(), part);
    const bool plain = word != kPlainWords.end() || is_one_of(part, kInterior);
    const PathClass kind = plain              ? PathClass::kPlain
                           : is_average(part) ? PathClass::kAverage
                                              : PathClass::kUnknown;
    rank.kind = std::max(rank.kind, kind);
    if (rank.depth == 0) rank.order = static_cast<size_t>(word - kPlainWords.begin());
    ++rank.depth;
  });
  return rank;
}

NameFit fit_names(std::span<const std::string> names, const NameSet& expected) {
  std::vector<std::string> plain = without_all(names, kInterior);
  if (expected.empty()) return fit_unknown(std::move(plain));
  // DataParallel around a part of a network: "features.module.conv.weight".
  constexpr std::array<std::string_view, 1> kModule = {"module"};
  NameFit inner = fit_known(without_all(plain, kModule), expected);
  NameFit fit = fit_known(std::move(plain), expected);
  return inner.hits > fit.hits ? inner : fit;
}

bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string list_names(std::span<const std::string> names, size_t most) {
  constexpr size_t kLongest = 60;
  std::string text;
  const size_t shown = names.size() == most + 1 ? names.size() : std::min(names.size(), most);
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == shown && shown == names.size() && i > 0;
    text += i == 0 ? "'" : last ? " and '" : ", '";
    text += names[i].size() > kLongest ? names[i].substr(0, kLongest) + "..." : names[i];
    text += '\'';
  }
  if (shown < names.size()) text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

}  // namespace spikeloom
