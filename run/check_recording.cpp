#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "run/network_file.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

// Names as other programs write them.
std::string plain(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '/'; }, '_');
  return name;
}

// The steps of an array, channels first as it is stored.
struct Recorded {
  std::string node;
  RecordedKind what = RecordedKind::kSpikes;
  NodeId id = -1;
  bool membrane = false;
  Tensor values;
};

Shape channels_first(const Shape& shape) {
  if (shape.size() == 3) return {shape[2], shape[0], shape[1]};
  return shape;
}

// Place of an element, channels last, in an array channels first.
int64_t place_of(const Shape& shape, int64_t element) {
  if (shape.size() != 3) return element;
  const int64_t channels = shape[2], pixels = shape[0] * shape[1];
  return element % channels * pixels + element / channels;
}

class Check {
 public:
  Check(const ModelChoice& model, const Weights& recorded, const std::string& prefix, double margin)
      : margin_(margin) {
    const std::string input = find_input(recorded, prefix);
    const Tensor frames = to_f32(recorded.at(input).data);
    if (frames.shape().size() < 2 || frames.size() == 0)
      throw Error(ErrorCode::kData, "input is " + to_string(frames.shape()) + ", not [steps, ...]");
    steps_ = frames.shape()[0];
    const Shape frame = model.shape().frame;
    const DataShape data = frame.size() == 1 ? DataShape{steps_ + 1, 0, 0, frame[0]}
                                             : DataShape{steps_ + 1, frame[0], frame[1], frame[2]};
    GivenNetwork network = model.family->given(model.spec, data);
    weights_ = std::move(network.weights);
    graph_ = std::move(network.graph);
    set_frames(frames, frame);
    find_arrays(recorded, prefix, input);
  }

  RecordingCheck run() {
    PlanOptions options{Schedule::kStepMajor, 1, {}};
    for (const Recorded& array : arrays_) {
      auto& names = array.membrane ? options.membranes : options.keep;
      names.push_back(graph_.node(array.id).name);
    }
    Session session(compile(graph_, weights_, make_cpu_backend(), options));
    result_.steps = steps_;
    for (int64_t t = 0; t < steps_; ++t) {
      session.run_chunk(part_of(frames_, t, 1), 1, 1);
      for (size_t i = 0; i < arrays_.size(); ++i) {
        const Recorded& array = arrays_[i];
        compare(array, array.membrane ? session.membrane(array.id, 0) : session.value(array.id, 0),
                t, result_.arrays[i]);
      }
    }
    return std::move(result_);
  }

 private:
  static std::string find_input(const Weights& recorded, const std::string& prefix) {
    for (const std::string& name : {prefix + "input", std::string("input")}) {
      if (recorded.contains(name)) return name;
    }
    throw Error(ErrorCode::kData, "there is no array input, [steps, ...]");
  }

  // A frame a step, channels last.
  void set_frames(const Tensor& from, const Shape& frame) {
    const int64_t size = element_count(frame);
    if (from.size() != steps_ * size)
      throw Error(ErrorCode::kData, fmt::format("input is {}, the network takes {} values a step",
                                                to_string(from.shape()), size));
    Shape shape = frame;
    shape.insert(shape.begin(), steps_);
    frames_ = Tensor(shape);
    for (int64_t i = 0; i < from.size(); ++i) {
      frames_.f32()[static_cast<size_t>(i)] =
          from.f32()[static_cast<size_t>(i / size * size + place_of(frame, i % size))];
    }
  }

  // The node whose value over the steps an output reads out.
  NodeId read_out() const {
    const NodeId logits = *graph_.find_output("logits");
    const Node& node = graph_.node(logits);
    return std::holds_alternative<StepMean>(node.op) ? node.inputs[0] : logits;
  }

