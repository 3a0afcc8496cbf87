#pragma once
// Operators that read one element, or a few, for each they make.

#include "sim/backends/cuda/kernels/pass.hpp"

namespace spikeloom::cuda {

// An array with one number for all, for each channel, or for each element.
struct Numbers {
  const float* array = nullptr;
  float one = 0;
  int32_t channels = 0;
  bool by_channel = false;

  template <class Ctx>
  SPIKELOOM_DEVICE float at(Ctx& c, int row, int channel) const {
    if (array == nullptr) return one;
    return c.load(array + (by_channel ? 0 : static_cast<int64_t>(row) * channels) + channel);
  }
};

struct IdentityMain {
  struct Params {
    Value in;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.in, at.t, at.row, at.channel);
  }
};

struct AddMain {
  struct Params {
    Value a, b;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.a, at.t, at.row, at.channel) + element(c, p.b, at.t, at.row, at.channel);
  }
};

struct MulMain {
  struct Params {
    Value a, b;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.a, at.t, at.row, at.channel) * element(c, p.b, at.t, at.row, at.channel);
  }
};

struct ScaleMain {
  struct Params {
    Value in;
    Numbers factor;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.in, at.t, at.row, at.channel) * p.factor.at(c, at.row, at.channel);
  }
};

// relu 0, sigmoid 1, relu^2 2. GELU, in double, is a kernel of its own.
struct ActivationMain {
  struct Params {
    Value in;
    int32_t kind = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const float x = element(c, p.in, at.t, at.row, at.channel);
    if (p.kind == 1) return ordered_sigmoid(x);
    const float positive = x > 0.0f ? x : 0.0f;
    return p.kind == 0 ? positive : positive * positive;
  }
};

struct BatchNormMain {
  struct Params {
    Value in;
    const float *scale = nullptr, *shift = nullptr;
    int32_t height = 1, width = 1, pad = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int out_width = p.width + 2 * p.pad;
    const int y = at.row / out_width - p.pad, x = at.row % out_width - p.pad;
    const float shift = c.load(p.shift + at.channel);
    if (y < 0 || y >= p.height || x < 0 || x >= p.width) return shift;
    return element(c, p.in, at.t, y * p.width + x, at.channel) * c.load(p.scale + at.channel) +
           shift;
  }
};

struct ThresholdMain {
  struct Params {
    Value in;
    Numbers threshold;
    bool at_threshold = true;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const float x = element(c, p.in, at.t, at.row, at.channel);
    const float threshold = p.threshold.at(c, at.row, at.channel);
    return (p.at_threshold ? x >= threshold : x > threshold) ? 1.0f : 0.0f;
  }
};

struct EmbeddingMain {
  struct Params {
    Value in;
    const float* table = nullptr;
    int32_t channels = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const auto token = static_cast<int64_t>(element(c, p.in, at.t, 0, 0));
    return c.load(p.table + token * p.channels + at.channel);
  }
};

struct PositionsMain {
  struct Params {
    Value in;
    const float* table = nullptr;
    int32_t channels = 0;
    bool along_steps = false;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int64_t position = p.along_steps ? at.step : at.row;
    return element(c, p.in, at.t, at.row, at.channel) +
           c.load(p.table + position * p.channels + at.channel);
  }
};

struct PrependMain {
  struct Params {
    Value in;
    const float* row = nullptr;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return at.row == 0 ? c.load(p.row + at.channel)
                       : element(c, p.in, at.t, at.row - 1, at.channel);
  }
};

struct FirstRowMain {
  struct Params {
    Value in;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.in, at.t, 0, at.channel);
  }
};

struct ConcatMain {
  struct Params {
    Value in[3];
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    int channel = at.channel;
    if (channel < p.in[0].channels) return element(c, p.in[0], at.t, 0, channel);
    channel -= p.in[0].channels;
    if (channel < p.in[1].channels) return element(c, p.in[1], at.t, 0, channel);
    return element(c, p.in[2], at.t, 0, channel - p.in[1].channels);
  }
};

struct FlattenMain {
  struct Params {
    Value in;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return element(c, p.in, at.t, at.channel % p.in.rows, at.channel / p.in.rows);
  }
};

struct DelayMain {
  struct Params {
    Value in;
    int64_t steps = 1;
    const int64_t* by_element = nullptr;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int64_t steps =
        p.by_element == nullptr
            ? p.steps
            : c.load(p.by_element + static_cast<int64_t>(at.row) * p.in.channels + at.channel);
    return element(c, p.in, at.t - steps, at.row, at.channel);
  }
};

struct TokenMixMain {
  struct Params {
    Value now, before;
    const float* mix = nullptr;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const float m = c.load(p.mix + at.channel);
    return element(c, p.now, at.t, at.row, at.channel) * m +
           element(c, p.before, at.t, at.row, at.channel) * (1.0f - m);
  }
};

// sum 0, average 1, max 2; ky and then kx ascending.
struct PoolMain {
  struct Params {
    Value in;
    int32_t mode = 0;
    int32_t height = 0, width = 0, out_width = 0;
    int32_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1, padding_y = 0, padding_x = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int top = at.row / p.out_width * p.stride_y - p.padding_y,
              left = at.row % p.out_width * p.stride_x - p.padding_x;
    float result = 0;
    bool first = true;
    const int end_y = least(top + p.kernel_y, p.height), end_x = least(left + p.kernel_x, p.width);
    for (int y = top < 0 ? 0 : top; y < end_y; ++y) {
      for (int x = left < 0 ? 0 : left; x < end_x; ++x) {
        const float value = element(c, p.in, at.t, y * p.width + x, at.channel);
        if (p.mode != 2) {
          result += value;
        } else if (first || value > result || value != value) {
          result = value;
        }
        first = false;
      }
    }
    return p.mode == 1 ? result / static_cast<float>(static_cast<int64_t>(p.kernel_y) * p.kernel_x)
                       : result;
  }

 private:
  SPIKELOOM_DEVICE static int least(int a, int b) { return a < b ? a : b; }
};

// Rows on 32 lanes, which fold by 16, 8, 4, 2, 1; a thread has all lanes of its channel.
struct SpatialMeanMain {
  struct Params {
    Value in;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    float lane[32] = {};
    for (int first = 0; first < p.in.rows; first += 32) {
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
      for (int l = 0; l < 32; ++l) {
        if (first + l < p.in.rows) lane[l] += element(c, p.in, at.t, first + l, at.channel);
      }
    }
    fold<16>(lane);
    fold<8>(lane);
    fold<4>(lane);
    fold<2>(lane);
    fold<1>(lane);
    return lane[0] / static_cast<float>(p.in.rows);
  }

 private:
  template <int Half>
  SPIKELOOM_DEVICE static void fold(float (&lane)[32]) {
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
    for (int l = 0; l < Half; ++l) lane[l] += lane[l + Half];
  }
};

}  // namespace spikeloom::cuda
