// Trace files in bad weather: damage that verify() must find, hostile files that must be refused,
// files cut short or with flipped bits. Disks that fill up: trace_disk_test.cpp.

#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "core/error.hpp"
#include "sim/trace/inspect.hpp"
#include "sim/trace/signature.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;

namespace {

namespace fs = std::filesystem;

std::vector<char> bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_bytes(const fs::path& path, const std::vector<char>& bytes, size_t count) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(count));
}

// 13 channels: 78 neurons in maps and tokens, two pad bits. Event lists for all.
// `layers` empty: all.
void write_trace(const fs::path& path, double density = 0.2, bool gzip = true,
                 const std::vector<std::string>& layers = {}) {
  const Graph graph = make_graph(13, 1);
  const Run run = make_run(graph, {6, 6, 6}, density, 31);
  RecorderOptions options = options_for(path);
  options.events_gzip = gzip;
  options.layers = options.events = layers;
  for (const Population& population : run.populations) {
    if (layers.empty()) options.events.push_back(population.name);
  }
  Recorder recorder(graph, options);
  Signature signature(graph);
  feed(run, 4, recorder);
  feed(run, 4, signature);
  recorder.set_signature(signature.text());
  recorder.close();
}

// Opens a file for writing by hand.
void edit(const fs::path& path, const std::function<void(hid_t)>& change) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(file >= 0);
  change(file);
  H5Fclose(file);
}

// Replaces one value of a dataset of rank 1 or 2.
template <typename T>
void poke(hid_t file, const char* name, hsize_t row, hsize_t column, hid_t type,
          const std::function<T(T)>& change) {
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  REQUIRE(dataset >= 0);
  const hid_t space = H5Dget_space(dataset);
  const hsize_t start[2] = {row, column}, one[2] = {1, 1};
  const hid_t memory = H5Screate_simple(H5Sget_simple_extent_ndims(space), one, nullptr);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, one, nullptr);
  T value{};
  REQUIRE(H5Dread(dataset, type, memory, space, H5P_DEFAULT, &value) >= 0);
  value = change(value);
  REQUIRE(H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, &value) >= 0);
  H5Sclose(memory);
  H5Sclose(space);
  H5Dclose(dataset);
}

void resize(hid_t file, const char* name, hsize_t rows, hsize_t width) {
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  const hsize_t extent[2] = {rows, width};
  REQUIRE(H5Dset_extent(dataset, extent) >= 0);
  H5Dclose(dataset);
}

bool contains(const std::vector<std::string>& faults, const std::string& text) {
  for (const std::string& fault : faults) {
    if (fault.find(text) != std::string::npos) return true;
  }
  return false;
}

