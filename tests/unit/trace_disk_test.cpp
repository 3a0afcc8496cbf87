// The recorder on a disk that fills up, played by the limit on file sizes.

#include <sys/resource.h>

#include <csignal>

#include "core/error.hpp"
#include "sim/trace/inspect.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;
namespace fs = std::filesystem;

TEST_CASE("a full disk is an error that names the file, wherever it strikes") {
  const Folder folder;
  const fs::path path = folder / "full.h5";
  const Graph graph = make_graph(64, 1);
  const Run run = make_run(graph, {400, 400}, 0.6, 41);
  const auto record = [&] {
    Recorder recorder(graph, options_for(path));
    feed(run, 50, recorder);
    recorder.close();
  };
  record();
  const auto size = fs::file_size(path);
  fs::remove(path);

  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  int failures = 0;
  for (uint64_t limit = 0; limit <= size + 100'000; limit += limit < 4096 ? 512 : size / 23) {
    struct rlimit small = before;
    small.rlim_cur = limit;
    setrlimit(RLIMIT_FSIZE, &small);
    std::string message;
    try {
      record();
    } catch (const Error& error) {
      message = error.code() == ErrorCode::kRuntime ? error.what() : "wrong code";
    }
    setrlimit(RLIMIT_FSIZE, &before);
    const bool fits = limit >= size;
    failures += message.empty() ? 0 : 1;
    INFO("limit " << limit << " of " << size << ": " << message);
    CHECK(message.empty() == fs::exists(path));
    if (!message.empty()) CHECK(message.find("full.h5: cannot write: ") != std::string::npos);
    if (fits && message.empty()) CHECK(verify(TraceFile(path)).empty());
    CHECK(temporary_of(path).empty());
    fs::remove(path);
  }
  std::signal(SIGXFSZ, old_handler);
  CHECK(failures > 20);
  record();  // HDF5 is still in order
  CHECK(verify(TraceFile(path)).empty());
}
