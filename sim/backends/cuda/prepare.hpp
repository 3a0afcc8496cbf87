#pragma once
// A unit made ready for the device: its arrays are there, and a function launches its kernels.

#include <functional>
#include <memory>
#include <vector>

#include "sim/backends/cuda/launch.hpp"
#include "sim/backends/cuda/runtime.hpp"
#include "sim/graph/round_weights.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom::cuda {

// Copies arrays to the device and keeps them.
class Loader {
 public:
  Loader(int device, Queue& queue, std::vector<std::shared_ptr<std::byte>>& kept)
      : device_(device), queue_(queue), kept_(kept) {}

  // nullptr for an empty array. Throws Error(kRuntime).
  template <class T>
  const T* array(const std::vector<T>& values) {
    if (values.empty()) return nullptr;
    return static_cast<const T*>(
        bytes(values.data(), static_cast<int64_t>(values.size() * sizeof(T))));
  }

 private:
  const void* bytes(const void* from, int64_t count);

  int device_;
  Queue& queue_;
  std::vector<std::shared_ptr<std::byte>>& kept_;
};

// One run of a unit's main operator.
struct Call {
  Queue& queue;
  const UnitIo& io;
  const Epilogue& e;
  Steps steps;
};

// What prepare() keeps.
struct Prepared {
  std::vector<std::shared_ptr<std::byte>> arrays;
  std::function<void(const Call&)> main;
  // Operators whose outputs depend on each other write their real value; what follows is a pass of
  // its own, one step at a time.
  bool makes_rows = false;
  Epilogue epilogue;  // without what a run decides
  bool has_epilogue = false;
  int64_t whole_steps = 0;    // not 0: it makes so many steps at once
  int64_t row_bytes = 0;      // of the real value of a step
  int64_t scratch_bytes = 0;  // that the operator works in
  std::function<std::shared_ptr<void>()> host_workspace;
};

// What prepare() of the main operator is told.
struct MainSource {
  const Graph& graph;
  const Unit& unit;
  const Node& node;
  const Weights& weights;
  const AccumulatorLimits& limits;
};

// Fills `to` for the main operator, `scratch`: where scratch memory of a workspace starts.
void prepare_main(const MainSource& source, Loader& load, Prepared& to);

// Memory of a unit in a session.
struct Workspace {
  std::shared_ptr<std::byte> rows, scratch;
  std::shared_ptr<void> host;
};

Value value_of(const ValueRef& ref) noexcept;
int64_t blocks_for(int64_t threads, int block) noexcept;

// Launches a pass over all outputs.
template <class Main>
void run_pass(const Call& call, const typename Main::Params& main) noexcept {
  typename Pass<Main>::Params params;
  params.main = main;
  params.e = call.e;
  params.steps = call.steps;
  constexpr int kThreads = Pass<Main>::max_threads;
  launch<Pass<Main>>(call.queue, blocks_for(int64_t{call.e.rows} * call.e.width, kThreads),
                     kThreads, params);
}

}  // namespace spikeloom::cuda
