// Streams, events and graphs: queues of work that run when somebody waits.

#include <utility>

#include "tests/gpu/runtime/state.hpp"

namespace spikeloom::standin {

CUstream_st* stream_of(cudaStream_t stream) {
  State& s = state();
  if (stream == nullptr) return s.null_stream;
  return s.streams.count(stream) == 1 ? stream : nullptr;
}

cudaError_t enqueue(CUstream_st& stream, Work work) {
  if (stream.capture_broken) return cudaErrorStreamCaptureInvalidated;
  if (stream.capturing)
    stream.captured.push_back(std::move(work));
  else
    stream.queue.push_back(std::move(work));
  return cudaSuccess;
}

cudaError_t drain(CUstream_st& stream) {
  while (!stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    if (const cudaError_t error = work(); error != cudaSuccess) {
      stream.queue.clear();
      state().pending_reads.clear();
      state().pending_graphs = 0;
      return error;
    }
  }
  return cudaSuccess;
}

cudaError_t drain_all() {
  cudaError_t first = drain(*state().null_stream);
  for (const cudaStream_t stream : state().streams) {
    const cudaError_t error = drain(*stream);
    if (first == cudaSuccess) first = error;
  }
  return first;
}

namespace {

// Waiting ends a capture, and is an error in it.
cudaError_t wait_for(CUstream_st& stream) {
  if (stream.capturing) {
    stream.capture_broken = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  // Blocking streams and the null stream are in order with each other.
  if (&stream == state().null_stream || stream.blocking) {
    for (const cudaStream_t other : state().streams)
      if (other->blocking && other != &stream)
        if (const cudaError_t error = drain(*other); error != cudaSuccess) return error;
    if (&stream != state().null_stream)
      if (const cudaError_t error = drain(*state().null_stream); error != cudaSuccess) return error;
  }
  return drain(stream);
}

cudaError_t create_stream(cudaStream_t* stream, bool blocking) {
  auto* const made = new CUstream_st;
  made->blocking = blocking;
  state().streams.insert(made);
  *stream = made;
  return cudaSuccess;
}

}  // namespace
}  // namespace spikeloom::standin

using namespace spikeloom::standin;
using Lock = std::lock_guard<std::recursive_mutex>;

#define STANDIN_ENTER(call)       \
  const Lock lock(state().mutex); \
  if (const cudaError_t error = enter(#call); error != cudaSuccess) return error
#define STANDIN_STREAM(on, stream)           \
  CUstream_st* const on = stream_of(stream); \
  if (on == nullptr) return give(cudaErrorInvalidResourceHandle)

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  STANDIN_ENTER(cudaStreamCreate);
  return create_stream(stream, true);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  STANDIN_ENTER(cudaStreamCreateWithFlags);
  return create_stream(stream, (flags & cudaStreamNonBlocking) == 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  STANDIN_ENTER(cudaStreamDestroy);
  STANDIN_STREAM(on, stream);
  const cudaError_t error = drain(*on);  // what is under way goes on
  state().streams.erase(stream);
  delete stream;
  return give(error);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  STANDIN_ENTER(cudaStreamSynchronize);
  STANDIN_STREAM(on, stream);
  return give(wait_for(*on));
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  STANDIN_ENTER(cudaStreamQuery);
  STANDIN_STREAM(on, stream);
  if (on->queue.empty()) return cudaSuccess;
  const cudaError_t error = wait_for(*on);  // the next question is answered with yes
  return error == cudaSuccess ? cudaErrorNotReady : give(error);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  STANDIN_ENTER(cudaStreamBeginCapture);
  STANDIN_STREAM(on, stream);
  if (stream == nullptr) return give(cudaErrorStreamCaptureUnsupported);
  if (on->capturing) return give(cudaErrorIllegalState);
  on->capturing = true;
  on->capture_broken = false;
  on->captured.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  STANDIN_ENTER(cudaStreamEndCapture);
  STANDIN_STREAM(on, stream);
  *graph = nullptr;
  if (!on->capturing) return give(cudaErrorIllegalState);
  on->capturing = false;
  if (std::exchange(on->capture_broken, false)) return give(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(on->captured)};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  STANDIN_ENTER(cudaStreamIsCapturing);
  STANDIN_STREAM(on, stream);
  *status = on->capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  STANDIN_ENTER(cudaGraphInstantiate);
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  STANDIN_ENTER(cudaGraphLaunch);
  STANDIN_STREAM(on, stream);
  for (const Work& work : exec->work)
    if (const cudaError_t error = enqueue(*on, work); error != cudaSuccess) return give(error);
  if (on->capturing) return cudaSuccess;
  ++state().pending_graphs;
  return give(enqueue(*on, [] {
    --state().pending_graphs;
    return cudaSuccess;
  }));
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  STANDIN_ENTER(cudaGraphExecDestroy);
  delete exec;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  STANDIN_ENTER(cudaGraphDestroy);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  STANDIN_ENTER(cudaEventCreateWithFlags);
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  STANDIN_ENTER(cudaEventCreate);
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  STANDIN_ENTER(cudaEventDestroy);
  if (event->stream != nullptr && event->reached < event->recorded)
    static_cast<void>(drain(*event->stream));
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  STANDIN_ENTER(cudaEventRecord);
  STANDIN_STREAM(on, stream);
  if (on->capturing) return give(cudaErrorStreamCaptureUnsupported);  // of one stream only
  event->stream = on;
  const uint64_t number = ++event->recorded;
  return give(enqueue(*on, [event, number] {
    event->reached = number;
    return cudaSuccess;
  }));
}

// Runs the event's stream no further than the record.
static cudaError_t reach(cudaEvent_t event, uint64_t number) {
  CUstream_st& stream = *event->stream;
  while (event->reached < number && !stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    if (const cudaError_t error = work(); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  STANDIN_ENTER(cudaStreamWaitEvent);
  STANDIN_STREAM(on, stream);
  if (on->capturing) return give(cudaErrorStreamCaptureUnsupported);
  if (event->stream == nullptr) return cudaSuccess;
  return give(enqueue(*on, [event, number = event->recorded] { return reach(event, number); }));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  STANDIN_ENTER(cudaEventSynchronize);
  return event->stream == nullptr ? cudaSuccess : give(reach(event, event->recorded));
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  STANDIN_ENTER(cudaEventQuery);
  if (event->stream == nullptr || event->reached == event->recorded) return cudaSuccess;
  const cudaError_t error =
      reach(event, event->recorded);  // the next question is answered with yes
  return error == cudaSuccess ? cudaErrorNotReady : give(error);
}

}  // extern "C"
