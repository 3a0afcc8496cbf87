// From the tensors of a file to the arrays of a network, or to one error that says what is wrong.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "sim/graph/graph.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostFaults = 12;   // listed
constexpr size_t kFaultBytes = 230;  // of the list and the cause: with a path all stay below 400
constexpr size_t kNameBytes = 60;

std::string cut(const std::string& text, size_t most = kNameBytes) {
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

struct Faults {
  std::vector<std::string> missing, shapes, others, surplus;  // names in front
  size_t needed = 0;

  size_t size() const { return missing.size() + shapes.size() + others.size() + surplus.size(); }
};

// What is wrong with the values of one array, or "".
std::string value_fault(const std::string& name, const Tensor& tensor) {
  const bool variance = name.ends_with(".running_var");
  if (!variance && all_finite(tensor.f32())) return "";
  for (const float value : tensor.f32()) {
    if (!std::isfinite(value)) return "holds NaN or infinity";
    if (value < 0 && variance) return "holds a negative variance";
  }
  return "";
}

// What training tools keep beside the arrays: PyTorch's count of batches, the counters of thop,
// parameters of neurons that snnTorch and Sinabs store with every layer, and membranes of neurons,
// which stand below nothing that the network needs.
bool is_bookkeeping(const std::string& name, const NameSet& needed) {
  const size_t dot = name.rfind('.');
  const std::string_view last =
      std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1);
  for (const char* counter :
       {"num_batches_tracked", "total_ops", "total_params", "beta", "alpha", "threshold",
        "graded_spikes_factor", "reset_mechanism_val", "tau_mem", "spike_threshold", "v_mem"}) {
    if (last == counter) return true;
  }
  if (last != "v" && last != "mem") return false;
  const std::string owner = dot == std::string::npos ? "" : name.substr(0, dot + 1);
  const auto below = needed.lower_bound(owner);
  return !owner.empty() && (below == needed.end() || !below->starts_with(owner));
}

class Binder {
 public:
  Binder(const Graph& graph, StoredWeights stored) : graph_(graph), stored_(std::move(stored)) {}

  Weights run(std::vector<std::string>* notes, const WeightHints& hints) {
    flags_ = hints.flags;
    const NameSet needed = array_names(graph_);
    faults_.needed = needed.size();
    for (const ExtentHint& hint : hints.extents) note_extent(hint);
    for (const Node& node : graph_.nodes()) {
      for (const Parameter& parameter : parameters_of(node.op)) {
        if (!bound_.contains(parameter.name) && seen_.insert(parameter.name).second)
          bind(parameter);
      }
    }
    std::vector<std::string> tables;
    check_lmu_tables(graph_, stored_.tensors, tables);
    for (std::string& fault : tables) faults_.others.push_back(std::move(fault));
    find_surplus(needed);
    if (faults_.size() > 0) throw Error(ErrorCode::kData, text());
    if (notes != nullptr) {
      *notes = std::move(stored_.notes);
      if (!kept_.empty()) {
        notes->push_back(
            fmt::format("weights: {} arrays that training tools keep, and nothing here reads, "
                        "were left out: {}",
                        kept_.size(), list_names(kept_)));
      }
    }
    return std::move(bound_);
  }

 private:
  void bind(const Parameter& parameter) {
    const std::string& name = parameter.name;
    const auto unsupported = stored_.unsupported.find(name);
    if (unsupported != stored_.unsupported.end()) {
      faults_.others.push_back(fmt::format("{} is {}, an element type that is not read", cut(name),
                                           cut(unsupported->second)));
      stored_.unsupported.erase(unsupported);
      return;
    }
    if (!stored_.tensors.contains(name)) {
      faults_.missing.push_back(
          fmt::format("missing {} {}", cut(name), to_string(parameter.shape)));
      return;
    }
    const Tensor& tensor = stored_.tensors.at(name).data;
    if (tensor.shape() != parameter.shape) {
      faults_.shapes.push_back(fmt::format("{} has shape {}, the network needs {}", cut(name),
                                           cut(to_string(tensor.shape())),
                                           to_string(parameter.shape)));
    } else if (!is_float(tensor.dtype())) {
      faults_.others.push_back(fmt::format("{} is {}, the network needs a float type", cut(name),
                                           name_of(tensor.dtype())));
    } else {
      if (tensor.dtype() == DType::kF32) {
        bound_.share(name, stored_.tensors);
      } else {
        bound_.add(name, to_f32(tensor));
      }
      stored_.tensors.erase(name);
      const std::string fault = value_fault(name, bound_.at(name).data);
      if (!fault.empty()) faults_.others.push_back(cut(name) + " " + fault);
    }
  }

