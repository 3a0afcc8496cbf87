// Any HDF5 file through a confined process: what it hands over, what it may not do, and what the
// parent makes of one that is broken or hostile.

#include <fcntl.h>
#include <hdf5.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "core/error.hpp"
#include "core/io/hdf5/confinement.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hdf5/id.hpp"
#include "core/io/hdf5/protocol.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using namespace spikeloom::hdf5;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "spikeloom-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

Id make_file(const fs::path& path) {
  const Entry inside = enter();
  return Id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, "create");
}

struct Layout {
  std::vector<hsize_t> chunk;  // empty: contiguous
  std::vector<H5Z_filter_t> filters;
  bool written = true;
  int32_t fill = 0;
};

void write_grid(hid_t file, const char* name, const std::vector<hsize_t>& extents,
                const Layout& layout) {
  const Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make properties");
  if (!layout.chunk.empty()) {
    H5Pset_chunk(properties.get(), static_cast<int>(extents.size()), layout.chunk.data());
  }
  for (const H5Z_filter_t filter : layout.filters) {
    if (filter == H5Z_FILTER_DEFLATE) H5Pset_deflate(properties.get(), 5);
    if (filter == H5Z_FILTER_SHUFFLE) H5Pset_shuffle(properties.get());
    if (filter == H5Z_FILTER_FLETCHER32) H5Pset_fletcher32(properties.get());
  }
  if (layout.fill != 0) H5Pset_fill_value(properties.get(), H5T_NATIVE_INT32, &layout.fill);
  const Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                 H5Sclose, "make a space");
  const Id data(H5Dcreate2(file, name, H5T_STD_I32BE, space.get(), H5P_DEFAULT, properties.get(),
                           H5P_DEFAULT),
                H5Dclose, "create");
  hsize_t count = 1;
  for (const hsize_t extent : extents) count *= extent;
  std::vector<int32_t> values(count);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i * 7919) - 100;
  if (layout.written)
    H5Dwrite(data.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

void write_script(const fs::path& path, const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  chmod(path.c_str(), 0700);
}

std::string failure_of_reading(const fs::path& path) {
  try {
    const ForeignFile file(path);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

void has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
}

// As tests/memory/under_valgrind.py says.
bool under_valgrind() {
  return std::getenv("SPIKELOOM_TEST_SLOWER") != nullptr;
}

// What a child that may nothing gets when it tries.
int after_confinement(const std::function<bool()>& allowed) {
  const pid_t child = fork();
  if (child == 0) {
    if (*confine() != '\0') _exit(77);
    _exit(allowed() ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("parts of datasets come as they are, whatever the layout, chunks and filters") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  const std::vector<hsize_t> extents = {11, 7, 5};
  const std::vector<Layout> layouts = {
      {{}, {}},
      {{4, 3, 2}, {}},
      {{11, 7, 5}, {H5Z_FILTER_DEFLATE}},
      {{1, 7, 3}, {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE}},
      {{5, 5, 5}, {H5Z_FILTER_FLETCHER32, H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE}},
      {{5, 5, 5}, {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32}},
      {{2, 2, 2}, {H5Z_FILTER_FLETCHER32}},
  };
  {
    const Id file = make_file(folder / "a.h5");
    for (size_t i = 0; i < layouts.size(); ++i) {
      write_grid(file.get(), ("grid" + std::to_string(i)).c_str(), extents, layouts[i]);
    }
    write_grid(file.get(), "unwritten", extents, {{4, 4, 4}, {H5Z_FILTER_DEFLATE}, false, -9});
  }
  const ForeignFile file(folder / "a.h5");
  std::mt19937 random(5);
  const auto pick = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  for (size_t i = 0; i < layouts.size(); ++i) {
    const Object* grid = file.find("/grid" + std::to_string(i));
    REQUIRE(grid != nullptr);
    CHECK(grid->shape == Shape{11, 7, 5});
    CHECK(grid->type == ValueType{ValueKind::kInteger, 4});
    for (int part = 0; part < 20; ++part) {
      const Shape start = {pick(11), pick(7), pick(5)};
      const Shape count = {1 + pick(11 - start[0]), 1 + pick(7 - start[1]), 1 + pick(5 - start[2])};
      std::vector<int64_t> values(static_cast<size_t>(element_count(count)));
      file.read<int64_t>(*grid, start, count, values);
      size_t at = 0, wrong = 0;
      for (int64_t x = start[0]; x < start[0] + count[0]; ++x) {
        for (int64_t y = start[1]; y < start[1] + count[1]; ++y) {
          for (int64_t z = start[2]; z < start[2] + count[2]; ++z) {
            wrong += values[at++] != ((x * 7 + y) * 5 + z) * 7919 - 100;
          }
        }
      }
      CHECK(wrong == 0);
    }
  }
  std::vector<int32_t> filled(11 * 7 * 5);
  file.read<int32_t>(*file.find("/unwritten"), {0, 0, 0}, {11, 7, 5}, filled);
  CHECK(filled == std::vector<int32_t>(11 * 7 * 5, -9));
  std::vector<float> reals(1);
  CHECK_THROWS_WITH(file.read<float>(*file.find("/grid0"), {0, 0, 0}, {1, 1, 1}, reals),
                    Catch::Contains("/grid0: holds values of another type"));
  std::vector<int32_t> one(1);
  CHECK_THROWS_WITH(file.read<int32_t>(*file.find("/grid0"), {11, 0, 0}, {1, 1, 1}, one),
                    Catch::Contains("outside of its extent"));
  CHECK(file.find("/grid") == nullptr);
}

TEST_CASE("what is read of a file stays in proportion to it") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  constexpr int64_t kCount = 1 << 20;
  {
    const Id file = make_file(folder / "a.h5");
    write_grid(file.get(), "unwritten", {kCount}, {{1 << 16}, {}, false});
    write_grid(file.get(), "written", {kCount}, {{1 << 16}, {H5Z_FILTER_DEFLATE}});
  }
  const auto size = static_cast<int64_t>(fs::file_size(folder / "a.h5"));
  CHECK(size > 1'000'000);
  {
    const ForeignFile file(folder / "a.h5");
    const Object& object = *file.find("/unwritten");
    for (int64_t left = 128 * size / kCount; left > 0; left -= 8)
      file.claim(object, std::min<int64_t>(left, 8));
    CHECK_THROWS_WITH(file.claim(object, 1), Catch::Contains("/unwritten declares [1048576]"));
    CHECK_THROWS_WITH(file.read_all<int64_t>(*file.find("/written")),
                      Catch::Contains("more than 64 MiB and 128 times the file"));
  }
  const ForeignFile file(folder / "a.h5");
  CHECK(file.read_all<int64_t>(*file.find("/written"))[1] == 7819);
  Object hostile = *file.find("/unwritten");
  hostile.shape = {int64_t{1} << 60};
  CHECK_THROWS_WITH(file.read_all<double>(hostile), Catch::Contains("declares"));
}

TEST_CASE("more than one answer holds is read in parts") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  {
    const Id file = make_file(folder / "a.h5");
    write_grid(file.get(), "long", {3, 3'000'001}, {{1, 100'000}, {H5Z_FILTER_DEFLATE}});
  }
  const ForeignFile file(folder / "a.h5");
  std::vector<int64_t> values(9'000'003);  // 72 MB
  file.read<int64_t>(*file.find("/long"), {0, 0}, {3, 3'000'001}, values);
  size_t wrong = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    wrong += values[i] != static_cast<int32_t>(i * 7919) - 100;
  }
  CHECK(wrong == 0);
}

TEST_CASE("chunks that every row crosses are unpacked once") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  {
    const Id file = make_file(folder / "a.h5");
    write_grid(file.get(), "columns", {20'000, 64}, {{20'000, 1}, {H5Z_FILTER_DEFLATE}});
  }
  const ForeignFile file(folder / "a.h5");
  std::vector<int32_t> values(20'000 * 64);  // unpacked for each row, minutes
  file.read<int32_t>(*file.find("/columns"), {0, 0}, {20'000, 64}, values);
  CHECK(values.back() == static_cast<int32_t>((values.size() - 1) * 7919) - 100);
}

TEST_CASE("attributes and texts of every kind are handed over, or named") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  {
    const Id file = make_file(folder / "a.h5");
    const Id text(H5Tcopy(H5T_C_S1), H5Tclose, "make a type");
    H5Tset_size(text.get(), H5T_VARIABLE);
    const hsize_t two = 2;
    const Id pair(H5Screate_simple(1, &two, nullptr), H5Sclose, "make a space");
    const Id scalar(H5Screate(H5S_SCALAR), H5Sclose, "make a space");
    const char* words[] = {"spike", "loom"};
    const Id list(H5Dcreate2(file.get(), "words", text.get(), pair.get(), H5P_DEFAULT, H5P_DEFAULT,
                             H5P_DEFAULT),
                  H5Dclose, "create");
    H5Dwrite(list.get(), text.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, words);
    const auto attribute = [&](const char* name, hid_t type, const Id& space, hid_t memory,
                               const void* value) {
      const Id id(H5Acreate2(list.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                  H5Aclose, "create");
      if (value != nullptr) H5Awrite(id.get(), memory, value);
    };
    attribute("note", text.get(), scalar, text.get(), &words[1]);
    const double reals[] = {0.5, -2};
    attribute("reals", H5T_IEEE_F32BE, pair, H5T_NATIVE_DOUBLE, reals);
    const uint64_t large = ~uint64_t{0};
    attribute("large", H5T_STD_U64LE, scalar, H5T_NATIVE_UINT64, &large);
    const Id compound(H5Tcreate(H5T_COMPOUND, 4), H5Tclose, "make a type");
    H5Tinsert(compound.get(), "a", 0, H5T_NATIVE_INT32);
    attribute("compound", compound.get(), scalar, compound.get(), nullptr);
    H5Lcreate_soft("/words", file.get(), "alias", H5P_DEFAULT, H5P_DEFAULT);
    const Id group(H5Gcreate2(file.get(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                   "create");
    H5Lcreate_hard(file.get(), "/", group.get(), "loop", H5P_DEFAULT, H5P_DEFAULT);
  }
  const ForeignFile file(folder / "a.h5");
  std::vector<std::string> paths;
  for (const Object& object : file.objects()) paths.push_back(object.path);
  CHECK(paths == std::vector<std::string>{"/", "/alias", "/group", "/group/loop", "/words"});
  CHECK(file.find("/alias")->kind == ObjectKind::kSoftLink);
  const Object& words = *file.find("/words");
  CHECK(file.read_texts(words) == std::vector<std::string>{"spike", "loom"});
  const auto values_of = [&](const std::string& name) {
    for (const Attribute& attribute : words.attributes) {
      if (attribute.name == name) return attribute.values;
    }
    FAIL(name);
    return Values{};
  };
  CHECK(values_of("note") == Values(std::vector<std::string>{"loom"}));
  CHECK(values_of("reals") == Values(std::vector<double>{0.5, -2}));
  CHECK(values_of("large") == Values(std::vector<uint64_t>{~uint64_t{0}}));
  CHECK(values_of("compound").index() == 0);
}

TEST_CASE("a confined process may neither open, connect, start nor map code") {
  if (under_valgrind()) return;  // which itself needs what is taken away
  const int works = after_confinement([] {
    std::vector<char> memory(64 << 20, 'x');
    return memory.back() != 'x';
  });
  REQUIRE(works == 0);
  CHECK(after_confinement([] { return open("/etc/passwd", O_RDONLY) >= 0; }) == 0);
  CHECK(after_confinement([] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }) == 0);
  CHECK(after_confinement([] { return kill(getppid(), 0) == 0; }) == 0);
  CHECK(after_confinement([] { return unlink("/nowhere") == 0 || errno != EPERM; }) == 0);
  CHECK(after_confinement(
            [] { return execl("/bin/true", "true", nullptr) != -1 || errno != EPERM; }) == 0);
  CHECK(after_confinement([] {
          return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                 MAP_FAILED;
        }) == 0);
  CHECK(after_confinement([] {
          const pid_t child = fork();
          if (child == 0) _exit(0);
          return child > 0;
        }) == 0);
}

TEST_CASE("a child that breaks, lies or hangs is an error of the file") {
  const Folder folder;
  { make_file(folder / "a.h5"); }
  const fs::path child = folder / "child";
  const auto with = [&](const std::string& body) {
    write_script(child, body);
    use_foreign_reader(child);
    return failure_of_reading(folder / "a.h5");
  };
  has(with("exit 0"), "HDF5 ended while reading it");
  has(with("kill -SEGV $$"), "ended with signal 11");
  has(with("cat /dev/zero >&0"), "less than it announced");  // hello, then no objects
  has(with("yes >&0"), "ended in disorder");
  has(with("head -c 16 /dev/zero >&0; printf "
           "'\\1\\0\\0\\0\\0\\0\\0\\0\\3\\0\\0\\0\\0\\0\\0\\0n\\033o' >&0; cat"),
      "n?o");  // a reason, made safe to print
  has(with("head -c 16 /dev/zero >&0; printf "
           "'\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0short' >&0"),
      "HDF5 ended");  // 16 MiB announced, five bytes sent
  const auto start = std::chrono::steady_clock::now();
  has(with("head -c 16 /dev/zero >&0; while :; do :; done"), "s of processor time");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  use_foreign_reader("/nowhere/at/all");
  // Valgrind makes a fork of posix_spawn, which then cannot tell its parent why it failed.
  has(failure_of_reading(folder / "a.h5"), under_valgrind() ? "ended" : "No such file");
  use_foreign_reader(SPIKELOOM_PROGRAM);
  CHECK(failure_of_reading(folder / "a.h5").empty());
  has(failure_of_reading(folder / "none.h5"), "No such file");
  has(failure_of_reading("/dev/zero"), "not a regular file");
  std::ofstream(folder / "b.h5") << "no HDF5";
  has(failure_of_reading(folder / "b.h5"), "open as HDF5");
}

TEST_CASE("damage of every byte of a small file ends in values or in an error") {
  use_foreign_reader(SPIKELOOM_PROGRAM);
  const Folder folder;
  {
    const Id file = make_file(folder / "a.h5");
    write_grid(file.get(), "x", {4}, {{2}, {H5Z_FILTER_DEFLATE}});
  }
  std::ifstream stream(folder / "a.h5", std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(stream), {}};
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    std::string damaged = sound;
    for (int k = 0; k < 1 + i % 4; ++k) {
      damaged[random() % 1200 % damaged.size()] = static_cast<char>(random());
    }
    std::ofstream(folder / "b.h5", std::ios::binary) << damaged;
    try {
      const ForeignFile file(folder / "b.h5");
      std::vector<int32_t> values(4);
      if (const Object* x = file.find("/x"); x != nullptr && x->shape == Shape{4}) {
        file.read<int32_t>(*x, {0}, {4}, values);
      }
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kData);
      CHECK(std::string(error.what()).size() < 400);
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("an answer of a child is taken apart with care") {
  Object root, data;
  root.path = "/";
  root.attributes.push_back({"a", {ValueKind::kReal, 8}, {2}, std::vector<double>{1, 2}});
  root.attributes.push_back({"t", {ValueKind::kText, 0}, {}, std::vector<std::string>{"text"}});
  data.path = "/x";
  data.kind = ObjectKind::kDataset;
  data.type = {ValueKind::kUnsigned, 2};
  data.shape = {3, 4};
  const std::vector<std::byte> bytes = encode(std::vector<Object>{root, data});
  const std::vector<Object> objects = decode_objects(bytes);
  REQUIRE(objects.size() == 2);
  CHECK(objects[1].shape == Shape{3, 4});
  CHECK(objects[0].attributes[0].values == root.attributes[0].values);
  CHECK(encode(objects) == bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_THROWS_AS(decode_objects(std::span(bytes).first(size)), Error);
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back({});
  CHECK_THROWS_AS(decode_objects(longer), Error);
  CHECK_THROWS_AS(decode_objects(encode(std::vector<Object>{data, root})), Error);        // order
  CHECK_THROWS_AS(decode_objects(encode(std::vector<Object>{root, data, data})), Error);  // twice
  data.shape = {int64_t{1} << 40, int64_t{1} << 40};
  CHECK_THROWS_AS(decode_objects(encode(std::vector<Object>{root, data})), Error);
  data.shape = {-1};
  CHECK_THROWS_AS(decode_objects(encode(std::vector<Object>{root, data})), Error);
  root.attributes[0].shape = {1 << 20};  // values that it did not send
  CHECK_THROWS_AS(decode_objects(encode(std::vector<Object>{root})), Error);
  CHECK_THROWS_AS(decode_texts({}, 1), Error);
  CHECK_THROWS_AS(decode_texts({}, int64_t{1} << 60), Error);
}
