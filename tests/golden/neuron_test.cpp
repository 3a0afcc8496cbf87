// Neurons against Norse, snnTorch, SpikingJelly and Sinabs: small NIR graphs, executed here by
// plain loops over OneNeuron. Every spike must be equal, membranes within rounding.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/io/npz.hpp"
#include "neurons/neuron.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using Values = std::vector<float>;

// A node of a graph: operators by their NIR names. Inputs are summed; one that comes later in the
// list is that of the step before.
struct NirNode {
  const char* name;
  const char* type;
  std::vector<const char*> inputs;
};

struct Run {
  const char* file;
  std::vector<NirNode> nodes;
  const char* program;  // whose run
  NeuronForm form;
  FireRule fire;
  Reset reset;
  double dt;
  bool recurrent_bias = true;  // at step 0
  float membrane_margin = 5e-5f;
};

// A graph being executed. Values are channels first, as in NIR.
class Network {
 public:
  explicit Network(const Run& run)
      : run_(run),
        arrays_(
            load_npz(SPIKELOOM_SOURCE_DIR "/tests/golden/nir/" + std::string(run.file) + ".npz")) {
    for (const NirNode& node : run.nodes) make_neurons(node);
  }

  const Tensor& array(const std::string& name) const { return arrays_.at(name).data; }
  bool has(const std::string& name) const { return arrays_.contains(name); }

  void step(const Values& input) {
    std::map<std::string, Values> now;
    for (const NirNode& node : run_.nodes) {
      Values sum;
      for (const char* from : node.inputs) {
        const bool earlier = now.contains(from);
        if (!earlier && std::string(from) != "input" && steps_ == 0 && !run_.recurrent_bias)
          continue;
        Values value = std::string(from) == "input" ? input : earlier ? now[from] : last_[from];
        if (value.empty() && earlier) continue;  // a sum of nothing
        if (value.empty()) value.resize(neurons_.at(from).size());
        if (sum.empty()) sum.resize(value.size());
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += value[i];
      }
      now[node.name] = sum.empty() ? Values() : output(node, sum);
    }
    last_ = now;
    ++steps_;
  }
  const Values& value(const std::string& node) const { return last_.at(node); }
  std::vector<OneNeuron>& neurons(const std::string& node) { return neurons_.at(node); }

 private:
  std::vector<double> numbers(const std::string& name) const {
    const Tensor& from = array(name);
    if (from.dtype() != DType::kF64) {
      const Tensor values = to_f32(from);
      return {values.f32().begin(), values.f32().end()};
    }
    const auto* data = reinterpret_cast<const double*>(from.data());
    return {data, data + from.size()};
  }
  double number(const std::string& name) const { return numbers(name).at(0); }

  void make_neurons(const NirNode& node) {
    const std::string prefix = "node/" + std::string(node.name) + "/";
    const bool known = std::any_of(neuron_table().begin(), neuron_table().end(),
                                   [&](const NeuronRow& row) { return row.name == node.type; });
    if (!known) return;
    NeuronSpec spec = neuron(node.type);
    const bool integrates = spec.row().forms[0] == NeuronForm::kUnit;
    spec.rules.form = !integrates                   ? run_.form
                      : number(prefix + "r") == 1.0 ? NeuronForm::kUnit
                                                    : NeuronForm::kOde;
    if (spec.fires()) spec.rules = {spec.rules.form, run_.fire, run_.reset};
    spec["dt"].value = run_.dt;
    const size_t count = numbers(prefix + "r").size();
    for (size_t i = 0; i < count; ++i) {
      for (size_t p = 0; p < spec.values.size(); ++p) {
        const std::string name = prefix + std::string(spec.row().parameters[p].name);
        if (has(name)) spec.values[p].value = numbers(name).at(i);
      }
      neurons_[node.name].emplace_back(spec);
    }
  }