  void find_surplus(const NameSet& needed) {
    std::vector<std::string> names = stored_.tensors.names();
    for (const auto& [name, type] : stored_.unsupported) names.push_back(name);
    for (const std::string& name : names) {
      if (needed.contains(name) || is_lmu_table(graph_, name)) continue;
      if (!is_bookkeeping(name, needed)) {
        faults_.surplus.push_back(name);
      } else if (!name.ends_with("num_batches_tracked")) {
        kept_.push_back(name);
      }
    }
  }

  // A key that would make an extent of the network what the file has.
  void note_extent(const ExtentHint& hint) {
    if (!stored_.tensors.contains(hint.array)) return;
    const Shape& stored = stored_.tensors.at(hint.array).data.shape();
    for (const Node& node : graph_.nodes()) {
      for (const Parameter& parameter : parameters_of(node.op)) {
        if (parameter.name != hint.array) continue;
        if (stored.size() != parameter.shape.size() || hint.axis >= stored.size()) return;
        if (stored[hint.axis] == parameter.shape[hint.axis]) return;
        keys_ += fmt::format("{}{} is {}", keys_.empty() ? "" : ", ", hint.key,
                             stored[hint.axis] * hint.factor);
        return;
      }
    }
  }

  std::string counts() const {
    std::string text;
    const auto add = [&](size_t count, std::string_view what) {
      if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
    };
    add(faults_.missing.size(), fmt::format("of {} arrays missing", faults_.needed));
    add(faults_.shapes.size(), "of another shape");
    add(faults_.others.size(), "unusable");
    add(faults_.surplus.size(), "surplus");
    return text;
  }

  std::string cause() const {
    if (!keys_.empty()) return "in the file " + keys_;
    const auto& surplus = faults_.surplus;
    for (const FlagHint& hint : flags_) {
      const auto has = [&](const std::string& name) { return name.starts_with(hint.prefix); };
      if (std::any_of(surplus.begin(), surplus.end(), has))
        return fmt::format("the file has a {}: set {} = true", hint.what, hint.key);
    }
    if (faults_.missing.size() == faults_.needed && !surplus.empty()) {
      const std::string start = surplus[0].substr(0, surplus[0].find('.') + 1);
      const bool all = start.size() > 1 && start.size() < kNameBytes &&
                       std::all_of(surplus.begin(), surplus.end(), [&](const std::string& name) {
                         return name.starts_with(start);
                       });
      return all ? "another network: all names start with '" + start + "'" : "another network";
    }
    for (const FlagHint& hint : flags_) {
      const auto is_of = [&](const std::string& fault) {
        return fault.starts_with("missing " + hint.prefix);
      };
      if (!faults_.missing.empty() &&
          std::all_of(faults_.missing.begin(), faults_.missing.end(), is_of)) {
        return fmt::format("the file has no {}: {} = false", hint.what, hint.key);
      }
    }
    if (faults_.size() == surplus.size()) return "weights.ignore can leave surplus tensors out";
    return "";
  }

  std::string text() const {
    std::vector<std::string> all = faults_.shapes;
    all.insert(all.end(), faults_.others.begin(), faults_.others.end());
    all.insert(all.end(), faults_.missing.begin(), faults_.missing.end());
    for (const std::string& name : faults_.surplus) all.push_back("surplus " + cut(name));
    const std::string why = cause();
    const size_t room = kFaultBytes - std::min(kFaultBytes, why.size());
    std::string list;
    size_t shown = 0;
    while (shown < std::min(all.size(), kMostFaults)) {
      if (shown > 0 && list.size() + all[shown].size() > room) break;
      list += (shown == 0 ? "" : "; ") + all[shown];
      ++shown;
    }
    if (shown < all.size()) list += fmt::format("; and {} more", all.size() - shown);
    return fmt::format("weights do not fit the network, {} fault{} ({}): {}{}", all.size(),
                       all.size() == 1 ? "" : "s", counts(), list,
                       why.empty() ? "" : ". Likely: " + why);
  }

  const Graph& graph_;
  StoredWeights stored_;
  Weights bound_;
  NameSet seen_;
  Faults faults_;
  std::vector<std::string> kept_;
  std::string keys_;
  std::vector<FlagHint> flags_;
};

}  // namespace

Weights bind_weights(const Graph& graph, StoredWeights stored, std::vector<std::string>* notes,
                     const WeightHints& hints) {
  return Binder(graph, std::move(stored)).run(notes, hints);
}

Weights bind_weights(const Graph& graph, Weights weights) {
  StoredWeights stored;
  stored.tensors = std::move(weights);
  return bind_weights(graph, std::move(stored), nullptr);
}

}  // namespace spikeloom
