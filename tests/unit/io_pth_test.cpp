// core/io: pickles and PyTorch files.

#include <limits>

#include "core/io/npz.hpp"
#include "core/io/pickle.hpp"
#include "core/io/pth.hpp"
#include "core/io/weights_file.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;
namespace fs = std::filesystem;
using namespace std::string_literals;

namespace {

using Strings = std::vector<std::string>;

fs::path golden(const std::string& name) {
  return fs::path(SPIKELOOM_SOURCE_DIR) / "tests/golden/meta_spikeformer" / name;
}

PthFile pth(const std::string& text) {
  return parse_pth(bytes_of(text), "a.pth");
}

// --- pickles by hand

const std::string kStart = "\x80\x02";

std::string text_op(const std::string& text) {
  return "X"s + le(static_cast<uint32_t>(text.size())) + text;
}
std::string int_op(int32_t value) {
  return "J"s + le(value);
}

// Tensor of the float storage "0".
std::string tensor_op(int32_t count, int32_t offset, const std::string& sizes,
                      const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(("s + text_op("storage") + "ctorch\nFloatStorage\n" +
         text_op("0") + text_op("cpu") + int_op(count) + "tQ" + int_op(offset) + sizes + strides +
         "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string state_dict(const std::string& tensor) {
  return kStart + "}" + text_op("w") + tensor + "s.";
}

// A zip checkpoint with this pickle and one storage of `count` zeros.
std::string checkpoint(const std::string& pickle, int count = 4,
                       std::vector<ZipContent> more = {}) {
  std::vector<ZipContent> entries = {
      {"a/data.pkl", pickle},
      {"a/data/0", std::string(static_cast<size_t>(count) * 4, '\0')},
      {"a/version", "3\n"}};
  entries.insert(entries.end(), more.begin(), more.end());
  return make_zip(entries);
}

Pickle pickle_of(const std::string& text) {
  return parse_pickle(bytes_of(text), "p");
}
std::string pickle_error(const std::string& text) {
  return error_of([&] { pickle_of(text); });
}

std::string pth_error(const std::string& text) {
  return error_of([&] { pth(text); });
}

}  // namespace

TEST_CASE("the golden checkpoint.pth equals weights.npz in all 825 tensors") {
  const PthFile file = load_pth(golden("checkpoint.pth"));
  const Weights npz = load_npz(golden("weights.npz"));
  CHECK(npz.size() == 825);
  CHECK(same(file.weights, npz));
  CHECK(file.opaque == Strings{"argparse.Namespace"});
  CHECK(file.left_out.empty());
  CHECK(weights_hash(file.weights) == weights_hash(npz));
}

TEST_CASE("PyTorch files hold every element type in the zip and in the legacy form") {
  for (const char* name : {"plain.pth", "plain_legacy.pth"}) {
    INFO(name);
    const PthFile file = load_pth(data_file(name));
    const Weights& weights = file.weights;
    CHECK(weights.size() == 13);
    const std::map<std::string, std::pair<DType, std::vector<float>>> expected = {
        {"f32", {DType::kF32, ramp(6)}},         {"f64", {DType::kF64, ramp(3, 1)}},
        {"f16", {DType::kF16, ramp(3, 2)}},      {"bf16", {DType::kBF16, ramp(3, 3)}},
        {"i64", {DType::kI64, ramp(2, -1)}},     {"i32", {DType::kI32, ramp(2, -1)}},
        {"i16", {DType::kI16, ramp(2, -1)}},     {"i8", {DType::kI8, ramp(2, -1)}},
        {"u8", {DType::kU8, ramp(2, 250)}},      {"bool", {DType::kBool, ramp(2)}},
        {"scalar", {DType::kF32, {7}}},          {"empty", {DType::kF32, {}}},
        {"parameter", {DType::kF32, ramp(2, 9)}}};
    for (const auto& [key, want] : expected) {
      INFO(key);
      CHECK(weights.at(key).data.dtype() == want.first);
      CHECK(floats(weights, key) == want.second);
    }
    CHECK(weights.at("f32").data.shape() == Shape{2, 3});
    CHECK(weights.at("scalar").data.shape() == Shape{});
    CHECK(weights.at("empty").data.shape() == Shape{0, 4});
    CHECK(file.left_out == Strings{"complex (ComplexFloatStorage)"});
    CHECK(file.opaque.empty());
  }
}

TEST_CASE("transposed, sliced, expanded and shared tensors are copied out in C order") {
  for (const char* name : {"views.pth", "views_legacy.pth"}) {
    INFO(name);
    const Weights weights = load_pth(data_file(name)).weights;
    CHECK(floats(weights, "base") == ramp(24));
    CHECK(same(weights.at("tied").data, weights.at("base").data));
    const std::vector<float> transposed = floats(weights, "transposed");
    CHECK(weights.at("transposed").data.shape() == Shape{6, 4});
    for (size_t i = 0; i < 24; ++i) CHECK(transposed[i] == static_cast<float>(i % 4 * 6 + i / 4));
    CHECK(floats(weights, "slice") == std::vector<float>{8, 9, 10, 14, 15, 16});
    CHECK(floats(weights, "expanded") == std::vector<float>(6, 5));
    CHECK(floats(weights, "column") == std::vector<float>{3, 9, 15, 21});
  }
}

TEST_CASE("a training checkpoint gives the model without its module. prefix") {
  const PthFile file = load_pth(data_file("checkpoint.pth"));
  CHECK(file.weights.names() == Strings{"bias", "weight"});
  CHECK(floats(file.weights, "weight") == ramp(6));
  CHECK(floats(file.weights, "bias") == ramp(2, 6));
  CHECK(file.opaque == Strings{"argparse.Namespace"});
}

TEST_CASE("a call of posix.system is reported and never carried out") {
  fs::remove("spikeloom_was_here");
  const PthFile file = load_pth(data_file("evil.pth"));
  CHECK(file.opaque == Strings{"posix.system"});
  CHECK(floats(file.weights, "w") == ramp(2));
  CHECK_FALSE(fs::exists("spikeloom_was_here"));

  const Pickle pickle =
      pickle_of(kStart + "cposix\nsystem\n" + text_op("touch spikeloom_was_here") + "\x85R.");
  CHECK(pickle.at(pickle.root).kind == PickleKind::kCall);
  CHECK(pickle.symbols == Strings{"posix.system"});
  CHECK_FALSE(fs::exists("spikeloom_was_here"));
}

TEST_CASE("pickled numbers and texts have the values Python gives them") {
  const auto value = [](const std::string& ops) {
    const Pickle pickle = pickle_of(kStart + ops + ".");
    return pickle.at(pickle.root);
  };
  CHECK(value("K\xff").integer == 255);
  CHECK(value("M\xff\xff").integer == 65535);
  CHECK(value("J\xff\xff\xff\xff").integer == -1);
  CHECK(value("\x8a"s + '\0').integer == 0);
  CHECK(value("\x8a\x01\xff").integer == -1);
  CHECK(value("\x8a\x02\xff\x00"s).integer == 255);
  CHECK(value("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"s).integer ==
        std::numeric_limits<int64_t>::min());
  CHECK(value("\x8a\x09"s + std::string(9, '\1')).kind == PickleKind::kBigInt);
  CHECK(value("G\x3f\xf8\0\0\0\0\0\0"s).real == 1.5);
  CHECK(value("U\x03"
              "abc")
            .text == "abc");
  CHECK(value("NK\x07\x86").items.size() == 2);
  CHECK(value("]q\x01(K\x01h\x01"
              "e")
            .items[1] == value("]q\x01(K\x01h\x01"
                               "e")
                             .items[1]);
}

TEST_CASE("pickles outside the subset or its limits are refused") {
  has(pickle_error(""), "not a pickle");
  has(pickle_error("\x80\x01."), "pickle protocol 1; protocols 2 to 5 are read");
  has(pickle_error("\x80\x06."), "pickle protocol 6");
  has(pickle_error("\x80\x04\x95."), "ends early");
  has(pickle_error("\x80\x04NN\x93."), "not two texts");
  has(pickle_error("\x80\x04\x8c\x01"
                   "aN\x93."),
      "not two texts");
  has(pickle_error("\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f."), "ends early");
  has(pickle_error("\x80\x04\x94."), "stack is empty");
  has(pickle_error("\x80\x04(\x90."), "stack is empty");
  has(pickle_error("\x80\x04N(N\x90."), "neither list nor dict");
  has(pickle_error("\x80\x04" + text_op(std::string(600, 'm')) + text_op(std::string(600, 'n')) +
                   "\x93."),
      "symbol of more than 1024 bytes");
  has(pickle_error(kStart + "I1\n."), "opcode 73");
  has(pickle_error(kStart + "."), "stack is empty");
  has(pickle_error(kStart + "N"), "ends early");
  has(pickle_error(kStart + "Nt."), "no mark");
  has(pickle_error(kStart + "N(\x85."), "stack is empty");
  has(pickle_error(kStart + "X\xff\xff\xff\x7f"), "string of 2147483647 bytes");
  has(pickle_error(kStart + "X\x01\0\0\0\xff."s), "not UTF-8");
  has(pickle_error(kStart + "h\x01."), "memo 1 was never set");
  has(pickle_error(kStart + "Nr\x01\0\0\1."s), "memo index 16777217");
  has(pickle_error(kStart + "NNa."), "neither list nor dict");
  has(pickle_error(kStart + "}(Nu."), "key without value");
  has(pickle_error(kStart + "N)R."), "not a symbol");
  has(pickle_error(kStart + "ca\nb\nNR."), "not a tuple");
  has(pickle_error(kStart + "NNb."), "plain value");
  has(pickle_error(kStart + "ca\x01\nb\n."), "control character");
  has(pickle_error(kStart + "ca" + std::string(5000, 'a')), "without end");
  has(pickle_error(kStart + std::string(4'000'001, 'N')), "stack entries");
  has(pickle_error(kStart + std::string(4'000'001, '(')), "marks");
  has(pickle_error(kStart + std::string(4'000'001, ']')), "values");
}

TEST_CASE("tensors that leave their storage or blow it up are refused") {
  const std::string two = int_op(2) + "\x85";
  const std::string one = int_op(1) + "\x85";
  CHECK(floats(pth(checkpoint(state_dict(tensor_op(4, 2, two, one)))).weights, "w").size() == 2);
  const auto why = [&](const std::string& tensor) {
    return pth_error(checkpoint(state_dict(tensor)));
  };
  has(why(tensor_op(4, 3, two, one)), "tensor 'w': reaches element 4 of a storage of 4");
  has(why(tensor_op(4, 0, two, int_op(4) + "\x85")), "reaches element 4");
  has(why(tensor_op(4, -1, two, one)), "integer >= 0");
  has(why(tensor_op(4, 0, int_op(-2) + "\x85", one)), "integer >= 0");
  has(why(tensor_op(4, 0, two, int_op(-1) + "\x85")), "integer >= 0");
  has(why(tensor_op(4, 0, two, ")")), "fewer strides");
  has(why(tensor_op(4, 0, "N", one)), "tuple of integers");
  has(why(tensor_op(5, 0, two, one)), "storage '0' has 16 bytes, expected 20");
  has(why(tensor_op(4, 0, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f\x85", one)), "overflow");
  has(why(tensor_op(4, 0, two, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")), "reaches element");
  has(why(tensor_op(4, 1, int_op(3) + "\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
      "overflow");
  has(error_of([] { load_pth(data_file("amplified.pth")); }), "its storage has only 4");
}

TEST_CASE("many small expanded tensors may not add up to a bomb") {
  // 1 MiB each is free; 17 of them exceed 16 MiB.
  std::string pickle = kStart + "}(";
  for (int i = 0; i < 17; ++i) {
    pickle +=
        text_op(std::to_string(i)) + tensor_op(4, 0, int_op(1 << 18) + "\x85", int_op(0) + "\x85");
  }
  has(pth_error(checkpoint(pickle + "u.")), "all tensors together");
}

TEST_CASE("the zip layout of PyTorch is checked") {
  const std::string good = state_dict(tensor_op(4, 0, int_op(4) + "\x85", int_op(1) + "\x85"));
  CHECK_NOTHROW(pth(checkpoint(good, 4, {{"a/byteorder", "little"}, {"a/.format_version", "1"}})));
  CHECK_NOTHROW(pth(checkpoint(good, 9)));  // a storage may be longer than needed
  has(pth_error(checkpoint(good, 4, {{"a/byteorder", "big"}})), "byte order 'big'");
  has(pth_error(checkpoint(good, 4, {{"b/x", ""}})), "'b/x' lies outside of 'a/'");
  has(pth_error(checkpoint(good, 4, {{"a/b/data.pkl", ""}})), "more than one data.pkl");
  has(pth_error(checkpoint(good, 4, {{"a/code/x.py", ""}})), "TorchScript");
  has(pth_error(checkpoint(good + "x")), "goes on after its end");
  has(pth_error(make_zip({{"a/data.pkl", good}})), "storage '0' is missing");
  has(pth_error(make_zip({{"a/x", ""}})), "without data.pkl");
  std::string wrong_crc = checkpoint(good);
  wrong_crc[wrong_crc.find("a/data/0") + 8] = '\1';
  CHECK_NOTHROW(pth(wrong_crc));
}

TEST_CASE("later protocols hold the same tensors") {
  CHECK(floats(load_pth(data_file("protocol4.pth")).weights, "w") == ramp(2));
  const auto value = [](const std::string& ops) {
    const Pickle pickle = pickle_of("\x80\x05\x95\x01\0\0\0\0\0\0\0"s + ops + ".");
    return pickle.at(pickle.root);
  };
  CHECK(value("\x8c\x03"
              "abc\x94")
            .text == "abc");
  CHECK(value("\x8d\x02\0\0\0\0\0\0\0ab"s).text == "ab");
  CHECK(value("\x8c\x01m\x8c\x01n\x93").text == "m.n");
  CHECK(value("C\x02\xff\xfe").kind == PickleKind::kBytes);
  CHECK(value("B\x01\0\0\0\xff"s).text.empty());  // data of other objects are not kept
  CHECK(value("\x96\x01\0\0\0\0\0\0\0\xff"s).kind == PickleKind::kBytes);
  CHECK(value("\x8f(K\x01\x90").kind == PickleKind::kSet);
  CHECK(value("(K\x01K\x02\x91").kind == PickleKind::kSet);
  CHECK(value("K\x07N0").integer == 7);
  CHECK(value("K\x07(NN1").integer == 7);
  CHECK(value("\x8c\x01m\x8c\x01n\x93)}\x92").kind == PickleKind::kCall);
  CHECK(value("K\x05\x94K\x06\x94h\x00\x86"s).items.size() == 2);  // the first one remembered
  CHECK(value("\x8b\x01\0\0\0\xff"s).integer == -1);
}

TEST_CASE("files without a state dict say what to do") {
  has(error_of([] { load_pth(data_file("torchscript.pth")); }), "save the state dict instead");
  has(error_of([] { load_weights(data_file("protocol4_bare.pth")); }), "bare pickle of protocol 4");
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  has(error_of([&] { parse_weights(bytes_of(tar), "t"); }), "tar archive");
  has(pth_error(checkpoint(kStart + "}.")), "no state dict");
  has(pth_error(checkpoint(kStart + "N.")), "no state dict");
  has(pth_error(checkpoint(kStart + "cnet\nModel\n)\x81}b.")), "one object (net.Model)");
  const auto magic = read_file(data_file("plain_legacy.pth"));
  const std::string start(as_text(magic).substr(0, 15));
  const std::string module =
      start + kStart + "M\xe9\x03." + kStart + "}" + text_op("little_endian") + "\x88s." + kStart +
      "(" + text_op("module") + "cnet\nModel\n" + text_op("f") + text_op("source") + "tQ.";
  has(pth_error(module + kStart + "]."), "whole pickled module");
}

TEST_CASE("one legacy storage described with two types is not read beyond its end") {
  const auto magic = read_file(data_file("plain_legacy.pth"));
  const auto id = [](const std::string& type) {
    return "("s + text_op("storage") + "ctorch\n" + type + "Storage\n" + text_op("0") +
           text_op("cpu") + int_op(8) + "NtQ";
  };
  const std::string one = int_op(1) + "\x85";
  const std::string object = kStart + "}(" + text_op("bytes") + id("Byte") + text_op("w") +
                             "ctorch._utils\n_rebuild_tensor\n(" + id("Double") + int_op(0) +
                             int_op(8) + "\x85" + one + "tRu.";
  const std::string file = std::string(as_text(magic).substr(0, 15)) + kStart + "M\xe9\x03." +
                           kStart + "}" + text_op("little_endian") + "\x88s." + object + kStart +
                           "](" + text_op("0") + "e." + le(int64_t{8}) + "12345678";
  has(pth_error(file), "storage '0' has 8 bytes, expected 64");
}
