// Single instructions against values worked out by hand, and what is refused.

#include <bit>
#include <cmath>
#include <limits>

#include "tests/catch.hpp"
#include "tests/gpu/ptx/interpreter.hpp"
#include "tests/gpu/simt/host_context.hpp"

namespace spikeloom::ptx {
namespace {

std::string kernel_of(const std::string& body, const std::string& version = "9.0") {
  return ".version " + version + R"(
.target sm_75
.address_size 64
.visible .entry k(
	.param .u64 k_param_0, .param .u64 k_param_1
)
{
	.reg .pred 	%p<5>;
	.reg .b16 	%rs<9>;
	.reg .f32 	%f<9>;
	.reg .b32 	%r<20>;
	.reg .f64 	%fd<9>;
	.reg .b64 	%rd<20>;
	ld.param.u64 	%rd10, [k_param_0];
	ld.param.u64 	%rd11, [k_param_1];
	mov.u32 	%r10, %tid.x;
	mul.wide.u32 	%rd12, %r10, 8;
	add.s64 	%rd13, %rd11, %rd12;
	ld.global.u64 	%rd1, [%rd10];
	ld.global.u64 	%rd2, [%rd10+8];
	ld.global.u64 	%rd3, [%rd10+16];
	cvt.u32.u64 	%r1, %rd1;
	cvt.u32.u64 	%r2, %rd2;
	cvt.u32.u64 	%r3, %rd3;
	mov.b32 	%f1, %r1;
	mov.b32 	%f2, %r2;
	mov.b32 	%f3, %r3;
	mov.b64 	%fd1, %rd1;
	mov.b64 	%fd2, %rd2;
	mov.u32 	%r4, 0;
	mov.u32 	%r5, 0;
)" + body +
         R"(
	mov.b64 	%rd5, {%r4, %r5};
	st.global.u64 	[%rd13], %rd5;
	ret;
}
)";
}

// What the statements leave in {%r4, %r5}.
uint64_t result_of(const std::string& body, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
  const Module module = parse(kernel_of(body));
  const simt::Buffer<uint64_t> in(std::vector<uint64_t>{a, b, c}), out(32);
  Interpreter interpreter(simt::host_memory());
  const uint64_t *const in_address = in.get(), *const out_address = out.get();
  const void* const params[] = {&in_address, &out_address};
  const simt::Report report = interpreter.launch(module, module.kernels[0], 1, 32, params, 0, {});
  REQUIRE(report.text() == "");
  for (const uint64_t value : out.values()) CHECK(value == out.values()[0]);
  return out.values()[0];
}

