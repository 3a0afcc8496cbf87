#include "hw_model/report/chip_timeline.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

constexpr double kMicrosecondsPerNs = 1e-3;
constexpr const char* kSides[] = {"generates", "receives"};

class Timeline {
 public:
  Timeline(const ChipSpec& chip, const ReplayResult& result) : chip_(chip), result_(result) {}

  std::string text() {
    name(steps_pid(), 0, "process_name", "steps");
    double start_ns = 0;
    for (size_t s = 0; s < result_.steps.size(); ++s) {
      add_step(s, start_ns);
      start_ns += result_.steps[s].time_ns;
    }
    return Json{{"traceEvents", std::move(events_)}, {"displayTimeUnit", "ns"}}.dump() + "\n";
  }

 private:
  int64_t steps_pid() const { return chip_.chips(); }  // behind those of the chips

  void name(int64_t pid, int64_t tid, const char* what, const std::string& name) {
    events_.push_back(
        {{"ph", "M"}, {"pid", pid}, {"tid", tid}, {"name", what}, {"args", {{"name", name}}}});
  }

  void span(int64_t pid, int64_t tid, const std::string& name, double ts_ns, double ns, Json args) {
    events_.push_back({{"ph", "X"},
                       {"pid", pid},
                       {"tid", tid},
                       {"name", name},
                       {"ts", ts_ns * kMicrosecondsPerNs},
                       {"dur", ns * kMicrosecondsPerNs},
                       {"args", std::move(args)}});
  }

  void counter(const char* name, double ts_ns, int64_t value) {
    events_.push_back({{"ph", "C"},
                       {"pid", steps_pid()},
                       {"name", name},
                       {"ts", ts_ns * kMicrosecondsPerNs},
                       {"args", {{name, value}}}});
  }

  void add_step(size_t s, double start_ns) {
    const StepResult& step = result_.steps[s];
    span(steps_pid(), 0, fmt::format("step {}", s), start_ns, step.time_ns,
         {{"fired", step.fired}, {"packets", step.messages}, {"synaptic events", step.events}});
    if (step.time_ns > step.busy_ns) {
      span(steps_pid(), 1, "waits for barrier or tick", start_ns + step.busy_ns,
           step.time_ns - step.busy_ns, Json::object());
    }
    counter("packets", start_ns, step.messages);
    counter("synaptic events", start_ns, step.events);
    for (int64_t core = 0; core < result_.cores; ++core) {
      const StepCore& at =
          result_.step_cores[s * static_cast<size_t>(result_.cores) + static_cast<size_t>(core)];
      const double ns[] = {at.generate_ns, at.receive_ns};
      for (int64_t side = 0; side < 2; ++side) {
        if (ns[side] > 0) add_side(core, side, start_ns, ns[side], at);
      }
    }
  }

  void add_side(int64_t core, int64_t side, double start_ns, double ns, const StepCore& at) {
    const CorePlace place = place_of_core(chip_, core);
    const int64_t tid = 2 * core + side;
    if (named_.insert(-1 - place.chip).second)
      name(place.chip, 0, "process_name", fmt::format("chip {}", place.chip));
    if (named_.insert(tid).second) {
      name(place.chip, tid, "thread_name",
           fmt::format("tile {} slot {} {}", place.tile, place.slot, kSides[side]));
    }
    const Json args = side == 0 ? Json{{"fired", at.fired}, {"packets", at.packets_out}}
                                : Json{{"packets", at.packets_in}, {"synaptic events", at.events}};
    span(place.chip, tid, kSides[side], start_ns, ns, args);
  }

  const ChipSpec& chip_;
  const ReplayResult& result_;
  Json events_ = Json::array();
  std::set<int64_t> named_;  // tracks; below 0: chips
};

}  // namespace

std::string chip_timeline(const ChipSpec& chip, const ReplayResult& result) {
  if (result.level == Level::kCounts)
    throw Error(ErrorCode::kUsage, "a timeline needs level bottleneck or event");
  if (result.step_cores.empty())
    throw Error(ErrorCode::kInternal, "a timeline needs the cores of every step");
  return Timeline(chip, result).text();
}

}  // namespace spikeloom
