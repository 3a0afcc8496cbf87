// The recorder of a killed process: what its last flush held is there, whole; and a trace replayed.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "sim/trace/inspect.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;
namespace fs = std::filesystem;

namespace {

// Records sample after sample, flushes each and says so through the pipe, until killed.
[[noreturn]] void record_until_killed(const Graph& graph, const Run& run, const fs::path& path,
                                      int pipe) {
  try {
    Recorder recorder(graph, options_for(path));
    recorder.keep_partial();
    for (size_t s = 0; s < run.spikes.size(); ++s) {
      feed_sample(run, s, 4, recorder);
      recorder.flush();
      const char byte = 1;
      if (write(pipe, &byte, 1) != 1) _exit(2);
    }
    recorder.close();
  } catch (...) {
    _exit(3);
  }
  _exit(0);
}

// Starts the recording, kills it after `pause`; the number of flushes it had reported.
int64_t kill_one(const Graph& graph, const Run& run, const fs::path& path,
                 std::chrono::microseconds pause) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) record_until_killed(graph, run, path, ends[1]);
  close(ends[1]);
  char byte = 0;
  int64_t flushed = read(ends[0], &byte, 1);  // the first flush is awaited
  std::this_thread::sleep_for(pause);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  while (read(ends[0], &byte, 1) == 1) ++flushed;
  close(ends[0]);
  return flushed;
}

}  // namespace

TEST_CASE("100 kills at random moments leave what the last flush held") {
  const Folder folder;
  const Graph graph = make_graph(64, 1);
  const Run run = make_run(graph, std::vector<int64_t>(600, 4), 0.4, 7);
  std::mt19937 random(11);
  std::uniform_int_distribution<int> pauses(0, 60'000);
  int torn = 0, journals = 0;
  for (int round = 0; round < 100; ++round) {
    const fs::path path = folder / "killed.h5";
    const int64_t flushed = kill_one(graph, run, path, std::chrono::microseconds(pauses(random)));
    const fs::path temporary = temporary_of(path);
    if (fs::exists(path)) {  // it had come to its end
      CHECK(verify(TraceFile(path)).empty());
      fs::remove(path);
      continue;
    }
    ++torn;
    journals += fs::exists(hdf5::journal_of(temporary.string()));
    const TraceFile trace(temporary);
    INFO("round " << round << ", " << flushed << " flushes");
    CHECK(!trace.header().complete);
    const auto samples = static_cast<int64_t>(trace.samples().size());
    CHECK(samples >= flushed);
    CHECK(samples <= flushed + 1);  // killed between the flush and its report
    // Nothing is damaged: the only fault is that the run did not end.
    CHECK(verify(trace) == std::vector<std::string>{trace.warning()});
    // And the spikes are those that were fed.
    Signature expected(graph), found(graph);
    for (int64_t s = 0; s < samples; ++s) feed_sample(run, static_cast<size_t>(s), 4, expected);
    replay(trace, graph, samples, found);
    CHECK(found.text() == expected.text());
    fs::remove(temporary);
  }
  CHECK(torn > 50);
  WARN(torn << " of 100 runs were killed before their end, " << journals << " with a journal");
}

TEST_CASE("a whole journal is read, a torn one is not") {
  const Folder folder;
  const std::string file = (folder / "pages").string();
  hdf5::Pages pages;
  pages[3].fill(0xAB);
  pages[70].fill(0xCD);
  const std::string journal = hdf5::journal_of(file);
  // A descriptor that refuses writes: the journal is written, the pages are not.
  const int broken = open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
  fs::resize_file(file, 100 * hdf5::kPageBytes);
  CHECK(hdf5::commit_pages(file, broken, pages, 100 * hdf5::kPageBytes) != 0);
  close(broken);
  CHECK(hdf5::load_journal(file) == pages);
  const auto size = fs::file_size(journal);
  for (const uint64_t shorter : {size - 1, size - 8, size - 8 - 4096, uint64_t{16}, uint64_t{0}}) {
    fs::resize_file(journal, shorter);
    CHECK(hdf5::load_journal(file).empty());
  }
  fs::remove(journal);
  CHECK(hdf5::load_journal(file).empty());
}

TEST_CASE("a replayed trace gives the recorded chunks again") {
  const Folder folder;
  const Graph graph = make_graph(70, 10);
  const Run run = make_run(graph, {3, 5, 1}, 0.3, 5);
  const auto path = folder / "run.h5", copy = folder / "copy.h5";
  auto options = options_for(path);
  SECTION("all of it") {}
  SECTION("every second step") {
    options.every = 2;
  }
  SECTION("one sample") {
    options.samples = {1};
  }
  SECTION("two layers") {
    options.layers = {"stem.lif", "head.lif"};
  }
  Recorder recorder(graph, options);
  feed(run, 2, recorder);
  recorder.close();
  options.path = copy;
  Recorder again(graph, options);
  replay(TraceFile(path), graph, 3, again);
  again.close();
  const TraceFile a(path), b(copy);
  CHECK(verify(b).empty());
  REQUIRE(a.populations().size() == b.populations().size());
  for (size_t p = 0; p < a.populations().size(); ++p) {
    const int64_t rows = a.populations()[p].rows;
    REQUIRE(b.populations()[p].rows == rows);
    if (rows > 0) CHECK(a.bits(p, 0, rows) == b.bits(p, 0, rows));
  }
  CHECK_THROWS_AS(replay(a, graph, 4, again), Error);
  CHECK_THROWS_AS(replay(a, make_graph(64, 1), 1, again), Error);
}