  Values output(const NirNode& node, const Values& in) {
    const std::string type = node.type, prefix = "node/" + std::string(node.name) + "/";
    if (type == "Flatten") return in;
    if (type == "Affine" || type == "Linear") return affine(prefix, in);
    if (type == "Conv2d") return conv(prefix, in);
    if (type == "SumPool2d" || type == "AvgPool2d") return pool(type == "AvgPool2d", in);
    Values out;
    if (type == "Threshold") {
      const std::vector<double> threshold = numbers(prefix + "threshold");
      for (size_t i = 0; i < in.size(); ++i)
        out.push_back(in[i] > static_cast<float>(threshold[i]) ? 1.0f : 0.0f);
      return out;
    }
    for (size_t i = 0; i < in.size(); ++i) out.push_back(neurons_.at(node.name)[i].step(in[i]));
    return out;
  }
  Values affine(const std::string& prefix, const Values& in) const {
    const Tensor& weight = array(prefix + "weight");
    Values out(static_cast<size_t>(weight.shape()[0]));
    for (size_t o = 0; o < out.size(); ++o) {
      for (size_t i = 0; i < in.size(); ++i)
        out[o] = std::fma(weight.f32()[o * in.size() + i], in[i], out[o]);
      if (has(prefix + "bias")) out[o] += array(prefix + "bias").f32()[o];
    }
    return out;
  }
  // 3x3, padding 1, stride 1, square maps.
  Values conv(const std::string& prefix, const Values& in) const {
    const Tensor& weight = array(prefix + "weight");
    const int64_t outs = weight.shape()[0], ins = weight.shape()[1];
    const auto side = static_cast<int64_t>(
        std::lround(std::sqrt(static_cast<double>(in.size()) / static_cast<double>(ins))));
    Values out;
    for (int64_t o = 0; o < outs; ++o) {
      for (int64_t y = 0; y < side; ++y) {
        for (int64_t x = 0; x < side; ++x) {
          float sum = 0;
          for (int64_t c = 0; c < ins; ++c) {
            for (int64_t k = 0; k < 9; ++k) {
              const int64_t iy = y + k / 3 - 1, ix = x + k % 3 - 1;
              if (iy < 0 || ix < 0 || iy >= side || ix >= side) continue;
              sum = std::fma(weight.f32()[static_cast<size_t>((o * ins + c) * 9 + k)],
                             in[static_cast<size_t>((c * side + iy) * side + ix)], sum);
            }
          }
          out.push_back(sum + array(prefix + "bias").f32()[static_cast<size_t>(o)]);
        }
      }
    }
    last_side_ = side;
    return out;
  }
  // 2x2, stride 2, of the maps of the last convolution.
  Values pool(bool average, const Values& in) const {
    const int64_t side = last_side_;
    const auto maps = static_cast<int64_t>(in.size()) / (side * side);
    Values out;
    for (int64_t m = 0; m < maps; ++m) {
      for (int64_t y = 0; y < side / 2; ++y) {
        for (int64_t x = 0; x < side / 2; ++x) {
          float sum = 0;
          for (int64_t k = 0; k < 4; ++k)
            sum += in[static_cast<size_t>((m * side + 2 * y + k / 2) * side + 2 * x + k % 2)];
          out.push_back(average ? sum / 4 : sum);
        }
      }
    }
    return out;
  }

  const Run& run_;
  Weights arrays_;
  std::map<std::string, std::vector<OneNeuron>> neurons_;
  std::map<std::string, Values> last_;
  int64_t steps_ = 0;
  mutable int64_t last_side_ = 0;
};

void check_run(const Run& run) {
  INFO(run.file << " of " << run.program);
  Network net(run);
  const std::string prefix = std::string(run.program) + "/";
  const Tensor& input = net.array("input");
  const int64_t steps = input.shape()[0], size = input.size() / steps;
  int64_t compared = 0, spikes = 0, differences = 0;
  float worst = 0;
  for (int64_t t = 0; t < steps; ++t) {
    const float* from = input.f32().data() + t * size;
    net.step(Values(from, from + size));
    for (const NirNode& node : run.nodes) {
      std::string name = node.name;
      std::replace(name.begin(), name.end(), '.', '_');  // as Norse and SpikingJelly write it
      if (!net.has(prefix + name + "/v") && !net.has(prefix + name + "/z")) name = node.name;
      if (net.has(prefix + name + "/z")) {
        const Tensor& wanted = net.array(prefix + name + "/z");
        const auto* z = reinterpret_cast<const uint8_t*>(wanted.data()) + t * wanted.size() / steps;
        for (size_t i = 0; i < net.value(node.name).size(); ++i, ++compared) {
          spikes += z[i];
          differences += net.value(node.name)[i] != static_cast<float>(z[i]);
        }
      }
      if (net.has(prefix + name + "/v")) {
        auto& neurons = net.neurons(node.name);
        const float* v =
            net.array(prefix + name + "/v").f32().data() + t * static_cast<int64_t>(neurons.size());
        for (size_t i = 0; i < neurons.size(); ++i, ++compared)
          worst = std::max(worst, std::abs(neurons[i].v() - v[i]));
      }
    }
  }
  CHECK(compared > 500);
  CHECK(spikes > 0);
  CHECK(differences == 0);
  CAPTURE(double{worst});
  CHECK(worst <= run.membrane_margin);
}

constexpr FireRule kAbove = FireRule::kAboveThreshold, kAt = FireRule::kAtThreshold;

std::vector<NirNode> chain(std::initializer_list<std::pair<const char*, const char*>> nodes) {
  std::vector<NirNode> result;
  const char* from = "input";
  for (const auto& [name, type] : nodes) {
    result.push_back({name, type, {from}});
    from = name;
  }
  return result;
}

}  // namespace

