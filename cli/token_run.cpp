#include "cli/token_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/progress.hpp"
#include "cli/recording.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "datasets/watched.hpp"
#include "sim/counts/finite_watch.hpp"
#include "sim/trace/replay.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kChunk = kTokenChunk;
constexpr int64_t kMaxKeptBytes = int64_t{256} << 20;  // of windows that wait for their turn

// -log softmax(logits)[target], in double.
double surprise(const float* logits, int64_t vocabulary, int32_t target) {
  double largest = static_cast<double>(logits[0]), sum = 0;
  for (int64_t v = 1; v < vocabulary; ++v) {
    largest = std::max(largest, static_cast<double>(logits[v]));
  }
  for (int64_t v = 0; v < vocabulary; ++v) {
    sum += std::exp(static_cast<double>(logits[v]) - largest);
  }
  return std::log(sum) + largest - static_cast<double>(logits[target]);
}

// Nothing where logits or state are no numbers.
std::optional<double> surprise_of(const Session& session, const float* logits, int64_t vocabulary,
                                  int32_t target) {
  if (!all_finite({logits, static_cast<size_t>(vocabulary)}) || !session.not_finite_state().empty())
    return std::nullopt;
  return surprise(logits, vocabulary, target);
}

// Feeds a window to a session that starts anew; take(at) follows every token, chunk() every chunk.
template <typename Chunk, typename Take>
void feed(Session& session, const TokenWindow& window, int threads, Chunk&& chunk, Take&& take) {
  session.reset();
  for (size_t at = window.first; at < window.end;) {
    const auto steps = std::min<int64_t>(kChunk, static_cast<int64_t>(window.end - at));
    Tensor ids({steps, 1});
    for (size_t t = 0; t < static_cast<size_t>(steps); ++t) {
      ids.f32()[t] = static_cast<float>((*window.row)[at + t]);
    }
    session.run_chunk(ids, steps, threads);
    chunk();
    for (int64_t t = 0; t < steps; ++t, ++at) take(at, t);
  }
}

// Everything a run writes a row of for every token.
std::vector<WatchedArray> arrays_of(const TokenExperiment& e, const Graph& graph) {
  auto arrays = watched_arrays(graph, e.output.features, e.output.membranes, e.output.dir);
  if (!e.output.logits) return arrays;
  const NodeId head = *graph.find_output("logits");
  arrays.push_back(
      {head, false, e.output.dir / "logits.npy", {channels_of(graph.node(head).shape)}});
  return arrays;
}

int64_t row_bytes(const WatchedArray& array) {
  return element_count(array.row) * static_cast<int64_t>(sizeof(float));
}

}  // namespace

std::vector<TokenWindow> windows_of(const TokenRows& data, const WantedWindows& wanted) {
  std::vector<TokenWindow> windows;
  int64_t number = data.first_window;
  for (const auto& row : data.rows) {
    const size_t step = wanted.length == 0 ? row.size() : static_cast<size_t>(wanted.length);
    for (size_t first = 0; first < row.size(); first += std::min(step, row.size() - first)) {
      if (number >= wanted.end()) return windows;
      if (number++ >= wanted.skip)
        windows.push_back({&row, first, first + std::min(step, row.size() - first)});
    }
  }
  return windows;
}

int64_t tokens_in(const std::vector<TokenWindow>& windows, int64_t count) {
  int64_t tokens = 0;
  for (int64_t w = 0; w < count; ++w) tokens += windows[static_cast<size_t>(w)].tokens();
  return tokens;
}

Digest digest_of(const TokenWindow& window) {
  const std::vector<int32_t>& row = *window.row;
  const size_t end = std::min(window.end + 1, row.size());
  std::vector<int32_t> tokens(row.begin() + static_cast<int64_t>(window.first),
                              row.begin() + static_cast<int64_t>(end));
  tokens.push_back(static_cast<int32_t>(window.end - window.first));
  return sha256(std::as_bytes(std::span(tokens)));
}

void check_inputs(const std::vector<TokenWindow>& windows, const std::vector<Digest>& earlier) {
  for (size_t w = 0; w < std::min(windows.size(), earlier.size()); ++w) {
    if (digest_of(windows[w]) == earlier[w]) continue;
    throw Error(ErrorCode::kUsage,
                fmt::format("dataset.path: window {} is not what the unfinished run read; run "
                            "without --resume to start over",
                            w));
  }
}

