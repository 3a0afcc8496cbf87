// What a run read is known by its content.

#include "datasets/watched.hpp"

#include "core/error.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Samples that a test changes.
class Changing final : public Dataset {
 public:
  Changing() {
    info_.size = 3;
    info_.separate_files = true;
  }
  const DatasetInfo& info() const noexcept override { return info_; }
  Sample load(int64_t index) const override {
    if (index == broken) throw Error(ErrorCode::kData, "damaged");
    Sample sample;
    sample.frames = Tensor({1, 1, 1, 2}, DType::kF32);
    sample.frames.f32()[0] = static_cast<float>(index) + value;
    sample.frames.f32()[1] = 0;
    sample.label = label;
    sample.name = name;
    return sample;
  }
  float value = 0;
  int64_t label = 1, broken = -1;
  std::string name = "a.png";

 private:
  DatasetInfo info_;
};

std::string refusal(const Dataset& dataset, int64_t index, ErrorCode code) {
  try {
    dataset.load(index);
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a sample that changes is noticed, whatever changes") {
  Changing data;
  const WatchedDataset watched(data);
  for (int round = 0; round < 2; ++round) {
    for (int64_t i = 0; i < 3; ++i) CHECK(refusal(watched, i, ErrorCode::kData).empty());
  }
  const std::string text = "dataset.path: sample 1 (a.png) changed while the run went on";
  data.value = 1e-7f;
  CHECK(refusal(watched, 1, ErrorCode::kRuntime) == text);
  data.value = 0;
  data.label = 2;
  CHECK(refusal(watched, 1, ErrorCode::kRuntime) == text);
  data.label = 1;
  data.name = "b.png";
  CHECK(refusal(watched, 1, ErrorCode::kRuntime) ==
        "dataset.path: sample 1 (b.png) changed while the run went on");
  data.name = "a.png";
  data.broken = 1;
  CHECK(refusal(watched, 1, ErrorCode::kRuntime) ==
        "dataset.path: sample 1 changed while the run went on");
  data.broken = -1;
  CHECK(refusal(watched, 1, ErrorCode::kRuntime).empty());
}

TEST_CASE("a file that cannot be read may be so again, but not be mended") {
  Changing data;
  const WatchedDataset watched(data);
  data.broken = 2;
  CHECK(refusal(watched, 2, ErrorCode::kData) == "damaged");
  CHECK(refusal(watched, 2, ErrorCode::kData) == "damaged");
  data.broken = -1;
  CHECK(!refusal(watched, 2, ErrorCode::kRuntime).empty());
}

TEST_CASE("what an unfinished run read is expected again") {
  Changing data;
  std::vector<Digest> earlier;
  {
    const WatchedDataset first(data);
    first.load(0);
    first.load(1);
    CHECK(first.digests(1).size() == 1);
    earlier = first.digests(3);
  }
  REQUIRE(earlier.size() == 2);
  CHECK(earlier[0] != earlier[1]);
  CHECK(digest_text(earlier) != digest_text({earlier[1], earlier[0]}));
  WatchedDataset second(data);
  second.expect(earlier);
  CHECK(second.digests(3) == earlier);
  CHECK(refusal(second, 1, ErrorCode::kUsage).empty());
  data.value = 1;
  CHECK(refusal(second, 1, ErrorCode::kUsage)
            .starts_with("dataset.path: sample 1 (a.png) is not what the unfinished run read"));
  CHECK(refusal(second, 2, ErrorCode::kUsage).empty());  // nobody had read it
}