  void find_arrays(const Weights& recorded, const std::string& prefix, const std::string& input) {
    std::map<std::string, NodeId> nodes;
    for (NodeId id = 0; id < graph_.size(); ++id) nodes.emplace(plain(graph_.node(id).name), id);
    for (const std::string& name : recorded.names()) {
      if (name == input || !name.starts_with(prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      const bool spikes = rest.ends_with("/z"), membrane = rest.ends_with("/v");
      const std::string node = spikes || membrane ? rest.substr(0, rest.size() - 2) : "";
      const auto found = nodes.find(plain(node));
      if (rest == "output") {
        add(recorded, name, {"output", RecordedKind::kOutput, read_out(), false, {}});
      } else if (!node.empty() && found != nodes.end()) {
        const Op& op = graph_.node(found->second).op;
        const auto* neuron = std::get_if<Neuron>(&op);
        const bool hidden = membrane && neuron != nullptr && neuron->spec.fires();
        add(recorded, name,
            {graph_.node(found->second).name,
             spikes ? RecordedKind::kSpikes : RecordedKind::kMembrane,
             found->second,
             hidden,
             {}});
      } else {
        result_.unknown.push_back(printable(name, 60));
      }
    }
    if (arrays_.empty())
      throw Error(ErrorCode::kData, "no array output, <node>/z or <node>/v of this network" +
                                        (prefix.empty() ? "" : " under " + in_quotes(prefix)));
    std::stable_sort(arrays_.begin(), arrays_.end(), [](const Recorded& a, const Recorded& b) {
      return std::pair(a.id, a.what != RecordedKind::kSpikes) <
             std::pair(b.id, b.what != RecordedKind::kSpikes);
    });
    for (const Recorded& array : arrays_)
      result_.arrays.push_back({.node = array.node, .what = array.what});
  }

  void add(const Weights& recorded, const std::string& name, Recorded array) {
    array.values = to_f32(recorded.at(name).data);
    if (array.values.size() != steps_ * element_count(graph_.node(array.id).shape)) {
      throw Error(ErrorCode::kData,
                  fmt::format("{} is {}, the network gives {} in {} steps", printable(name, 60),
                              to_string(array.values.shape()),
                              to_string(channels_first(graph_.node(array.id).shape)), steps_));
    }
    arrays_.push_back(std::move(array));
  }

  void compare(const Recorded& array, const Tensor& here, int64_t step, ComparedArray& sum) {
    const Shape& shape = graph_.node(array.id).shape;
    const int64_t size = here.size();
    std::optional<int64_t> first;  // channels first
    for (int64_t i = 0; i < size; ++i, ++sum.values) {
      const int64_t place = place_of(shape, i);
      const auto own = static_cast<double>(here.f32()[static_cast<size_t>(i)]),
                 other = static_cast<double>(
                     array.values.f32()[static_cast<size_t>(step * size + place)]);
      const double away = std::abs(own - other);
      sum.largest = std::max(sum.largest, away);
      const bool same = array.what == RecordedKind::kSpikes
                            ? own == other
                            : away <= margin_ * std::max(1.0, std::abs(other));
      if (same) continue;
      ++sum.differing;
      if (result_.first || (first && *first < place)) continue;
      first = place;
      candidate_ = {array.node, array.what, step, place, channels_first(shape), own, other};
    }
    if (first && !result_.first) result_.first = candidate_;
  }

  const double margin_;
  int64_t steps_ = 0;
  Graph graph_;
  Weights weights_;
  Tensor frames_;
  std::vector<Recorded> arrays_;
  FirstDifference candidate_;
  RecordingCheck result_;
};

}  // namespace

const char* name_of(RecordedKind kind) noexcept {
  constexpr const char* kNames[] = {"spikes", "membrane", "output"};
  return kNames[static_cast<size_t>(kind)];
}

RecordingCheck check_recording(const ModelChoice& model, const Weights& recorded,
                               const std::string& prefix, double margin) {
  return Check(model, recorded, prefix, margin).run();
}

}  // namespace spikeloom
