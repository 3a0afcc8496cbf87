// core/io: whole files, .npy, safetensors.

#include <sys/resource.h>

#include <csignal>

#include "core/io/npy.hpp"
#include "core/io/safetensors.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;
namespace fs = std::filesystem;

namespace {

// --- npy

std::string npy_file(const std::string& header, const std::string& data, char major = 1) {
  const std::string line = header + "\n";
  const std::string length =
      major == 1 ? le(static_cast<uint16_t>(line.size())) : le(static_cast<uint32_t>(line.size()));
  return std::string("\x93NUMPY") + major + '\0' + length + line + data;
}

Tensor parse(const std::string& text) {
  return parse_npy(bytes_of(text), "a.npy");
}

// --- safetensors

std::string safetensors_file(const std::string& header, const std::string& data) {
  return le(uint64_t{header.size()}) + header + data;
}

std::string refused(const std::string& header, const std::string& data = std::string(8, '\0')) {
  return error_of([&] { parse_safetensors(bytes_of(safetensors_file(header, data)), "a.st"); });
}

constexpr auto kEntry = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

Weights all_types() {
  Weights weights;
  weights.add("a.f32", tensor_of<float>({2, 2}, DType::kF32, {1, -2, 3.5, 0}));
  weights.add("b.f64", tensor_of<double>({1}, DType::kF64, {0.1}));
  weights.add("c.f16", tensor_of<uint16_t>({3}, DType::kF16, {0x3c00, 0x7bff, 1}));
  weights.add("d.bf16", tensor_of<uint16_t>({1}, DType::kBF16, {0x3f80}));
  weights.add("e.i64", tensor_of<int64_t>({}, DType::kI64, {-5}));
  weights.add("f.i32", tensor_of<int32_t>({2}, DType::kI32, {1, -1}));
  weights.add("g.i16", tensor_of<int16_t>({1}, DType::kI16, {-7}));
  weights.add("h.i8", tensor_of<int8_t>({1}, DType::kI8, {-8}));
  weights.add("i.u8", tensor_of<uint8_t>({3}, DType::kU8, {1, 2, 255}));
  weights.add("j.bool", tensor_of<uint8_t>({2}, DType::kBool, {0, 1}));
  weights.add("k.empty", Tensor({0, 3}));
  weights.add("A.f32", tensor_of<float>({1}, DType::kF32, {9}));
  return weights;
}

}  // namespace

TEST_CASE("a file is read whole and its absence is reported with its path") {
  const Scratch scratch;
  write_text_file(scratch / "a.txt", "hello");
  CHECK(text_of(scratch / "a.txt") == "hello");
  has(error_of([&] { read_file(scratch / "none"); }), "none: cannot be opened: No such file");
  has(error_of([&] { read_file(scratch / "."); }), "is a directory");
  has(error_of([&] { read_file("/dev/zero"); }), "not a regular file");
  has(error_of([&] { read_file(scratch / "a.txt", 4); }), "more than the limit of 4");
  CHECK(read_file(scratch / "a.txt", 5).size() == 5);
}

TEST_CASE("an output file has its final name only after commit") {
  const Scratch scratch;
  {
    OutputFile file(scratch / "out");
    file.write("1234567890");
    file.write_at(2, as_bytes_of("XY"));
    CHECK(file.size() == 10);
    CHECK(scratch.list() == std::vector<std::string>{file.temporary().filename()});
    file.write("!");
    file.commit();
    CHECK(scratch.list() == std::vector<std::string>{"out"});
    error_of([&] { file.write_at(0, as_bytes_of("Z")); }, ErrorCode::kInternal);
  }
  CHECK(text_of(scratch / "out") == "12XY567890!");
  {
    OutputFile abandoned(scratch / "out");
    abandoned.write("half");
  }
  CHECK(scratch.list() == std::vector<std::string>{"out"});
  CHECK(text_of(scratch / "out") == "12XY567890!");
}

TEST_CASE("blocks larger than the buffer keep their order") {
  const Scratch scratch;
  std::string all;
  OutputFile file(scratch / "big");
  for (const size_t size : {10, 300'000, 5, 262'144, 262'139, 1}) {
    const std::string block(size, static_cast<char>('a' + all.size() % 26));
    file.write(block);
    all += block;
  }
  file.commit();
  CHECK(text_of(scratch / "big") == all);
}

TEST_CASE("a write that fails says which file and why and leaves nothing behind") {
  const Scratch scratch;
  has(error_of([&] { write_text_file(scratch / "no/such/a", "x"); }, ErrorCode::kRuntime),
      "no/such/a: cannot be created: No such file or directory");
  fs::create_directory(scratch / "folder");
  has(error_of([&] { write_text_file(scratch / "folder", "x"); }, ErrorCode::kRuntime),
      "folder: exists and is not a regular file");
  CHECK(scratch.list() == std::vector<std::string>{"folder"});

  // A file size limit stands in for a full disk.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of(
      [&] { write_text_file(scratch / "full", std::string(5000, 'x')); }, ErrorCode::kRuntime);
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  has(message, "full: cannot be written: File too large");
  CHECK(scratch.list() == std::vector<std::string>{"folder"});
}

