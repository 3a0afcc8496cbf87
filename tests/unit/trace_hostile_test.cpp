// Traces made to hurt HDF5 or the memory: each is refused before HDF5 sees what it could not bear.
// Other refusals: trace_damage_test.cpp. What random damage does: tests/fuzz.

#include <hdf5.h>
#include <zlib.h>

#include <fstream>
#include <functional>

#include "core/error.hpp"
#include "sim/trace/inspect.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;

namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

void write_trace(const fs::path& path, int64_t every = 1) {
  const Graph graph = make_graph(13, 1);
  RecorderOptions options = options_for(path);
  options.layers = {"head.lif"};
  options.every = every;
  Recorder recorder(graph, options);
  feed(make_run(graph, {6, 6}, 0.2, 31), 4, recorder);
  recorder.close();
}

// A trace changed through HDF5 in the format of 1.8, as the recorder uses it.
void edit(const fs::path& path, const std::function<void(hid_t)>& change) {
  write_trace(path);
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
  REQUIRE(file >= 0);
  change(file);
  H5Fclose(file);
  H5Pclose(access);
}

std::string after(const fs::path& path, const std::function<void(hid_t)>& change) {
  edit(path, change);
  return refusal(path);
}

void has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
}

constexpr const char* kPopcount = "/spikeloom/activity/head.lif/popcount";

// Puts stored bytes in the place of the first chunk of a dataset.
void replace_chunk(hid_t file, const char* name, const std::string& stored) {
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  const hsize_t start[2] = {0, 0};
  REQUIRE(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, start, stored.size(), stored.data()) >= 0);
  H5Dclose(dataset);
}

std::string compressed(const std::string& data) {
  std::string out(compressBound(data.size()), '\0');
  uLongf size = out.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                   reinterpret_cast<const Bytef*>(data.data()), data.size()) == Z_OK);
  out.resize(size);
  return out;
}

}  // namespace

TEST_CASE("a chunk that inflates to another size is damage, not a look at the memory behind it") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  for (const size_t size : {0, 1, 47, 49, 100'000}) {
    INFO(size);
    edit(path,
         [&](hid_t file) { replace_chunk(file, kPopcount, compressed(std::string(size, '\1'))); });
    const TraceFile trace(path);
    CHECK_THROWS_WITH(trace.popcounts(0), Catch::Contains("chunk of row 0 is damaged"));
  }
  edit(path, [&](hid_t file) { replace_chunk(file, kPopcount, "no stream"); });
  CHECK_THROWS_WITH(TraceFile(path).popcounts(0), Catch::Contains("damaged"));
  edit(path,
       [&](hid_t file) { replace_chunk(file, kPopcount, compressed(std::string(48, '\1'))); });
  CHECK(TraceFile(path).popcounts(0) == std::vector<uint32_t>(12, 0x01010101));
}

TEST_CASE("structures that HDF5 reads unsafely are refused by name") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  const hid_t oldest = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(oldest);
  has(refusal(path), "superblock version 0");

  has(after(path,
            [](hid_t file) {  // nine links: HDF5's default puts them into a heap
              const hid_t group = H5Gcreate2(file, "/x", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
              for (char name[] = "a"; name[0] <= 'i'; ++name[0]) {
                H5Gclose(H5Gcreate2(group, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
              }
              H5Gclose(group);
            }),
      "links or attributes in a heap are not read");
  const auto attribute = [](hid_t file, hid_t type) {
    const hid_t space = H5Screate(H5S_SCALAR);
    H5Aclose(H5Acreate2(file, "note", type, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
  };
  has(after(path,
            [&](hid_t file) {
              const hid_t text = H5Tcopy(H5T_C_S1);
              H5Tset_size(text, H5T_VARIABLE);
              attribute(file, text);
              H5Tclose(text);
            }),
      "attribute note: a text or list of variable length");
  has(after(path,
            [&](hid_t file) {
              const hid_t pair = H5Tcreate(H5T_COMPOUND, 8);
              H5Tinsert(pair, "a", 0, H5T_NATIVE_INT32);
              H5Tinsert(pair, "b", 4, H5T_NATIVE_INT32);
              attribute(file, pair);
              H5Tclose(pair);
            }),
      "attribute note: type class 6");
  has(after(path,
            [&](hid_t file) {
              const hid_t odd = H5Tcopy(H5T_NATIVE_INT32);
              H5Tset_precision(odd, 17);
              attribute(file, odd);
              H5Tclose(odd);
            }),
      "an integer of odd width");
  has(after(path,
            [](hid_t file) {
              const hid_t type = H5Tcopy(H5T_NATIVE_INT32);
              H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
              H5Tclose(type);
            }),
      "/type: neither a group nor a dataset");
  has(after(path,
            [](hid_t file) {
              const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
              const hsize_t count = 8;
              H5Pset_chunk(properties, 1, &count);
              H5Pset_scaleoffset(properties, H5Z_SO_INT, 0);
              const hid_t space = H5Screate_simple(1, &count, nullptr);
              H5Dclose(H5Dcreate2(file, "x", H5T_STD_I32LE, space, H5P_DEFAULT, properties,
                                  H5P_DEFAULT));
              H5Sclose(space);
              H5Pclose(properties);
            }),
      "/x: filter 6 is not available");
}

TEST_CASE("a tree of chunks that leads astray is refused") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  write_trace(path);
  const std::string sound = bytes_of(path);
  const auto changed = [&](size_t offset, const std::string& bytes) {
    std::string damaged = sound;
    damaged.replace(damaged.find("TREE") + offset, bytes.size(), bytes);
    write_bytes(path, damaged);
    return refusal(path);
  };
  const std::string far("\xff\xff\xff\xff\xff\xff\xff\x0f", 8);
  CHECK(changed(0, "TREE").empty());
  has(changed(0, "TREF"), "damaged tree of chunks");
  has(changed(4, std::string(1, '\0')), "damaged tree of chunks");
  has(changed(5, "\1"), "damaged tree of chunks");            // children that are no nodes
  has(changed(6, "\xff\xff"), "outside of the file");         // 65535 entries
  has(changed(24, "\xff\xff\xff\x7f"), "stores more bytes");  // bytes of the chunk
  has(changed(32, "\1"), "between the places");
  has(changed(24 + 32, far), "stores more bytes");  // its address: two extents and the element
}

TEST_CASE("tables that ask for memory by a number alone are refused") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  // 2^31 steps in one sample, of which one was recorded: a sum per step would take 16 GiB.
  const auto poke = [](hid_t file, const char* name, hid_t type, const void* values) {
    const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    REQUIRE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
  };
  const uint32_t steps[] = {1u << 31, 6};
  has(after(
          path,
          [&](hid_t file) { poke(file, "/spikeloom/samples/n_steps", H5T_NATIVE_UINT32, steps); }),
      "more than 2^24 steps");
  // A billion samples of which none is stored.
  has(after(path,
            [](hid_t file) {
              for (const char* name : {"index", "label", "prediction", "first_step", "n_steps"}) {
                const hid_t dataset = H5Dopen2(
                    file, ("/spikeloom/samples/" + std::string(name)).c_str(), H5P_DEFAULT);
                const hsize_t count = 1'000'000'000;
                H5Dset_extent(dataset, &count);
                H5Dclose(dataset);
              }
            }),
      "bytes where");
}
