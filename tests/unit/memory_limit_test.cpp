// What control groups and resource limits leave.

#include "core/memory_limit.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "tests/catch.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

// A tree of files that is gone afterwards.
struct Tree {
  fs::path root = fs::temp_directory_path() / ("spikeloom_groups_" + std::to_string(getpid()));
  Tree() { fs::create_directories(root); }
  ~Tree() { fs::remove_all(root); }
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
    return root / name;
  }
};

}  // namespace

TEST_CASE("control groups of version 2: the least of a group and its ancestors", "[memory_limit]") {
  const Tree tree;
  const fs::path own = tree.write("self", "0::/slice/job\n"), groups = tree.root / "fs";
  CHECK(std::isinf(group_memory_limit(own, groups).left));
  tree.write("fs/slice/job/memory.max", "max\n");
  tree.write("fs/slice/job/memory.high", "max\n");
  CHECK(std::isinf(group_memory_limit(own, groups).left));
  tree.write("fs/slice/job/memory.max", "5000\n");
  CHECK(group_memory_limit(own, groups).left == 5000);
  tree.write("fs/slice/job/memory.current", "3000\n");
  CHECK(group_memory_limit(own, groups).left == 2000);
  // Pages of files come back.
  tree.write("fs/slice/job/memory.stat", "anon 1000\nfile 2000\ninactive_file 1500\n");
  CHECK(group_memory_limit(own, groups).left == 3500);
  tree.write("fs/slice/job/memory.high", "2500\n");
  CHECK(group_memory_limit(own, groups).left == 1000);
  CHECK(group_memory_limit(own, groups).what == "the control group's memory.high");
  tree.write("fs/slice/memory.max", "900\n");
  tree.write("fs/slice/memory.current", "1000\n");
  CHECK(group_memory_limit(own, groups).left == 0);
  CHECK(group_memory_limit(own, groups).limit == 900);
}

TEST_CASE("control groups of version 1, and paths of a host that are not there", "[memory_limit]") {
  const Tree tree;
  const fs::path own =
      tree.write("self", "12:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/\n0::/\n");
  const fs::path groups = tree.root / "fs";
  tree.write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(std::isinf(group_memory_limit(own, groups).left));
  tree.write("fs/memory/memory.limit_in_bytes", "8000\n");
  tree.write("fs/memory/memory.usage_in_bytes", "6000\n");
  tree.write("fs/memory/memory.stat", "cache 3000\ntotal_inactive_file 2500\n");
  const MemoryLimit limit = group_memory_limit(own, groups);
  CHECK(limit.left == 4500);
  CHECK(limit.limit == 8000);
  CHECK(limit.what == "the control group's memory.limit_in_bytes");
  // A group of another controller has no say.
  tree.write("fs/memory/x/memory.limit_in_bytes", "1\n");
  CHECK(group_memory_limit(own, groups).left == 4500);
  for (const char* text : {"", "nonsense", "0:", "::::\n", "4:memory\n", "4:memory:../../..\n"})
    CHECK_NOTHROW(group_memory_limit(tree.write("self", text), groups));
}

TEST_CASE("the limit of the address space counts", "[memory_limit]") {
  const MemoryLimit before = memory_limit();
  CHECK(before.left > 0);
  CHECK(before.left <= before.limit);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_AS, &old) == 0);
  const auto restore = old;
  old.rlim_cur = rlim_t{1} << 32;
  if (restore.rlim_cur != RLIM_INFINITY || setrlimit(RLIMIT_AS, &old) != 0) return;
  const MemoryLimit limit = memory_limit();
  setrlimit(RLIMIT_AS, &restore);
  CHECK(limit.left < 0x1p32);
  CHECK(limit.left <= before.left);
  if (before.left > 0x1p32) CHECK(limit.what == "the limit of the address space (ulimit -v)");
#endif
}