TEST_CASE("names from files are UTF-8 without control characters and of bounded length") {
  CHECK_NOTHROW(check_name("block1.0.\xc3\xa4", "x"));
  for (const std::string& name :
       {std::string(), std::string(4097, 'a'), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xff"), std::string("\xc0\x80"), std::string("\xed\xa0\x80"),
        std::string("\xc2\x85"), std::string("\xe2\x82"), std::string("\x7f")}) {
    error_of([&] { check_name(name, "x"); });
  }
}

TEST_CASE("save_npy writes the bytes NumPy writes") {
  const Scratch scratch;
  const Tensor tensor = tensor_of<float>({2, 3}, DType::kF32, {0, 1, 2, 3, 4, 5});
  save_npy(scratch / "a.npy", tensor);
  const std::string text = text_of(scratch / "a.npy");
  CHECK(text.size() == 128 + 24);
  CHECK(text.starts_with(std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  "));
  CHECK(text[127] == '\n');
  CHECK(same(load_npy(scratch / "a.npy"), tensor));
}

TEST_CASE("every element type survives a round trip through npy") {
  const Scratch scratch;
  const Weights weights = all_types();
  for (const std::string& name : weights.names()) {
    const Tensor& tensor = weights.at(name).data;
    save_npy(scratch / "a.npy", tensor);
    const Tensor back = load_npy(scratch / "a.npy");
    INFO(name);
    CHECK(same(back, tensor.dtype() == DType::kBF16 ? to_f32(tensor) : clone(tensor)));
  }
}

TEST_CASE("npy headers are read in every variant NumPy writes") {
  const std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  CHECK(parse(npy_file(head + "(), }", le(1.5f))).shape() == Shape{});
  CHECK(parse(npy_file(head + "(1,), }      ", le(1.5f))).shape() == Shape{1});
  CHECK(parse(npy_file(head + "(1L, 1L)}", le(1.5f), 2)).shape() == Shape{1, 1});
  CHECK(parse(npy_file(head + "(0, 7), }", "", 3)).shape() == Shape{0, 7});
  CHECK(values_of<float>(parse(
            npy_file("{\"shape\":(1,1,),\"fortran_order\":True,\"descr\":\"=f4\"}", le(1.5f)))) ==
        std::vector<float>{1.5f});
  const Tensor big = parse(npy_file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }",
                                    std::string("\x01\x02\xff\xfe", 4)));
  CHECK(values_of<int16_t>(big) == std::vector<int16_t>{0x102, -2});
  const Tensor swapped = parse(npy_file("{'descr': '>f8', 'fortran_order': True, 'shape': (1,), }",
                                        std::string("\x3f\xf8\0\0\0\0\0\0", 8)));
  CHECK(values_of<double>(swapped) == std::vector<double>{1.5});
  const Tensor fortran =
      parse(npy_file("{'descr': '|u1', 'fortran_order': True, "
                     "'shape': (2, 3, 2), }",
                     "abcdefghijkl"));
  const std::string order = "agciekbhdjfl";
  CHECK(values_of<uint8_t>(fortran) == std::vector<uint8_t>(order.begin(), order.end()));
}

