// datasets: synthetic files of every kind, made in a temporary folder; real MNIST where
// SPIKELOOM_DATA says.

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "datasets/open.hpp"
#include "tests/allocation_watch.hpp"
#include "tests/catch.hpp"
#include "tests/temporary_folder.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

using Bytes = std::string;

Bytes idx(const std::vector<uint32_t>& shape, const Bytes& data) {
  Bytes bytes{0, 0, 8, static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(extent >> shift & 255);
  }
  return bytes + data;
}

// Compresses `head` and then `zeros` zero bytes, in small pieces.
Bytes gzip(const Bytes& head, size_t zeros = 0) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out, piece(1 << 16, '\0'), zero(1 << 16, '\0');
  const auto feed = [&](const char* data, size_t size, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data));
    stream.avail_in = static_cast<uInt>(size);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = static_cast<uInt>(piece.size());
      deflate(&stream, flush);
      out.append(piece, 0, piece.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  feed(head.data(), head.size(), Z_NO_FLUSH);
  for (; zeros > 0; zeros -= std::min(zeros, zero.size()))
    feed(zero.data(), std::min(zeros, zero.size()), Z_NO_FLUSH);
  feed(nullptr, 0, Z_FINISH);
  deflateEnd(&stream);
  return out;
}

// Record `label` of CIFAR-10 whose planes hold 10, 20, 30 except pixel (1, 2) = 255 in green.
Bytes record(int label) {
  Bytes bytes(1, static_cast<char>(label));
  for (const char value : {10, 20, 30}) bytes += Bytes(1024, value);
  bytes[1 + 1024 + 32 + 2] = static_cast<char>(255);
  return bytes;
}

std::vector<float> values_of(const Sample& sample) {
  const auto values = sample.frames.f32();
  return {values.begin(), values.end()};
}

std::string message_of(const DatasetSpec& spec, ErrorCode code) {
  try {
    open_dataset(spec);
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "nothing was thrown";
}

// Every prefix of the bytes, and every byte changed, is refused or read; nothing else may happen.
void survive(const Bytes& bytes, const std::function<void(const Bytes&)>& open,
             bool every_prefix_fails) {
  int refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    try {
      open(bytes.substr(0, i));
    } catch (const Error& error) {
      REQUIRE(error.code() == ErrorCode::kData);
      ++refused;
    }
    Bytes changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x5a);
    try {
      open(changed);
    } catch (const Error&) {
    }
  }
  if (every_prefix_fails) CHECK(refused == static_cast<int>(bytes.size()));
}

}  // namespace

TEST_CASE("IDX images become p / 255 in fp32, with labels, plain or gzip") {
  TemporaryFolder folder;
  const Bytes images =
      idx({3, 2, 2}, Bytes("\x00\x01\x02\x03\x80\x81\x82\x83\xfc\xfd\xfe\xff", 12));
  const Bytes labels = idx({3}, Bytes("\x07\x00\x09", 3));
  for (const bool compressed : {false, true}) {
    DatasetSpec spec;
    spec.kind = "idx";
    spec.path = folder.write("images", compressed ? gzip(images) : images);
    spec.labels = folder.write("labels", compressed ? gzip(labels) : labels);
    const auto data = open_dataset(spec);
    CHECK(data->info().size == 3);
    CHECK(data->info().classes == 10);
    CHECK(data->info().frames == 1);
    CHECK(data->info().description == "IDX, 3 images of 2x2");
    const Sample sample = data->load(1);
    CHECK(sample.label == 0);
    REQUIRE(sample.frames.shape() == Shape{1, 2, 2, 1});
    CHECK(values_of(sample)[0] == 128.0f / 255.0f);
    CHECK(values_of(sample)[3] == 131.0f / 255.0f);
    CHECK_THROWS_AS(data->load(3), Error);
    CHECK_THROWS_AS(data->load(-1), Error);
  }
}

TEST_CASE("padding puts zero bytes around the image before it is normalised") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  spec.path = folder.write("images", idx({1, 1, 1}, "\xff"));
  spec.pad = 1;
  spec.mean = {0.1307};
  spec.std = {0.3081};
  const auto data = open_dataset(spec);
  CHECK(data->info().height == 3);
  CHECK(data->info().classes == 0);
  const Sample sample = data->load(0);
  CHECK(sample.label == -1);
  const auto values = values_of(sample);
  const float border = (0.0f - 0.1307f) / 0.3081f;
  CHECK(values[0] == border);
  CHECK(values[4] == (1.0f - 0.1307f) / 0.3081f);
  CHECK(values[8] == border);
}

