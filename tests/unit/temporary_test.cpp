// What lies in the way of a new file, what killed processes leave, who may write to a folder.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "core/io/folder_lock.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;
namespace fs = std::filesystem;

namespace {

// Runs in a child and waits for it to say so; kill it afterwards.
template <typename F>
pid_t child_that(F&& act) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    act(ends[1]);
    pause();
    _exit(0);
  }
  close(ends[1]);
  char byte = 0;
  CHECK(read(ends[0], &byte, 1) == 1);
  close(ends[0]);
  return child;
}

void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

void say_ready(int pipe) {
  const char byte = 1;
  if (write(pipe, &byte, 1) != 1) _exit(2);
}

}  // namespace

TEST_CASE("temporary names cannot be told in advance") {
  const Scratch scratch;
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    const TemporaryFile file(scratch / "out");
    const std::string name = file.path().filename().string();
    CHECK(is_temporary_name(name, "out"));
    CHECK(is_temporary_name(name));
    CHECK(!is_temporary_name(name, "ou"));
    names.insert(name);
  }
  CHECK(names.size() == 100);
  CHECK(scratch.list().empty());
  for (const char* other : {"out.tmp", "out.0123456789abcdeF.tmp", "out.0123456789abcde.tmp",
                            ".0123456789abcdef.tmp", "out.0123456789abcdef.tmp.journal", ""}) {
    CHECK(!is_temporary_name(other));
  }
}

TEST_CASE("a long final name leaves room for the digits") {
  const Scratch scratch;
  const std::string name(255, 'n');
  write_text_file(scratch / name, "long");
  CHECK(scratch.list() == std::vector<std::string>{name});
  TemporaryFile file(scratch / name);
  file.keep();
  CHECK(is_temporary_name(file.path().filename().string(), name));
}

TEST_CASE("links and other things in the place of a final name are left alone") {
  const Scratch scratch;
  write_text_file(scratch / "victim", "mine");
  const auto refused = [&](const char* name) {
    has(error_of([&] { write_text_file(scratch / name, "new"); }, ErrorCode::kRuntime),
        std::string(name) + ": exists and is not a regular file");
  };
  fs::create_symlink("victim", scratch / "link");
  refused("link");
  fs::create_symlink("nowhere", scratch / "dangling");
  refused("dangling");
  fs::create_directory(scratch / "folder");
  refused("folder");
  REQUIRE(mkfifo((scratch / "pipe").c_str(), 0600) == 0);
  refused("pipe");
  // A hard link: the name gets the new file, the other name keeps the old one.
  fs::create_hard_link(scratch / "victim", scratch / "hard");
  write_text_file(scratch / "hard", "new");
  CHECK(text_of(scratch / "hard") == "new");
  CHECK(text_of(scratch / "victim") == "mine");
}

TEST_CASE("a temporary name taken by somebody else is no longer ours to rename or remove") {
  const Scratch scratch;
  write_text_file(scratch / "victim", "mine");
  for (const bool publish : {false, true}) {
    fs::path taken;
    {
      TemporaryFile file(scratch / "out");
      taken = file.path();
      fs::remove(taken);
      fs::create_symlink("victim", taken);
      if (publish) CHECK(file.publish() == ESTALE);
    }
    CHECK(fs::is_symlink(taken));
    CHECK(!fs::exists(scratch / "out"));
    CHECK(text_of(scratch / "victim") == "mine");
    fs::remove(taken);
  }
}

TEST_CASE("leftovers of the dead are removed, files of the living are not") {
  const Scratch scratch;
  fs::path name;
  const pid_t child = child_that([&](int pipe) {
    auto* file = new TemporaryFile(scratch / "out");
    if (write(file->descriptor(), "x", 1) != 1) _exit(2);
    say_ready(pipe);
  });
  REQUIRE(scratch.list().size() == 1);
  {
    // Another writer of the same name while the first lives.
    write_text_file(scratch / "out", "second");
    CHECK(scratch.list().size() == 2);
  }
  end(child);
  write_text_file(scratch / "other", "another name");
  CHECK(scratch.list().size() == 3);
  write_text_file(scratch / "out", "third");
  CHECK(scratch.list().size() == 2);
  CHECK(text_of(scratch / "out") == "third");
}

TEST_CASE("a claimed leftover stays; links and second names are refused") {
  const Scratch scratch;
  const fs::path left = scratch / "out.0123456789abcdef.tmp";
  write_text_file(left, "rows");
  {
    const ClaimedFile claimed(left);
    REQUIRE(claimed);
    remove_leftovers(scratch / ".");
    CHECK(text_of(claimed.path()) == "rows");
  }
  CHECK(!ClaimedFile(scratch / "none"));
  fs::create_symlink(left, scratch / "link");
  has(error_of([&] { ClaimedFile(scratch / "link"); }), "link: is no file that an unfinished run");
  has(error_of([&] { ClaimedFile(scratch / "."); }), "is no file that an unfinished run");
  fs::create_hard_link(left, scratch / "second");
  has(error_of([&] { ClaimedFile{left}; }), "is no file that an unfinished run");
  // A link that looks like a leftover is not followed, nor removed.
  fs::create_symlink("second", scratch / "out.00000000000000aa.tmp");
  remove_leftovers(scratch / ".");
  CHECK(fs::is_symlink(scratch / "out.00000000000000aa.tmp"));
  CHECK(text_of(scratch / "second") == "rows");
}

TEST_CASE("a folder has one writer, and the lock dies with it") {
  const Scratch scratch;
  CHECK(!FolderLock::of_existing(scratch / "new"));
  const pid_t child = child_that([&](int pipe) {
    auto* lock = new FolderLock(scratch / "new/deep");
    if (!lock->is_locked()) _exit(2);
    say_ready(pipe);
  });
  const auto refused = [&] {
    has(error_of([&] { FolderLock{scratch / "new/deep"}; }, ErrorCode::kRuntime),
        "new/deep: another run is writing to this folder");
    error_of([&] { FolderLock::of_existing(scratch / "new/deep"); }, ErrorCode::kRuntime);
  };
  refused();
  // The same folder by another way.
  fs::create_directory_symlink(scratch / "new/deep", scratch / "way");
  error_of([&] { FolderLock{scratch / "way"}; }, ErrorCode::kRuntime);
  CHECK(FolderLock(scratch / "new").is_locked());  // the folder above is another one
  end(child);
  {
    const FolderLock lock(scratch / "new/deep");
    CHECK(lock.is_locked());
    refused();
  }
  CHECK(FolderLock::of_existing(scratch / "way"));
}

TEST_CASE("a folder that was removed or replaced is noticed") {
  const Scratch scratch;
  const FolderLock lock(scratch / "out");
  lock.check();
  fs::rename(scratch / "out", scratch / "moved");
  has(error_of([&] { lock.check(); }, ErrorCode::kRuntime), "out: the output folder is gone");
  const FolderLock second(scratch / "out");
  has(error_of([&] { lock.check(); }, ErrorCode::kRuntime), "out: the output folder was replaced");
  second.check();
}