TEST_CASE("damaged or dangerous npy headers are refused") {
  const auto why = [](const std::string& header, const std::string& data = "1234") {
    return error_of([&] { parse(npy_file(header, data)); });
  };
  const auto with = [](const std::string& descr, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + "}";
  };
  has(why(with("'|O'", "(1,)")), "a.npy: object array");
  has(why(with("[('a', '<f4')]", "(1,)")), "structured");
  has(why(with("'<c8'", "(1,)"), "12345678"), "'<c8' is not supported");
  has(why(with("'<U1'", "(1,)")), "'<U1' is not supported");
  has(why(with("'|f4'", "(1,)")), "not supported");
  has(why(with("'f4'", "(1,)")), "not supported");
  has(why(with("'<f4'", "(2,)")), "needs 8 bytes of data, found 4");
  has(why(with("'<f4'", "(1,)"), "12345"), "needs 4 bytes of data, found 5");
  has(why(with("'<f4'", "(4611686018427387904, 4)")), "overflows");
  has(why(with("'<f4'", "(99999999999999999999,)")), "overflows");
  has(why(with("'<f4'", "(-1,)")), "extent");
  has(why(with("'<f4'", "(1.5,)")), "expected ','");
  has(why(with("'<f4'", "(1")), "expected ','");
  has(why(with("'<f4', 'extra': 1", "(1,)")), "'extra' unknown");
  has(why(with("'<f4', 'descr': '<f4'", "(1,)")), "unknown or repeated");
  has(why("{'descr': '<f4', 'shape': (1,)}"), "are all needed");
  has(why(with("'<f4'", "(1,)") + "x"), "after the closing brace");
  has(why(with("__import__('os')", "(1,)")), "quoted string");
  has(error_of([&] { parse(npy_file("{}", "", 4)); }), "version 4.0 is unknown");
  has(error_of([&] { parse("\x93NUMPX......"); }), "not a NumPy array");
  has(error_of([&] { parse(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14)); }), "header of");
  std::string no_line_end = npy_file(with("'<f4'", "(1,)"), "1234");
  no_line_end[no_line_end.size() - 5] = ' ';
  has(error_of([&] { parse(no_line_end); }), "line end");
}

TEST_CASE("NpyWriter streams rows and writes their number last") {
  const Scratch scratch;
  {
    NpyWriter writer(scratch / "rows.npy", {2, 3});
    CHECK(writer.rows() == 0);
    const std::vector<float> two_rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    for (int i = 0; i < 600; ++i) writer.append(two_rows);
    error_of([&] { writer.append(std::span(two_rows).first(5)); }, ErrorCode::kInternal);
    CHECK(scratch.list() == std::vector<std::string>{writer.file().temporary().filename()});
    writer.finish();
  }
  const Tensor tensor = load_npy(scratch / "rows.npy");
  CHECK(tensor.shape() == Shape{1200, 2, 3});
  CHECK(tensor.f32()[7199] == 11);
  { const NpyWriter abandoned(scratch / "other.npy", {1}); }
  CHECK(scratch.list() == std::vector<std::string>{"rows.npy"});
  NpyWriter empty(scratch / "rows.npy", {});
  empty.finish();
  CHECK(load_npy(scratch / "rows.npy").shape() == Shape{0});
  error_of([&] { NpyWriter(scratch / "x.npy", {0}); }, ErrorCode::kInternal);
}

TEST_CASE("the safetensors example of the format description is written byte for byte") {
  const Scratch scratch;
  Weights weights;
  weights.add("w", tensor_of<float>({2}, DType::kF32, {1, 2}));
  save_safetensors(scratch / "w.st", weights);
  const std::string expected = std::string("\x38\0\0\0\0\0\0\0", 8) + "{" + kEntry + "}  " +
                               std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  CHECK(expected.size() == 72);
  CHECK(text_of(scratch / "w.st") == expected);
  CHECK(same(load_safetensors(scratch / "w.st"), weights));
}

TEST_CASE("safetensors keeps every element type, shape and the metadata") {
  const Scratch scratch;
  const Weights weights = all_types();
  const std::map<std::string, std::string> metadata = {{"format", "pt"},
                                                       {"note", "a \"b\"\n\xc3\xa4"}};
  save_safetensors(scratch / "w.st", weights, metadata);
  const SafetensorsFile file = read_safetensors(scratch / "w.st");
  CHECK(same(file.weights, weights));
  CHECK(file.metadata == metadata);
  save_safetensors(scratch / "none.st", Weights());
  CHECK(text_of(scratch / "none.st") == safetensors_file("{}      ", ""));
  CHECK(load_safetensors(scratch / "none.st").size() == 0);
}

TEST_CASE("the safetensors header has the official order and padding") {
  const Scratch scratch;
  Weights weights;
  weights.add("a", Tensor({1}, DType::kU8));
  weights.add("b", Tensor({1}, DType::kF32));
  weights.add("A", Tensor({1}, DType::kF32));
  weights.add("c", Tensor({1}, DType::kI64));
  save_safetensors(scratch / "w.st", weights, {{"format", "pt"}});
  const std::string text = text_of(scratch / "w.st");
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"c":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("A":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}})";
  CHECK(text.substr(8, header.size()) == header);
  CHECK(load_le<uint64_t>(as_bytes_of(text), 0) % 8 == 0);
}

TEST_CASE("a tensor with a scale is not silently stored without it") {
  const Scratch scratch;
  Weights weights;
  weights.add("w", Tensor({2}, DType::kI8), Tensor({2}));
  has(error_of([&] { save_safetensors(scratch / "w.st", weights); }, ErrorCode::kInternal),
      "scale");
  CHECK(scratch.list().empty());
}