TEST_CASE("skip and limit cut a window and labels stay with their images") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  spec.path = folder.write("images", idx({4, 1, 1}, "\x01\x02\x03\x04"));
  spec.labels = folder.write("labels", idx({4}, "\x01\x02\x03\x04"));
  spec.skip = 1;
  spec.limit = 2;
  const auto data = open_dataset(spec);
  CHECK(data->info().size == 2);
  CHECK(data->load(1).label == 3);
  CHECK(values_of(data->load(1))[0] == 3.0f / 255.0f);
  CHECK_THROWS_AS(data->load(2), Error);
  spec.limit = 100;
  CHECK(open_dataset(spec)->info().size == 3);
  spec.limit = 0;
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.path.string() + ": no samples (4 stored, skip 1, limit 0)");
  spec.limit = -1;
  spec.skip = INT64_MAX;
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("no samples (4 stored"));
  spec.skip = -1;
  CHECK(message_of(spec, ErrorCode::kUsage) == "skip: -1 is negative");
  spec.skip = 0;
  spec.limit = -2;
  CHECK(message_of(spec, ErrorCode::kUsage) == "limit: expected -1 (all) or more, found -2");
  spec.limit = -1;
  spec.path = folder.write("none", idx({0, 1, 1}, ""));
  spec.labels = folder.write("none-labels", idx({0}, ""));
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("no samples (0 stored"));
}

TEST_CASE("damaged IDX files are refused with what was expected and found") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  const auto images = [&](const Bytes& bytes) {
    spec.path = folder.write("images", bytes);
    const std::string message = message_of(spec, ErrorCode::kData);
    const std::string prefix = spec.path.string() + ": ";
    return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
  };
  CHECK(images(idx({2}, "ab")) ==
        "expected IDX of unsigned bytes of rank 3 (00 00 08 03), found 00 00 08 01 at byte 0");
  CHECK(images("") == "4 bytes are missing at the end");
  CHECK(images(idx({2, 2, 2}, "1234567")) ==
        "the header declares 8 bytes of data, the file holds 7");
  CHECK(images(idx({2, 2, 2}, "123456789")) ==
        "the header declares 8 bytes of data, the file holds 9");
  CHECK_THAT(images(idx({0xffffffff, 0xffffffff, 0xffffffff}, "")), Catch::EndsWith("overflows"));
  CHECK(images(idx({2, 0, 2}, "")) == "images of no pixels, shape [2, 0, 2]");
  CHECK(images(gzip(idx({2, 2, 2}, "1234567"))) == "1 bytes are missing at the end");
  CHECK(images(gzip(idx({2, 2, 2}, "123456789"))) == "more data than the header declares");
  CHECK(images(gzip(idx({2, 2, 2}, "12345678")) + "x") == "1 bytes follow the gzip stream");
  CHECK(images(gzip(idx({2, 2, 2}, "12345678")).substr(0, 20)) == "the gzip stream is cut off");
  Bytes wrong_checksum = gzip(idx({2, 2, 2}, "12345678"));
  wrong_checksum[wrong_checksum.size() - 5] =
      static_cast<char>(wrong_checksum[wrong_checksum.size() - 5] ^ 1);
  CHECK_THAT(images(wrong_checksum), Catch::Contains("incorrect data check"));
  spec.path = folder.path / "absent";
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("absent"));
}

TEST_CASE("labels of another count or out of range are named") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  spec.path = folder.write("images", idx({3, 1, 1}, "abc"));
  spec.labels = folder.write("labels", idx({2}, "\x01\x02"));
  CHECK(message_of(spec, ErrorCode::kData) == spec.labels.string() + ": 2 labels for 3 images");
  spec.labels = folder.write("labels", idx({3}, "\x01\x02\x0a"));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.labels.string() + ": label 10 at index 2, expected 0 to 9");
  spec.classes = 2;
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.labels.string() + ": label 2 at index 1, expected 0 to 1");
  spec.classes = 11;
  CHECK(open_dataset(spec)->info().classes == 11);
}

