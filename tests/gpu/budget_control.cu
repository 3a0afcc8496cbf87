// What the budget test must refuse, so that it is seen to look: an array in local memory, spills, and
// doubles where floats were meant.

__global__ __launch_bounds__(1024) void spills(const float* x, float* y, int n) {
  float a[64];
  for (int i = 0; i < 64; ++i) a[i] = x[i * n + threadIdx.x];
  for (int r = 0; r < n; ++r)
    for (int i = 0; i < 64; ++i) a[i] *= a[(i + r) % 64];
  float sum = 0.0f;
  for (int i = 0; i < 64; ++i) sum += a[i];
  y[threadIdx.x] = static_cast<float>(sum * 1.1);
}