TEST_CASE("each violated safetensors rule is an error") {
  const auto entry = [](const std::string& fields) { return "{\"w\":{" + fields + "}}"; };
  CHECK_NOTHROW(parse_safetensors(
      bytes_of(safetensors_file(std::string("{") + kEntry + "}", std::string(8, '\0'))), "a.st"));
  // 1: lengths
  has(error_of([] { parse_safetensors(bytes_of("1234567"), "a.st"); }), "only 7 bytes");
  has(error_of([] { parse_safetensors(bytes_of(le(uint64_t{3}) + "{}"), "a.st"); }), "length 3");
  has(error_of([] { parse_safetensors(bytes_of(le(~uint64_t{0}) + "{}"), "a.st"); }), "length");
  // 2: UTF-8, JSON, one object, first byte, duplicate keys
  has(refused(std::string("{") + kEntry + ",\"\xff\":1}"), "UTF-8");
  has(refused(std::string("{") + kEntry + "} \xff"), "UTF-8");
  has(refused(std::string("{") + kEntry + "}" + std::string("\0{", 2)), "UTF-8");
  has(refused(std::string("{") + kEntry + ",}"), "not valid JSON");
  has(refused(std::string("{") + kEntry + "}{}"), "not valid JSON");
  has(refused(std::string(" {") + kEntry + "}"), "start with '{'");
  has(refused("[]"), "start with '{'");
  has(refused(std::string("{") + kEntry + "," + kEntry + "}"), "'w' occurs twice");
  has(refused(entry(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])")), "twice");
  has(refused(entry(R"("dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8])")), "twice");
  has(refused(std::string(R"({"__metadata__":{"a":"1","a":"1"},)") + kEntry + "}"), "twice");
  // 3: metadata
  has(refused(std::string(R"({"__metadata__":{"a":1},)") + kEntry + "}"), "unexpected a number");
  has(refused(std::string(R"({"__metadata__":{"a":{}},)") + kEntry + "}"), "unexpected an object");
  has(refused(std::string(R"({"__metadata__":[],)") + kEntry + "}"), "unexpected an array");
  // 4: fields
  has(refused(entry(R"("shape":[2],"data_offsets":[0,8])")), "needs dtype");
  has(refused(entry(R"("dtype":"F32","data_offsets":[0,8])")), "needs dtype");
  has(refused(entry(R"("dtype":"F32","shape":[2])")), "needs dtype");
  has(refused(entry(R"("dtype":"C64","shape":[1],"data_offsets":[0,8])")), "'C64' of 'w'");
  has(refused(entry(R"("dtype":"F8_E4M3","shape":[7],"data_offsets":[0,8])")), "needs 7 bytes");
  has(refused(entry(R"("dtype":"F4","shape":[15],"data_offsets":[0,8])")), "'F4' of 'w'");
  has(refused(entry(R"("dtype":"f32","shape":[2],"data_offsets":[0,8])")), "'f32'");
  has(refused(entry(R"("dtype":3,"shape":[2],"data_offsets":[0,8])")), "unexpected a number");
  has(refused(entry(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])")), "negative");
  has(refused(entry(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])")), "fraction");
  has(refused(entry(R"("dtype":"F32","shape":[null],"data_offsets":[0,8])")), "null");
  has(refused(entry(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])")), "an array");
  has(refused(entry(R"("dtype":"F32","shape":2,"data_offsets":[0,8])")), "a number");
  has(refused(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0])")), "two integers");
  has(refused(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])")), "two integers");
  has(refused(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1)")), "unknown key 'x'");
  has(refused(R"({"w":true})"), "boolean");
  // 5: holes, overlap, order
  has(refused(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])")),
      "expected to begin at 0");
  has(refused(R"({"v":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
              R"("w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
      "expected to begin at 8");
  has(refused(entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])")),
      "expected to begin at 0");
  // 6: sizes
  has(refused(entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])")), "needs 12 bytes");
  has(refused(entry(R"("dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8])")),
      "overflow");
  has(refused(entry(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8])")),
      "overflow");
  has(refused(entry(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8])")),
      "overflow");
  // 7: end of file
  has(refused(std::string("{") + kEntry + "}", std::string(9, '\0')), "the file at 9");
  has(refused(std::string("{") + kEntry + "}", std::string(7, '\0')), "inside the file");
  // limits
  has(refused("{\"" + std::string(5000, 'n') + "\":{}}"), "longer than 4096");
  has(refused(R"({"a\u0000b":{}})"), "control character");
  has(refused("{\"w\":" + std::string(100'000, '[')), "unexpected an array");
}