TokenRun::TokenRun(const TokenSetup& setup, const Graph& graph, Weights weights, RunState& state)
    : setup_(setup),
      experiment_(setup.experiment),
      state_(state),
      graph_(graph),
      head_(*graph.find_output("logits")),
      vocabulary_(channels_of(graph.node(head_).shape)),
      counter_(graph),
      signature_(graph),
      pace_(experiment_.output.checkpoint_s) {
  const bool again = state.done > 0;
  if (setup.keeps) open_arrays(again);
  if (experiment_.trace.enabled && setup.keeps) {
    if (again) earlier_trace_ = earlier_output(experiment_.output.dir / "trace.h5", state);
    recorder_.emplace(graph, recorder_options(experiment_, graph, weights, setup.config_json,
                                              setup.weights_sha256, experiment_.data.window));
  }
  QuantizedWeights executed =
      in_precision(graph, std::move(weights), experiment_.run.precision.precision);
  quantized_ = std::move(executed.layers);
  PlanOptions options{experiment_.run.schedule, kChunk, {}};
  for (const Array& array : arrays_) keep_arrays(graph, {array.watched}, options);
  const auto plan =
      compile(graph, std::move(executed.weights), make_backend(experiment_.run.device), options);
  sessions_.push_back(std::make_unique<Session>(plan));
  for (int64_t s = 1; s < side_by_side(); ++s) sessions_.push_back(std::make_unique<Session>(plan));
  if (again) resume();
}

void TokenRun::open_arrays(bool again) {
  for (const WatchedArray& watched : arrays_of(experiment_, graph_)) {
    Array array{watched, again ? earlier_output(watched.path, state_) : ClaimedFile(), nullptr};
    array.file = std::make_unique<NpyWriter>(watched.path, watched.row);
    arrays_.push_back(std::move(array));
  }
}

// Windows in flight: as many as wanted, as there are, as what they leave behind has room.
int64_t TokenRun::side_by_side() const {
  const auto longest =
      std::max_element(setup_.windows.begin(), setup_.windows.end(),
                       [](const auto& a, const auto& b) { return a.tokens() < b.tokens(); });
  if (longest == setup_.windows.end()) return 1;
  auto bytes = static_cast<int64_t>(sizeof(double));
  const SpikeChunk chunk = sessions_[0]->last_chunk();
  for (const int64_t words : chunk.words) bytes += words * static_cast<int64_t>(sizeof(uint64_t));
  for (const Array& array : arrays_) bytes += row_bytes(array.watched);
  const int64_t room = kMaxKeptBytes / (bytes * longest->tokens());
  const auto windows = static_cast<int64_t>(setup_.windows.size());
  return std::max<int64_t>(1, std::min({experiment_.run.batch, windows, room}));
}

void TokenRun::run(const Shape& leading) {
  const auto size = static_cast<int64_t>(setup_.windows.size());
  const auto batch = static_cast<int64_t>(sessions_.size());
  const int64_t first = state_.done;
  Progress progress(setup_.keeps ? "windows" : "dense twin", size, setup_.quiet);
  // The very first window always ends: there is something to report.
  while (state_.done < size && !(state_.done > first && interrupted())) {
    const int64_t count = std::min(batch, size - state_.done);
    if (count > 1 && count >= experiment_.run.threads) {
      run_side_by_side(count);
    } else {
      run_alone(setup_.windows[static_cast<size_t>(state_.done)]);
    }
    progress.update(state_.done, "");
    if (setup_.keeps && pace_.due()) pace_.run([this] { checkpoint(); });
  }
  collect();
  if (recorder_) {
    recorder_->set_signature(signature_.text());
    recorder_->set_inputs(digest_text(state_.inputs));
    recorder_->close();
  }
  for (Array& array : arrays_) array.file->finish(state_.done == size ? leading : Shape{tokens_});
  state_.unnamed.clear();
  if (setup_.keeps && state_.done < size) {
    save_checkpoint(*setup_.folder, setup_.identity, state_);
  }
}

// Results go to their places as they come.
void TokenRun::run_alone(const TokenWindow& window) {
  Session& session = *sessions_[0];
  std::vector<float> row;
  begin_window();
  feed(
      session, window, experiment_.run.threads,
      [&] {
        for (TraceSink* sink : sinks()) sink->chunk(session.last_chunk());
      },
      [&](size_t at, int64_t step) {
        const float* logits = session.view(head_, step).real_row(0, 0);
        for (Array& array : arrays_) {
          row.clear();
          append_step(session, array.watched, step, row);
          array.file->append(row);
        }
        if (at + 1 == window.row->size()) return;
        count_prediction(surprise_of(session, logits, vocabulary_, (*window.row)[at + 1]));
      });
  end_window(window);
}

// The next `count` windows, a thread each; a window that Ctrl-C keeps from starting ends the row.
void TokenRun::run_side_by_side(int64_t count) {
  const auto window = [&](int64_t i) -> const TokenWindow& {
    return setup_.windows[static_cast<size_t>(state_.done + i)];
  };
  std::vector<Kept> kept;
  for (int64_t i = 0; i < count; ++i) kept.push_back(room_for(window(i)));
  parallel_samples(count, experiment_.run.threads, [&](int64_t i) {
    if (i > 0 && interrupted()) return;
    const auto s = static_cast<size_t>(i);
    run_kept(*sessions_[s], window(i), kept[s]);
  });
  for (const Kept& one : kept) {
    if (!one.executed) return;
    hand_on(window(0), one);
  }
}

