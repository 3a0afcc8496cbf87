#include "run/price_trace.hpp"

#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/parallel.hpp"
#include "hw_model/report/trace_view.hpp"
#include "run/chip_dense.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {
namespace {

// Chips outermost, then keys in the order given; the last one runs fastest.
std::vector<ChipJob> jobs_of(const TracePricing& pricing) {
  if (pricing.combinations() > kMostChipRuns)
    throw Error(ErrorCode::kUsage, fmt::format("more than {} combinations", kMostChipRuns));
  std::vector<ChipJob> jobs;
  for (const std::string& chip : pricing.chips) {
    jobs.push_back(pricing.job);
    jobs.back().chip = chip;
    jobs.back().title = pricing.job.trace.string();
  }
  for (const auto& [key, values] : pricing.sweep) {
    std::vector<ChipJob> more;
    for (const ChipJob& job : jobs) {
      for (const std::string& value : values) {
        more.push_back(job);
        more.back().settings.emplace_back(key, value);
        if (key == "mapper") more.back().mapper = mapper_named(value, key);
      }
    }
    jobs = std::move(more);
  }
  return jobs;
}

bool is_refusal(ErrorCode code) {
  return code == ErrorCode::kCapacity || code == ErrorCode::kUsage;
}

ChipRun refusal_of(const ChipJob& job, const Error& error) {
  ChipRun run;
  run.label = label_of(job);
  run.chip = job.chip;
  run.settings = job.settings;
  run.refused = error.what();
  return run;
}

std::vector<ChipRun> run_jobs(std::vector<ChipJob> jobs, const Graph& graph, int threads,
                              const Observer& observer) {
  const auto count = static_cast<int64_t>(jobs.size());
  observer.report({"chips", 0, count > 1 ? count : 0, ""});
  if (jobs.size() == 1) return {run_chip_job(jobs[0], graph)};
  for (const ChipJob& job : jobs) load_chip(job.chip, chip_sets(job));  // wrong keys and values
  for (ChipJob& job : jobs) job.threads = 1;
  std::vector<ChipRun> runs(jobs.size());
  std::vector<std::optional<Error>> errors(jobs.size());
  std::mutex telling;
  int64_t done = 0;
  parallel_samples(count, threads, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      runs[at] = run_chip_job(jobs[at], graph);
    } catch (const Error& error) {
      errors[at] = error;
    } catch (const std::exception& error) {
      errors[at] = Error(ErrorCode::kCapacity, error.what());
    }
    const std::lock_guard lock(telling);
    observer.report({"chips", ++done, count, ""});
  });
  bool any = false;
  for (size_t i = 0; i < jobs.size(); ++i) {
    any = any || !errors[i];
    if (!errors[i]) continue;
    if (!is_refusal(errors[i]->code())) throw *errors[i];
    runs[i] = refusal_of(jobs[i], *errors[i]);
  }
  if (!any) throw errors[0]->in(runs[0].label);
  return runs;
}

}  // namespace

size_t TracePricing::combinations() const {
  size_t count = chips.size();
  for (const auto& [key, values] : sweep) {
    if (count <= kMostChipRuns) count *= values.size();
  }
  return count;
}

std::filesystem::path trace_in(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto inside = path / "trace.h5";
  return std::filesystem::is_regular_file(inside, ignored) ? inside : path;
}

namespace {

// Accelerators run the network as dense as it is; what twins saved on zeros stands beside a trace.
void add_dense(const TracePricing& pricing, const Graph& graph, int64_t steps, ChipReport& report,
               std::vector<ChipJob>& jobs) {
  if (pricing.dense.empty()) return;
  const auto zeros = pricing.job.trace.empty() ? std::map<std::string, double>()
                                               : twin_zeros(pricing.job.trace, report.signature);
  std::vector<DenseSide> dense;
  for (const std::string& name : pricing.dense) {
    dense.push_back(run_accelerator(name, graph, steps, zeros));
    report.dense.push_back(*dense.back().row);
  }
  for (ChipJob& job : jobs) job.dense = dense;
}

// Files that a recording is read from; they may not change meanwhile.
class HashedFiles {
 public:
  explicit HashedFiles(const RecordingFiles& files) {
    for (const std::filesystem::path& path : files.network) add("network", path);
    add("spikes", files.spikes);
  }
  void add(const char* role, const std::filesystem::path& path) {
    open_.push_back(std::make_unique<InputFile>(path));
    names_.push_back({role, path.string(), open_.back()->sha256()});
  }
  std::vector<ChipReport::Recording::File> names() const {
    for (const auto& file : open_) file->check_unchanged();
    return names_;
  }

 private:
  std::vector<std::unique_ptr<InputFile>> open_;
  std::vector<ChipReport::Recording::File> names_;
};

PricedTrace price_recording(const TracePricing& pricing, std::vector<ChipJob> jobs) {
  const RecordingFiles& files = *pricing.recording;
  HashedFiles hashed(files);
  const std::shared_ptr<const ChipRecording> recording = read_recording(files);
  for (const std::filesystem::path& path : recording->named) hashed.add("network", path);
  PricedTrace priced;
  ChipReport& report = priced.report;
  report.recording = {hashed.names(), {}, recording->notes};
  if (recording->dt > 0) report.recording->dt = recording->dt;
  priced.warnings = recording->notes;
  report.trace = files.spikes.string();
  report.title = fmt::format("{}, spikes of {}", files.network[0].string(), report.trace);
  report.signature = signature_of(recording->graph, recording->record);
  for (ChipJob& job : jobs) {
    job.recording = recording;
    job.title = report.title;
  }
  add_dense(pricing, recording->graph, recording->record.sample_steps[0], report, jobs);
  report.runs = run_jobs(std::move(jobs), recording->graph, pricing.job.threads, pricing.observer);
  return priced;
}

}  // namespace

PricedTrace price_trace(const TracePricing& pricing) {
  std::vector<ChipJob> jobs = jobs_of(pricing);
  if (pricing.recording) return price_recording(pricing, std::move(jobs));
  const TraceFile trace(pricing.job.trace);
  const Graph graph =
      graph_from_json(trace.graph_json(), pricing.job.trace.string() + ": stored graph");
  PricedTrace priced;
  ChipReport& report = priced.report;
  report.title = report.trace = pricing.job.trace.string();
  report.signature = trace.header().signature;
  add_dense(pricing, graph, trace.samples().empty() ? 1 : trace.samples()[0].steps, report, jobs);
  report.runs = run_jobs(std::move(jobs), graph, pricing.job.threads, pricing.observer);
  const Accuracy accuracy = accuracy_of(trace);
  report.labelled = accuracy.total;
  report.correct = accuracy.correct;
  if (!trace.warning().empty()) priced.warnings.push_back(trace.warning());
  return priced;
}

}  // namespace spikeloom