TEST_CASE("LIF neurons equal those of Norse, SpikingJelly, snnTorch and Sinabs") {
  const auto one = chain({{"a", "Affine"}, {"lif", "LIF"}});
  check_run({"lif_single", one, "norse", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4, true, 0});
  check_run({"lif_single", one, "spikingjelly", NeuronForm::kEuler, kAt, Reset::kHard, 1e-4});
  check_run({"lif_single", one, "sinabs_exact", NeuronForm::kExact, kAt, Reset::kHard, 1e-4, true,
             1e-7f});
  const auto two = chain({{"0", "Affine"}, {"1", "LIF"}, {"2", "Linear"}, {"3", "LIF"}});
  check_run({"lif_beta", two, "snntorch", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4});
  check_run({"lif_beta", two, "spikingjelly", NeuronForm::kEuler, kAt, Reset::kHard, 1e-4});
}

TEST_CASE("neurons with five vectors of parameters equal Norse's") {
  check_run({"per_neuron",
             chain({{"fc1", "Affine"}, {"lif", "LIF"}, {"fc2", "Affine"}, {"lif2", "LIF"}}),
             "norse", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-3});
}

TEST_CASE("CubaLIF neurons, recurrent ones too, equal those of three programs") {
  const auto forward =
      chain({{"fc1", "Affine"}, {"lif1", "CubaLIF"}, {"fc2", "Affine"}, {"lif2", "CubaLIF"}});
  check_run({"cuba_ff", forward, "norse", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4});
  check_run({"cuba_ff", forward, "snntorch", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4});
  const std::vector<NirNode> recurrent = {{"fc1", "Affine", {"input"}},
                                          {"lif1.w_rec", "Affine", {"lif1.lif"}},
                                          {"lif1.lif", "CubaLIF", {"fc1", "lif1.w_rec"}},
                                          {"fc2", "Affine", {"lif1.lif"}},
                                          {"lif2", "CubaLIF", {"fc2"}}};
  check_run(
      {"cuba_rec_flat", recurrent, "norse", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4, false});
  check_run({"cuba_rec_flat", recurrent, "spikingjelly", NeuronForm::kEuler, kAt, Reset::kHard,
             1e-4, false});
  check_run({"snn_rsynaptic", recurrent, "snntorch_original", NeuronForm::kEuler, kAbove,
             Reset::kHoldNext, 1e-4});
}

TEST_CASE("integrators, leaky and by current, equal Norse's and the equations") {
  check_run({"li_readout",
             chain({{"fc1", "Affine"}, {"lif", "LIF"}, {"fc2", "Linear"}, {"li", "LI"}}), "norse",
             NeuronForm::kEuler, kAbove, Reset::kHard, 1e-3});
  check_run(
      {"integrator_threshold",
       chain({{"a", "Affine"}, {"i", "I"}, {"t", "Threshold"}, {"b", "Linear"}, {"cl", "CubaLI"}}),
       "equations", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-3});
}

TEST_CASE(
    "snnTorch's default reset by subtraction in the next step, and what importers make of it") {
  const auto net = chain({{"0", "Affine"}, {"1", "LIF"}, {"2", "Affine"}, {"3", "LIF"}});
  check_run({"snn_digits_subtract", net, "snntorch_original", NeuronForm::kEuler, kAbove,
             Reset::kSubtractNext, 1e-4});
  check_run({"snn_digits_subtract", net, "norse", NeuronForm::kEuler, kAbove, Reset::kHard, 1e-4});
}

TEST_CASE("Sinabs' several spikes a step equal its own program") {
  check_run({"sinabs_cnn",
             chain({{"0", "Conv2d"},
                    {"1", "IF"},
                    {"2", "SumPool2d"},
                    {"3", "Conv2d"},
                    {"4", "IF"},
                    {"5", "SumPool2d"},
                    {"6", "Flatten"},
                    {"7", "Affine"},
                    {"8", "IF"}}),
             "sinabs_original", NeuronForm::kUnit, kAt, Reset::kMulti, 1});
}

TEST_CASE("SpikingJelly's trained LIF, PLIF and IF equal its own program") {
  check_run({"sj_digits",
             chain({{"_0", "Conv2d"},
                    {"_1", "LIF"},
                    {"_2", "AvgPool2d"},
                    {"_3", "Conv2d"},
                    {"_4", "LIF"},
                    {"_5", "AvgPool2d"},
                    {"_6", "Flatten"},
                    {"_7", "Affine"},
                    {"_8", "IF"}}),
             "spikingjelly_original", NeuronForm::kEuler, kAt, Reset::kHard, 1e-3});
}