// All memory a window needs, so that none is wanted while windows run side by side.
TokenRun::Kept TokenRun::room_for(const TokenWindow& window) const {
  const auto tokens = static_cast<size_t>(window.tokens());
  Kept kept;
  for (const int64_t words : sessions_[0]->last_chunk().words) {
    kept.bits.emplace_back().reserve(tokens * static_cast<size_t>(words));
  }
  kept.surprises.reserve(tokens);
  for (const Array& array : arrays_)
    kept.arrays.emplace_back().reserve(tokens *
                                       static_cast<size_t>(element_count(array.watched.row)));
  return kept;
}

void TokenRun::run_kept(Session& session, const TokenWindow& window, Kept& kept) const {
  feed(
      session, window, 1,
      [&] {
        const SpikeChunk chunk = session.last_chunk();
        for (size_t p = 0; p < kept.bits.size(); ++p) {
          kept.bits[p].insert(kept.bits[p].end(), chunk.bits[p],
                              chunk.bits[p] + chunk.steps * chunk.words[p]);
        }
      },
      [&](size_t at, int64_t step) {
        const float* logits = session.view(head_, step).real_row(0, 0);
        for (size_t a = 0; a < arrays_.size(); ++a)
          append_step(session, arrays_[a].watched, step, kept.arrays[a]);
        if (at + 1 == window.row->size()) return;
        kept.surprises.push_back(surprise_of(session, logits, vocabulary_, (*window.row)[at + 1]));
      });
  kept.executed = true;
}

void TokenRun::hand_on(const TokenWindow& window, const Kept& kept) {
  const Plan& plan = sessions_[0]->plan();
  std::vector<const uint64_t*> bits;
  std::vector<int64_t> words;
  for (const auto& population : kept.bits) {
    bits.push_back(population.data());
    words.push_back(static_cast<int64_t>(population.size()) / window.tokens());
  }
  begin_window();
  for (TraceSink* sink : sinks()) {
    sink->chunk({plan.populations, 0, window.tokens(), bits, words});
  }
  for (size_t a = 0; a < arrays_.size(); ++a) arrays_[a].file->append(kept.arrays[a]);
  for (const auto& nats : kept.surprises) count_prediction(nats);
  end_window(window);
}

void TokenRun::count_prediction(std::optional<double> nats) {
  ++state_.predictions;
  if (nats) {
    state_.nats += *nats;
  } else {
    state_.not_finite.add(state_.predictions - 1, "logits");
  }
}

void TokenRun::begin_window() {
  for (TraceSink* sink : sinks()) sink->begin_sample({state_.done, -1, tokens_});
}

void TokenRun::end_window(const TokenWindow& window) {
  for (TraceSink* sink : sinks()) sink->end_sample({window.tokens(), -1});
  ++state_.done;
  tokens_ += window.tokens();
}

std::vector<TraceSink*> TokenRun::sinks() {
  std::vector<TraceSink*> all{&counter_, &signature_};
  if (recorder_) all.push_back(&*recorder_);
  return all;
}

void TokenRun::collect() {
  state_.statistics = counter_.statistics();
  state_.signature = signature_.hashes();
  for (size_t w = state_.inputs.size(); static_cast<int64_t>(w) < state_.done; ++w)
    state_.inputs.push_back(digest_of(setup_.windows[w]));
  state_.seconds = earlier_seconds_ + std::chrono::duration<double>(Clock::now() - start_).count();
}

// First what it tells of, then the checkpoint.
void TokenRun::checkpoint() {
  collect();
  if (recorder_) recorder_->flush();
  for (Array& array : arrays_) {
    array.file->flush();
    add_unnamed(state_.unnamed, array.watched.path, array.file->file().temporary());
  }
  if (recorder_)
    add_unnamed(state_.unnamed, experiment_.output.dir / "trace.h5", recorder_->temporary());
  save_checkpoint(*setup_.folder, setup_.identity, state_);
  if (recorder_) recorder_->keep_partial();
  for (Array& array : arrays_) array.file->keep_partial();
}

// Takes over what an earlier process wrote. Until the new files hold all of it, the old ones stay
// where they are.
void TokenRun::resume() {
  counter_.restore(state_.statistics);
  signature_.restore(state_.signature);
  tokens_ = tokens_in(setup_.windows, state_.done);
  for (Array& array : arrays_) array.file->copy_rows(array.earlier.path(), tokens_);
  if (recorder_) replay(TraceFile(earlier_trace_.path()), graph_, state_.done, *recorder_);
  checkpoint();
  for (Array& array : arrays_) array.earlier = ClaimedFile();
  earlier_trace_ = ClaimedFile();
  remove_leftovers(experiment_.output.dir);
}

}  // namespace spikeloom
