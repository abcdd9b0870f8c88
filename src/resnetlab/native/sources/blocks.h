// Sums of products that stay in registers: P pixels x OV vectors of outputs of a convolution of one kind. Included by
// convolution.cpp, whose constants it takes, within its namespace.
#pragma once

constexpr int vectors(int channels, int width) {       // of output channels in one block
  int n = channels / LANES;
  if (n % 4 == 0 && width <= 6 && REGISTERS == 32) return 4;
  return n % 2 == 0 ? 2 : 1;
}
constexpr int pixels(int vectors, int width) {         // in one block
  int most = (REGISTERS - vectors - 2) / vectors;
  if (most > 16) most = 16;
  if (width <= most) return width;
  for (int p = most; p >= 5; --p) if (width % p == 0) return p;
  return most < 8 ? most : 8;
}

// P pixels x OV vectors of outputs: the sum over taps of x[tap] with weights[tap], each DEPTH_ channels deep.
template <int P, int OV, int STEP, int DEPTH_>
static inline __attribute__((always_inline)) void block(vec (&acc)[P][OV], const number* const* x, const number* const* weights, int taps) {
  for (int p = 0; p < P; ++p) for (int v = 0; v < OV; ++v) acc[p][v] = (vec){};
  for (int t = 0; t < taps; ++t) {
    const number *from = x[t], *w = weights[t];
    for (int i = 0; i < DEPTH_; i += PAIR, w += OV * LANES * PAIR) {
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < OV; ++v) acc[p][v] = multiply_add(acc[p][v], w + v * LANES * PAIR, from + p * STEP + i);
    }
  }
}

// The same for one register of outputs and 3x3 taps at stride 1, of which `x` are the rows' first pixels: an input is fetched
// once for the three outputs of a row that read it.
constexpr bool IN_THREES = KERNEL == 3 && STRIDE == 1 && REGISTERS == 32;
template <int P, int DEPTH_>
static inline __attribute__((always_inline)) void block_of_threes(vec (&acc)[P][1], const number* const (&x)[3], const number* const (&weights)[9]) {
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) acc[p][0] = (vec){};
  for (int r = 0; r < 3; ++r) {
    const number *from = x[r], *left = weights[3 * r], *middle = weights[3 * r + 1], *right = weights[3 * r + 2];
    for (int i = 0; i < DEPTH_; i += PAIR) {
      const factors l = factors_of(left + i * LANES), m = factors_of(middle + i * LANES), n = factors_of(right + i * LANES);
#pragma GCC unroll 18
      for (int q = 0; q < P + 2; ++q) {
        const factors input = everywhere(from + q * DEPTH_ + i);
        if (q < P) acc[q][0] = multiply_add(acc[q][0], l, input);
        if (q >= 1 && q <= P) acc[q - 1][0] = multiply_add(acc[q - 1][0], m, input);
        if (q >= 2) acc[q - 2][0] = multiply_add(acc[q - 2][0], n, input);
      }
    }
  }
}

// The same by itself, so that what its caller holds in registers does not push its own out of them.
template <int P, int OV, int STEP, int DEPTH_>
static __attribute__((noinline)) void block_apart(vec (&acc)[P][OV], const number* const* x, const number* const* weights, int taps) {
  vec own[P][OV];
  block<P, OV, STEP, DEPTH_>(own, x, weights, taps);
  for (int p = 0; p < P; ++p) for (int v = 0; v < OV; ++v) acc[p][v] = own[p][v];
}