// As pigz, bgzip and `cat a.gz b.gz` write them.
TEST_CASE("members of a gzip file are one stream") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  const Bytes whole = idx({2, 2, 2}, "12345678");
  const auto open = [&](const Bytes& bytes) {
    spec.path = folder.write("images.gz", bytes);
    return open_dataset(spec);
  };
  const Tensor wanted = open(gzip(whole))->load(1).frames;
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    const Bytes parts = gzip(whole.substr(0, cut)) + gzip("") + gzip(whole.substr(cut)) + gzip("");
    const Tensor found = open(parts)->load(1).frames;
    REQUIRE(std::equal(found.f32().begin(), found.f32().end(), wanted.f32().begin()));
  }
  CHECK_THROWS_WITH(open(gzip(whole) + gzip("9")), Catch::Contains("more data than"));
  CHECK_THROWS_WITH(open(gzip(whole) + "x"), Catch::Contains("1 bytes follow the gzip stream"));
  CHECK_THROWS_WITH(open(gzip(whole) + "\x1f\x8b"), Catch::Contains("cut off"));
}

TEST_CASE("a gzip bomb is refused without inflating or allocating it") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  const auto refused = [&](const Bytes& bytes) {
    spec.path = folder.write("bomb.gz", bytes);
    largest_allocation = 0;
    const std::string message = message_of(spec, ErrorCode::kData);
    CHECK(largest_allocation < 2'000'000);
    return message.substr(spec.path.string().size());
  };
  CHECK(refused(gzip(idx({10, 28, 28}, ""), 50'000'000)) == ": more data than the header declares");
  CHECK_THAT(refused(gzip(idx({50'000, 1000, 1}, ""), 50'000'000)),
             Catch::StartsWith(": the header declares 50000000 bytes of data, too many for "));
  CHECK_THAT(refused(gzip(idx({0xffffffff, 0x7fff, 1}, ""))), Catch::Contains("too many for"));
  CHECK_THAT(refused(idx({0xffffffff, 0x7fff, 1}, "")), Catch::Contains("the file holds 0"));
}

TEST_CASE("IDX cut or changed at any byte never crashes") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "idx";
  const auto open = [&](const Bytes& bytes) {
    spec.path = folder.write("images", bytes);
    open_dataset(spec)->load(0);
  };
  const Bytes images = idx({2, 3, 2}, "abcdefghijkl");
  survive(images, open, true);
  survive(gzip(images), open, true);
}

TEST_CASE("CIFAR-10 planes become channels-last pixels normalised per channel") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "cifar10";
  spec.path = folder.write("a.bin", record(3) + record(9));
  spec.mean = {0.5, 0.25, 0.125};
  spec.std = {0.25, 0.5, 2};
  const auto data = open_dataset(spec);
  CHECK(data->info().size == 2);
  CHECK(data->info().classes == 10);
  const Sample sample = data->load(1);
  CHECK(sample.label == 9);
  REQUIRE(sample.frames.shape() == Shape{1, 32, 32, 3});
  const auto values = values_of(sample);
  CHECK(values[0] == (10.0f / 255.0f - 0.5f) / 0.25f);
  CHECK(values[2] == (30.0f / 255.0f - 0.125f) / 2.0f);
  CHECK(values[(32 + 2) * 3 + 1] == (1.0f - 0.25f) / 0.5f);
  spec.pad = 4;
  CHECK(values_of(open_dataset(spec)->load(0))[1] == (0.0f - 0.25f) / 0.5f);
  CHECK(values_of(open_dataset(spec)->load(0))[(5 * 40 + 6) * 3 + 1] == 1.5f);
}

TEST_CASE("a CIFAR-10 folder is split into train and test") {
  TemporaryFolder folder;
  for (const char digit : {'1', '2', '3', '4', '5'}) {
    folder.write(std::string("data_batch_") + digit + ".bin", record(digit - '0'));
  }
  folder.write("test_batch.bin", record(7));
  DatasetSpec spec;
  spec.kind = "cifar10";
  spec.path = folder.path;
  spec.split = "train";
  const auto train = open_dataset(spec);
  REQUIRE(train->info().size == 5);
  for (int64_t i = 0; i < 5; ++i) CHECK(train->load(i).label == i + 1);
  spec.split = "test";
  CHECK(open_dataset(spec)->load(0).label == 7);
  spec.split = "";
  CHECK(message_of(spec, ErrorCode::kUsage) ==
        "split: expected train or test for the folder " + folder.path.string() + ", found \"\"");
  spec.split = "train";
  fs::remove(folder.path / "data_batch_4.bin");
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("data_batch_4.bin"));
  spec.path = folder.path / "test_batch.bin";
  CHECK_THAT(message_of(spec, ErrorCode::kUsage),
             Catch::StartsWith("split: cifar10 splits a folder"));
}