// Everything a user can do with a file; whatever is thrown must be an Error.
void use(const fs::path& path) {
  try {
    const TraceFile trace(path);
    summarise(trace);
    verify(trace);
    for (const TracePopulation& population : trace.populations()) {
      try {
        std::ostringstream csv;
        export_events(trace, population.name, csv);
        if (population.rows > 0) trace.read(*trace.find(population.name), population.rows - 1);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
}

}  // namespace

TEST_CASE("verify finds each kind of damage") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  const auto faults_after = [&](const std::function<void(hid_t)>& change) {
    write_trace(path);
    edit(path, change);
    return verify(TraceFile(path));
  };
  const char* bits = "/spikeloom/activity/stem.lif/bits";
  const char* popcount = "/spikeloom/activity/stem.lif/popcount";
  CHECK(faults_after([](hid_t) {}).empty());

  auto faults = faults_after([&](hid_t file) {
    poke<uint8_t>(file, bits, 3, 2, H5T_NATIVE_UINT8,
                  [](uint8_t byte) -> uint8_t { return byte ^ 4; });
  });
  CHECK(contains(faults, "stem.lif: row 3: popcount is"));
  CHECK(contains(faults, "stem.lif: event"));
  CHECK(!contains(faults, "signature"));

  faults = faults_after([&](hid_t file) {
    poke<uint8_t>(file, bits, 7, 9, H5T_NATIVE_UINT8,
                  [](uint8_t byte) -> uint8_t { return byte | 0x80; });
  });
  CHECK(contains(faults, "stem.lif: row 7: pad bits are set"));
  const TraceFile padded(path);
  CHECK_THROWS_AS(padded.read(0, 7), Error);

  faults = faults_after([&](hid_t file) {
    poke<uint32_t>(file, popcount, 5, 0, H5T_NATIVE_UINT32,
                   [](uint32_t count) { return count + 1; });
  });
  CHECK(contains(faults, "stem.lif: row 5: popcount is"));
  CHECK(contains(faults, "signature is"));

  faults = faults_after([](hid_t file) {
    poke<uint64_t>(file, "/spikes/head.lif/node_ids", 4, 0, H5T_NATIVE_UINT64,
                   [](uint64_t) { return uint64_t{999}; });
  });
  REQUIRE(faults.size() == 1);
  CHECK(contains(faults, "head.lif: event 4 is node 999"));

  faults = faults_after([](hid_t file) {
    poke<double>(file, "/spikes/head.lif/timestamps", 4, 0, H5T_NATIVE_DOUBLE,
                 [](double) { return std::nan(""); });
  });
  CHECK(contains(faults, "head.lif: event 4 is node"));

  faults = faults_after([](hid_t file) {
    for (const char* name : {"/spikes/head.lif/node_ids", "/spikes/head.lif/timestamps"})
      resize(file, name, 3, 0);
  });
  CHECK(contains(faults, "head.lif: the event list has 3 events"));

  faults = faults_after([](hid_t file) { resize(file, "/spikes/head.lif/node_ids", 3, 0); });
  CHECK(contains(faults, "timestamps and node_ids differ in length"));

  faults = faults_after([&](hid_t file) { resize(file, popcount, 11, 0); });
  CHECK(contains(faults, "differ in length"));

  faults = faults_after([&](hid_t file) {
    resize(file, popcount, 11, 0);
    resize(file, bits, 11, 10);
  });
  CHECK(contains(faults, "stem.lif: 11 rows for 18 steps"));

  faults = faults_after(
      [](hid_t file) { H5Ldelete(file, "/spikeloom/activity/stem.lif/bits", H5P_DEFAULT); });
  CHECK(contains(faults, "stem.lif"));

  faults = faults_after([](hid_t file) { H5Ldelete(file, "/spikeloom/graph", H5P_DEFAULT); });
  CHECK(contains(faults, "graph"));

  faults = faults_after([](hid_t file) { H5Adelete(file, "complete"); });
  CHECK(contains(faults, "did not end in order"));

  faults = faults_after([](hid_t file) {
    poke<uint32_t>(file, "/spikeloom/samples/n_steps", 1, 0, H5T_NATIVE_UINT32,
                   [](uint32_t) { return 5u; });
  });
  CHECK(contains(faults, "more rows than the samples have steps"));
}

TEST_CASE("hostile files are refused") {
  const Folder folder;
  const fs::path path = folder / "a.h5";
  const auto after = [&](const std::function<void(hid_t)>& change) {
    write_trace(path);
    edit(path, change);
    return refusal(path);
  };
  const auto has = [](const std::string& text, const std::string& part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  // A dataset of rank 1 with its creation list.
  const auto dataset = [](hid_t file, hsize_t count, const std::function<void(hid_t)>& setup) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE),
                space = H5Screate_simple(1, &count, nullptr);
    setup(properties);
    const hid_t id = H5Dcreate2(file, "/spikeloom/x", H5T_STD_U64LE, space, H5P_DEFAULT, properties,
                                H5P_DEFAULT);
    REQUIRE(id >= 0);
    H5Dclose(id);
    H5Sclose(space);
    H5Pclose(properties);
  };

  has(after([&](hid_t file) {
        dataset(file, 1'000'000'000'000, [](hid_t p) {
          const hsize_t chunk = 1024;
          H5Pset_chunk(p, 1, &chunk);
          H5Pset_deflate(p, 1);
        });
      }),
      "claims 8000000000000 bytes where 0 are stored");
  has(after([&](hid_t file) { dataset(file, 1'000'000'000, [](hid_t) {}); }), "where 0 are stored");
  has(after([&](hid_t file) {
        dataset(file, 200'000'000, [](hid_t p) {
          const hsize_t chunk = 100'000'000;
          H5Pset_chunk(p, 1, &chunk);
        });
      }),
      "chunks of 800000000 bytes");
  has(after([&](hid_t file) {
        dataset(file, 8, [](hid_t p) { H5Pset_external(p, "/etc/hostname", 0, H5F_UNLIMITED); });
      }),
      "another file");
  has(after([&](hid_t file) {
        dataset(file, 8, [](hid_t p) {
          const hsize_t chunk = 8;
          H5Pset_chunk(p, 1, &chunk);
          H5Pset_filter(p, 32000, H5Z_FLAG_OPTIONAL, 0, nullptr);
        });
      }),
      "filter 32000 is not available");
  has(after([&](hid_t file) {
        dataset(file, 8, [](hid_t p) {
          const hsize_t count = 8;
          const hid_t space = H5Screate_simple(1, &count, nullptr);
          H5Pset_virtual(p, space, "other.h5", "/x", space);
          H5Sclose(space);
        });
      }),
      "virtual");
  has(after([](hid_t file) {
        H5Lcreate_external("other.h5", "/x", file, "/spikeloom/x", H5P_DEFAULT, H5P_DEFAULT);
      }),
      "external links");
  has(after([](hid_t file) {
        H5Lcreate_soft("/spikes", file, "/spikeloom/x", H5P_DEFAULT, H5P_DEFAULT);
      }),
      "soft links");
  has(after([](hid_t file) {
        hid_t group = H5Gopen2(file, "/spikeloom", H5P_DEFAULT);
        for (int i = 0; i < 40; ++i) {
          const hid_t inner = H5Gcreate2(group, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
          H5Gclose(group);
          group = inner;
        }
        H5Gclose(group);
      }),
      "deeper than 32");
  // A cycle of hard links is legal and harmless.
  CHECK(after([](hid_t file) {
          H5Lcreate_hard(file, "/spikeloom", file, "/spikeloom/again", H5P_DEFAULT, H5P_DEFAULT);
        }).empty());
  // A population of 2^40 neurons is named as damaged before anything is allocated for it.
  write_trace(path);
  edit(path, [](hid_t file) {
    const hid_t group = H5Gopen2(file, "/spikeloom/populations/head.lif", H5P_DEFAULT);
    for (const char* name : {"shape", "n_neurons"}) {
      const hid_t attribute = H5Aopen(group, name, H5P_DEFAULT);
      const int64_t huge = int64_t{1} << 40;
      H5Awrite(attribute, H5T_NATIVE_INT64, &huge);
      H5Aclose(attribute);
    }
    H5Gclose(group);
  });
  CHECK(contains(verify(TraceFile(path)), "more than 2^24 neurons"));

  write_bytes(path, {'h', 'e', 'l', 'l', 'o'}, 5);
  has(refusal(path), "not an HDF5 file");
  has(refusal(folder / "none.h5"), "no such file");
  has(refusal(folder / ""), "not a regular file");
}

TEST_CASE("a file cut short never crashes the reader") {
  const Folder folder;
  write_trace(folder / "a.h5");
  const std::vector<char> bytes = bytes_of(folder / "a.h5");
  for (size_t i = 0; i < 200; ++i) {
    write_bytes(folder / "cut.h5", bytes, bytes.size() * i / 200);
    use(folder / "cut.h5");
    CHECK(!refusal(folder / "cut.h5").empty());
  }
}

TEST_CASE("flipped bits never crash the reader") {
  const Folder folder;
  write_trace(folder / "a.h5", 0.2, true, {"stem.lif", "head.lif"});
  const std::vector<char> bytes = bytes_of(folder / "a.h5");
  const char* rounds = std::getenv("SPIKELOOM_TRACE_FLIPS");
  const int flips = rounds == nullptr ? 2000 : std::atoi(rounds);
  std::mt19937_64 random(rounds == nullptr ? 1 : 2);
  for (int i = 0; i < flips; ++i) {
    std::vector<char> damaged = bytes;
    const int count = i % 4 == 3 ? 8 : 1;
    for (int k = 0; k < count; ++k) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    }
    write_bytes(folder / "flip.h5", damaged, damaged.size());
    use(folder / "flip.h5");
  }
  SUCCEED();
}

// For read_trace.py: `test_unit_trace "[.python]"` writes to $SPIKELOOM_TRACE_OUT.
TEST_CASE("write a trace and its spikes for Python", "[.python]") {
  const char* out = std::getenv("SPIKELOOM_TRACE_OUT");
  REQUIRE(out != nullptr);
  write_trace(out, 0.3);
  write_trace(std::string(out) + ".plain", 0.3, false);
  const Graph graph = make_graph(13, 1);
  const Run run = make_run(graph, {6, 6, 6}, 0.3, 31);
  std::ofstream text(std::string(out) + ".csv");  // population, global step, node
  for (size_t p = 0; p < run.populations.size(); ++p) {
    std::string name = run.populations[p].name;
    std::replace(name.begin(), name.end(), '/', '.');
    for (size_t g = 0; g < 18; ++g) {
      const SpikeView view = run.spikes[g / 6][g % 6][p].view();
      for (int64_t r = 0; r < view.rows; ++r) {
        view.for_each(r, [&](int64_t c) { text << name << "," << g << "," << r * 13 + c << "\n"; });
      }
    }
  }
}