uint64_t bits(float x) {
  return std::bit_cast<uint32_t>(x);
}
uint64_t bits(double x) {
  return std::bit_cast<uint64_t>(x);
}
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("instructions of whole numbers") {
  struct Case {
    const char* text;
    uint64_t a, b, c, want;
  };
  const Case cases[] = {
      {"mul.hi.u32 %r4, %r1, %r2;", 0xffffffff, 0xffffffff, 0, 0xfffffffe},
      {"mul.hi.s32 %r4, %r1, %r2;", 0xffffffff, 5, 0, 0xffffffff},
      {"mad.lo.s32 %r4, %r1, %r2, %r3;", 0xfffffffe, 3, 7, 1},
      {"div.s32 %r4, %r1, %r2;", static_cast<uint32_t>(-7), 2, 0, static_cast<uint32_t>(-3)},
      {"rem.s32 %r4, %r1, %r2;", static_cast<uint32_t>(-7), 2, 0, 0xffffffff},
      {"div.u32 %r4, %r1, %r2;", 0xfffffff9, 2, 0, 0x7ffffffc},
      {"shl.b32 %r4, %r1, %r2;", 1, 32, 0, 0},
      {"shl.b32 %r4, %r1, %r2;", 1, 31, 0, 0x80000000},
      {"shr.s32 %r4, %r1, %r2;", 0x80000000, 40, 0, 0xffffffff},
      {"shr.u32 %r4, %r1, %r2;", 0x80000000, 31, 0, 1},
      {"bfe.u32 %r4, %r1, %r2, %r3;", 0x12345678, 8, 8, 0x56},
      {"bfe.s32 %r4, %r1, %r2, %r3;", 0x1234f678, 8, 8, 0xfffffff6},
      {"bfe.u32 %r4, %r1, 28, 8;", 0xf2345678, 0, 0, 0xf},
      {"bfi.b32 %r4, %r1, %r2, 8, 4;", 0xabc, 0xffffffff, 0, 0xfffffcff},
      {"prmt.b32 %r4, %r1, %r2, %r3;", 0x33221100, 0x77665544, 0x6420, 0x66442200},
      {"prmt.b32 %r4, %r1, %r2, %r3;", 0x00008000, 0, 0x9999, 0xffffffff},
      {"shf.l.wrap.b32 %r4, %r1, %r2, %r3;", 0x80000001, 0x2, 33, 0x5},
      {"shf.r.clamp.b32 %r4, %r1, %r2, %r3;", 0x80000001, 0x2, 40, 0x2},
      {"lop3.b32 %r4, %r1, %r2, %r3, 0xE8;", 0b1100, 0b1010, 0b0110, 0b1110},  // majority
      {"lop3.b32 %r4, %r1, %r2, %r3, 150;", 0b1100, 0b1010, 0b0110, 0b0000},   // a ^ b ^ c
      {"dp4a.u32.s32 %r4, %r1, %r2, %r3;", 0x01ff0203, 0xff010203, 10, 10 - 1 + 255 + 4 + 9},
      {"popc.b32 %r4, %r1;", 0xf0f, 0, 0, 8},
      {"clz.b32 %r4, %r1;", 0, 0, 0, 32},
      {"brev.b32 %r4, %r1;", 0x1, 0, 0, 0x80000000},
      {"bfind.u32 %r4, %r1;", 0x10, 0, 0, 4},
      {"bfind.shiftamt.u32 %r4, %r1;", 0x10, 0, 0, 27},
      {"bfind.u32 %r4, %r1;", 0, 0, 0, 0xffffffff},
      {"min.s32 %r4, %r1, %r2;", 0xffffffff, 1, 0, 0xffffffff},
      {"min.u32 %r4, %r1, %r2;", 0xffffffff, 1, 0, 1},
      {"abs.s32 %r4, %r1;", 0xffffffff, 0, 0, 1},
      {"setp.lt.s32 %p1, %r1, %r2; selp.b32 %r4, 7, 9, %p1;", 0xffffffff, 0, 0, 7},
      {"setp.lt.u32 %p1, %r1, %r2; @!%p1 mov.u32 %r4, 3;", 0xffffffff, 0, 0, 3},
      {"cvt.s64.s32 %rd4, %r1; mov.b64 {%r4, %r5}, %rd4;", 0x80000000, 0, 0, 0xffffffff80000000},
      {"cvt.s16.s8 %rs1, %rs2; cvt.u32.u16 %r4, %rs1;", 0, 0, 0, 0xfffb},  // of the junk 0xfbfb
      {"cvt.u16.u32 %rs1, %r1; cvt.s64.s8 %rd4, %rs1; mov.b64 {%r4, %r5}, %rd4;", 0xff, 0, 0,
       ~uint64_t{0}},
      {"mov.b32 {%rs1, %rs2}, %r1; mov.b32 %r4, {%rs2, %rs1};", 0x12345678, 0, 0, 0x56781234},
      {"mul.wide.s32 %rd4, %r1, %r2; mov.b64 {%r4, %r5}, %rd4;", 0xffffffff, 2, 0, ~uint64_t{1}},
      {"mad.wide.u32 %rd4, %r1, %r2, %rd3; mov.b64 {%r4, %r5}, %rd4;", 0xffffffff, 2, 5,
       0x200000003},
      {"mul.hi.u64 %rd4, %rd1, %rd2; mov.b64 {%r4, %r5}, %rd4;", ~uint64_t{0}, ~uint64_t{0}, 0,
       ~uint64_t{1}},
      {"div.s64 %rd4, %rd1, %rd2; mov.b64 {%r4, %r5}, %rd4;", 1ull << 63, ~uint64_t{0}, 0,
       1ull << 63},
      {"ld.global.s8 %r4, [%rd10];", 0x80, 0, 0, 0xffffff80},
      {"ld.global.u8 %r4, [%rd10+1];", 0x8000, 0, 0, 0x80},
      {"ld.global.v2.u32 {%r5, %r4}, [%rd10];", 0x100000002, 0, 0, 0x200000001},
      {"{ .reg .b32 %r4; mov.u32 %r4, 5; } add.s32 %r4, %r4, 1;", 0, 0, 0,
       1},  // a scope of its own
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(result_of(c.text, c.a, c.b, c.c) == c.want);
  }
}