TEST_CASE("CIFAR-10 files of a wrong size or with a wrong label are refused") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "cifar10";
  spec.path = folder.write("a.bin", record(1) + "x");
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.path.string() + ": 3074 bytes, expected a multiple of 3073");
  spec.path = folder.write("a.bin", record(1) + record(10));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.path.string() + ": label 10 at index 1, expected 0 to 9");
  spec.path = folder.write("a.bin", "");
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("no samples"));
  const Bytes whole = record(1);
  for (size_t size = 1; size < whole.size(); size += 64) {
    spec.path = folder.write("a.bin", whole.substr(0, size));
    CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("expected a multiple"));
  }
  spec.classes = 100;
  CHECK(message_of(spec, ErrorCode::kUsage) == "classes: cifar10 has 10, found 100");
}

TEST_CASE("a NumPy batch is used as it is, one frame or one per step, channels last") {
  TemporaryFolder folder;
  Tensor batch({2, 2, 3, 1, 2});  // [N, T, C, H, W]
  for (size_t i = 0; i < 24; ++i) batch.f32()[i] = static_cast<float>(i);
  Tensor labels({2}, DType::kI64);
  labels.as<int64_t>()[0] = 4;
  save_npy(folder.path / "x.npy", batch);
  save_npy(folder.path / "y.npy", labels);
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = folder.path / "x.npy";
  spec.labels = folder.path / "y.npy";
  const auto data = open_dataset(spec);
  CHECK(data->info().frames == 2);
  CHECK(data->info().channels == 3);
  CHECK(data->info().height == 1);
  CHECK(data->info().width == 2);
  CHECK(data->info().classes == 5);
  const Sample sample = data->load(1);
  CHECK(sample.label == 0);
  REQUIRE(sample.frames.shape() == Shape{2, 1, 2, 3});
  const auto values = values_of(sample);
  CHECK(values == std::vector<float>{12, 14, 16, 13, 15, 17, 18, 20, 22, 19, 21, 23});
  spec.std = {2};
  CHECK(values_of(open_dataset(spec)->load(1))[1] == 7.0f);
}

TEST_CASE("a NumPy batch may hold any real or integer type") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = folder.path / "x.npy";
  for (const DType type :
       {DType::kF64, DType::kU8, DType::kI8, DType::kI16, DType::kI32, DType::kI64}) {
    Tensor batch({1, 1, 1, 2}, type);
    if (type == DType::kF64) {
      batch.as<double>()[1] = 5;
    } else {
      batch.data()[size_of(type)] = std::byte{5};
    }
    save_npy(spec.path, batch);
    CHECK(values_of(open_dataset(spec)->load(0))[1] == 5.0f);
  }
}

TEST_CASE("NumPy files of a wrong shape, label or value are refused") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = folder.path / "x.npy";
  spec.labels = folder.path / "y.npy";
  save_npy(spec.path, Tensor({3, 2}));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.path.string() + ": expected [N,C,H,W], [N,T,C,H,W] or [N,T,C], found [3, 2]");
  save_npy(spec.path, Tensor({3, 0, 2, 2}));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.path.string() + ": samples of no values, shape [3, 0, 2, 2]");
  save_npy(spec.path, Tensor({0, 1, 2, 2}));
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("no samples"));
  Tensor batch({2, 1, 1, 1}, DType::kF64);
  batch.as<double>()[1] = 1e300;
  save_npy(spec.path, batch);
  save_npy(spec.labels, Tensor({2}));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.labels.string() + ": expected integer labels, found float32");
  save_npy(spec.labels, Tensor({3}, DType::kI64));
  CHECK(message_of(spec, ErrorCode::kData) ==
        spec.labels.string() + ": expected labels of shape [2], found [3]");
  Tensor labels({2}, DType::kI64);
  labels.as<int64_t>()[1] = INT64_MAX;
  save_npy(spec.labels, labels);
  CHECK_THAT(message_of(spec, ErrorCode::kData),
             Catch::Contains("label 9223372036854775807 at index 1"));
  labels.as<int64_t>()[1] = -1;
  save_npy(spec.labels, labels);
  CHECK_THAT(message_of(spec, ErrorCode::kData), Catch::Contains("label -1 at index 1"));
  spec.labels.clear();
  const auto data = open_dataset(spec);
  CHECK_NOTHROW(data->load(0));
  CHECK_THROWS_WITH(data->load(1),
                    spec.path.string() + ": sample 1 has a value that is not finite in float32");
}

