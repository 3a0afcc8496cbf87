#pragma once
// Which SIMD targets every kernel file is compiled for. Include before anything of Highway.
//
// A kernel file is compiled once per target (hwy/foreach_target.h), each time in a namespace of its
// own, and ends with a function `Fn name_for(int64_t target)` made by SPIKELOOM_PICK.

#define HWY_COMPILE_ALL_ATTAINABLE
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#endif
#include <hwy/detect_targets.h>

#if HWY_TARGETS & HWY_AVX3
#define SPIKELOOM_CASE_AVX3(function) \
  case HWY_AVX3:                      \
    return &N_AVX3::function;
#else
#define SPIKELOOM_CASE_AVX3(function)
#endif
#if HWY_TARGETS & HWY_AVX2
#define SPIKELOOM_CASE_AVX2(function) \
  case HWY_AVX2:                      \
    return &N_AVX2::function;
#else
#define SPIKELOOM_CASE_AVX2(function)
#endif
#if HWY_TARGETS & HWY_SCALAR
#define SPIKELOOM_CASE_SCALAR(function) \
  case HWY_SCALAR:                      \
    return &N_SCALAR::function;
#elif HWY_TARGETS & HWY_EMU128
#define SPIKELOOM_CASE_SCALAR(function) \
  case HWY_EMU128:                      \
    return &N_EMU128::function;
#else
#define SPIKELOOM_CASE_SCALAR(function)
#endif
// Body of a chooser: the function compiled for `target`, else that of the machine's baseline.
#define SPIKELOOM_PICK(target, function)            \
  switch (target) {                                 \
    SPIKELOOM_CASE_AVX3(function)                   \
    SPIKELOOM_CASE_AVX2(function)                   \
    SPIKELOOM_CASE_SCALAR(function)                 \
    default: return &HWY_STATIC_DISPATCH(function); \
  }