TEST_CASE("instructions of floats") {
  const float third = 1.0f / 3.0f;
  struct Case {
    const char* text;
    uint64_t a, b, c, want;
  };
  const Case cases[] = {
      {"fma.rn.f32 %f4, %f1, %f2, %f3; mov.b32 %r4, %f4;", bits(third), bits(3.0f), bits(-1.0f),
       bits(std::fma(third, 3.0f, -1.0f))},
      {"mul.f32 %f4, %f1, %f2; mov.b32 %r4, %f4;", bits(third), bits(third), 0,
       bits(third * third)},
      {"div.rn.f32 %f4, %f1, %f2; mov.b32 %r4, %f4;", bits(1.0f), bits(3.0f), 0, bits(third)},
      {"sqrt.rn.f32 %f4, %f1; mov.b32 %r4, %f4;", bits(2.0f), 0, 0, bits(std::sqrt(2.0f))},
      {"max.f32 %f4, %f1, %f2; mov.b32 %r4, %f4;", bits(kNan), bits(3.0f), 0, bits(3.0f)},
      {"min.f32 %f4, %f1, %f2; mov.b32 %r4, %f4;", bits(0.0f), bits(-0.0f), 0, bits(-0.0f)},
      {"setp.leu.f32 %p1, %f1, %f2; selp.u32 %r4, 1, 0, %p1;", bits(kNan), bits(3.0f), 0, 1},
      {"setp.ne.f32 %p1, %f1, %f2; selp.u32 %r4, 1, 0, %p1;", bits(kNan), bits(3.0f), 0, 0},
      {"setp.neu.f32 %p1, %f1, %f2; selp.u32 %r4, 1, 0, %p1;", bits(kNan), bits(3.0f), 0, 1},
      {"cvt.rzi.s32.f32 %r4, %f1;", bits(-2.9f), 0, 0, static_cast<uint32_t>(-2)},
      {"cvt.rni.s32.f32 %r4, %f1;", bits(2.5f), 0, 0, 2},
      {"cvt.rmi.s32.f32 %r4, %f1;", bits(-2.1f), 0, 0, static_cast<uint32_t>(-3)},
      {"cvt.rzi.s32.f32 %r4, %f1;", bits(1e20f), 0, 0, 0x7fffffff},
      {"cvt.rzi.u32.f32 %r4, %f1;", bits(-1.0f), 0, 0, 0},
      {"cvt.rzi.s32.f32 %r4, %f1;", bits(kNan), 0, 0, 0},
      {"cvt.rn.f32.s32 %f4, %r1; mov.b32 %r4, %f4;", 16777217, 0, 0, bits(16777216.0f)},
      {"cvt.rpi.f32.f32 %f4, %f1; mov.b32 %r4, %f4;", bits(1.25f), 0, 0, bits(2.0f)},
      {"mov.f32 %f4, 0fBF800000; abs.f32 %f4, %f4; mov.b32 %r4, %f4;", 0, 0, 0, bits(1.0f)},
      {"add.rn.f64 %fd4, %fd1, %fd2; mov.b64 {%r4, %r5}, %fd4;", bits(0.1), bits(0.2), 0,
       bits(0.1 + 0.2)},
      {"fma.rn.f64 %fd4, %fd1, %fd2, 0d3FF0000000000000; mov.b64 {%r4, %r5}, %fd4;", bits(0.1),
       bits(0.2), 0, bits(std::fma(0.1, 0.2, 1.0))},
      {"cvt.rn.f32.f64 %f4, %fd1; mov.b32 %r4, %f4;", bits(0.1), 0, 0, bits(0.1f)},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(result_of(c.text, c.a, c.b, c.c) == c.want);
  }
}

TEST_CASE("lanes that part meet again") {
  // Odd lanes loop tid times, the others jump over it; all vote at the end.
  CHECK(result_of(R"(
	and.b32 %r6, %r10, 1;
	setp.eq.s32 %p1, %r6, 0;
	@%p1 bra $after;
	mov.u32 %r7, %r10;
$loop:
	add.s32 %r7, %r7, -1;
	setp.ne.s32 %p2, %r7, 0;
	@%p2 bra $loop;
$after:
	vote.sync.ballot.b32 %r4, %p1, -1;
)") == 0x55555555);
}

TEST_CASE("a product of matrices of bytes") {
  // Every byte of A is 2, of B -3; C is 1: 32 * -6 + 1.
  CHECK(result_of(R"(
	mov.u32 %r6, 0x02020202;
	mov.u32 %r7, 0xfdfdfdfd;
	mov.u32 %r8, 1;
	mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%r4, %r11, %r12, %r13}, {%r6, %r6, %r6, %r6}, {%r7, %r7}, {%r8, %r8, %r8, %r8};
)") == static_cast<uint32_t>(-191));
  CHECK(result_of(R"(
	mov.u32 %r6, 0x02020202;
	mov.u32 %r7, 0xfdfdfdfd;
	mov.u32 %r8, 1;
	mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%r4, %r11}, {%r6}, {%r7}, {%r8, %r8};
)") == static_cast<uint32_t>(-95));
}

TEST_CASE("what is unknown is refused with its line") {
  const auto refusal = [](const std::string& body) -> std::string {
    try {
      parse(kernel_of(body));
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refusal("").empty());
  for (const char* body :
       {"ex2.approx.f32 %f4, %f1;", "add.f16 %rs1, %rs2, %rs3;", "ld.const.u32 %r4, [%rd10];",
        "add.s32 %r4, %rd1, %r2;", "add.s32 %r4, %r1;", "call.uni foo, ();", "bar.sync 1;",
        "mov.u32 %r4, %clock;", "add.ftz.f32 %f4, %f1, %f2;", "bra $nowhere;",
        "activemask.b32 %r4;", ".local .align 4 .b8 x[4];",
        "atom.global.add.f32 %f4, [%rd10], %f1;", "cvt.sat.u8.s32 %rs1, %r1;",
        "ld.volatile.global.u32 %r4, [%rd10];", "mov.u32 %r4, unknown_symbol;"}) {
    INFO(body);
    CHECK(refusal(body).rfind("PTX line ", 0) == 0);
  }
  CHECK(parse(kernel_of("", "8.3")).version == "8.3");
}

}  // namespace
}  // namespace spikeloom::ptx