TEST_CASE("a NumPy file cut or changed at any byte never crashes") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = folder.path / "x.npy";
  save_npy(spec.path, Tensor({2, 1, 2, 2}));
  std::ifstream in(spec.path, std::ios::binary);
  const Bytes bytes((std::istreambuf_iterator<char>(in)), {});
  survive(
      bytes,
      [&](const Bytes& damaged) {
        folder.write("x.npy", damaged);
        open_dataset(spec)->load(0);
      },
      true);
}

TEST_CASE("options that do not fit are usage errors") {
  TemporaryFolder folder;
  DatasetSpec spec;
  spec.kind = "cifar";
  CHECK(message_of(spec, ErrorCode::kUsage) ==
        "unknown kind of data set \"cifar\"; known: cifar10, events, idx, image_folder, npy, "
        "smnist, speech_commands, wav_folder "
        "(did you mean cifar10?)");
  spec.kind = "idx";
  spec.path = folder.write("images", idx({1, 1, 1}, "a"));
  spec.mean = {0.1, 0.2};
  CHECK(message_of(spec, ErrorCode::kUsage) ==
        "mean: expected one value or one per channel (1), found 2");
  spec.mean = {1e300};
  CHECK(message_of(spec, ErrorCode::kUsage) == "mean: expected finite numbers");
  spec.mean = {};
  spec.std = {0};
  CHECK(message_of(spec, ErrorCode::kUsage) == "std: expected numbers above 0");
  spec.std = {1e-300};
  CHECK(message_of(spec, ErrorCode::kUsage) == "std: expected numbers above 0");
  spec.std = {};
  spec.pad = 1025;
  CHECK(message_of(spec, ErrorCode::kUsage) == "pad: expected 0 to 1024, found 1025");
  spec.pad = 0;
  spec.split = "train";
  CHECK_THAT(message_of(spec, ErrorCode::kUsage), Catch::StartsWith("split: "));
  spec.split = "";
  spec.classes = -1;
  CHECK(message_of(spec, ErrorCode::kUsage) == "classes: negative");
  spec.kind = "npy";
  spec.pad = 1;
  CHECK_THAT(message_of(spec, ErrorCode::kUsage), Catch::StartsWith("pad: "));
  spec.kind = "cifar10";
  spec.labels = "x";
  CHECK_THAT(message_of(spec, ErrorCode::kUsage), Catch::StartsWith("labels: "));
  for (const DatasetKind& kind : dataset_kinds()) CHECK_FALSE(kind.summary.empty());
}

TEST_CASE("the real MNIST test set reads as published") {
  const char* root = std::getenv("SPIKELOOM_DATA");
  if (root == nullptr) {
    WARN("skipped: SPIKELOOM_DATA names no folder with mnist/t10k-*.gz");
    return;
  }
  DatasetSpec spec;
  spec.kind = "idx";
  spec.path = fs::path(root) / "mnist/t10k-images-idx3-ubyte.gz";
  spec.labels = fs::path(root) / "mnist/t10k-labels-idx1-ubyte.gz";
  spec.pad = 2;
  const auto data = open_dataset(spec);
  CHECK(data->info().size == 10000);
  CHECK(data->info().height == 32);
  std::vector<int> counts(10);
  for (int64_t i = 0; i < 10000; ++i) ++counts[static_cast<size_t>(data->load(i).label)];
  CHECK(counts == std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
}
