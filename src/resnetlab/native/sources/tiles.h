// Sums of products that stay in registers: P pixels x OV vectors of outputs.
#pragma once
#include "lanes.h"

constexpr int most_pixels(int vectors) {
  return REGISTERS == 32 ? 14 : vectors == 2 ? 6 : 12;
}

// Pixel p's address from few registers: x + p * step is one of these with a scale of 1, 2, 4 or 8.
struct Steps {
  size_t s1, s3, s5, s7, s9, s11, s13;
  explicit Steps(size_t bytes)
      : s1(bytes), s3(3 * bytes), s5(5 * bytes), s7(7 * bytes), s9(9 * bytes), s11(11 * bytes), s13(13 * bytes) {
    __asm__("" : "+r"(s1), "+r"(s3), "+r"(s5), "+r"(s7), "+r"(s9), "+r"(s11), "+r"(s13));  // not to be taken apart
  }
  template <int P>
  inline __attribute__((always_inline)) const number* at(const number* x) const {
    const char* c = (const char*)x;
    switch (P) {
      case 0: return x;
      case 1: return (const number*)(c + s1);
      case 2: return (const number*)(c + s1 * 2);
      case 3: return (const number*)(c + s3);
      case 4: return (const number*)(c + s1 * 4);
      case 5: return (const number*)(c + s5);
      case 6: return (const number*)(c + s3 * 2);
      case 7: return (const number*)(c + s7);
      case 8: return (const number*)(c + s1 * 8);
      case 9: return (const number*)(c + s9);
      case 10: return (const number*)(c + s5 * 2);
      case 11: return (const number*)(c + s11);
      case 12: return (const number*)(c + s3 * 4);
      default: return (const number*)(c + s13);
    }
  }
};

// The weights stay in registers: else the compiler puts them on the stack for some P.
template <int P, int OV, int N = 0>
static inline __attribute__((always_inline)) void multiply_all(vec (&acc)[P][OV], const number* x, const Steps& steps, const factors (&w)[OV]) {
  if constexpr (N < P) {
    const factors input = everywhere(steps.at<N>(x));
#pragma GCC unroll 4
    for (int v = 0; v < OV; ++v) acc[N][v] = multiply_add(acc[N][v], w[v], input);
    multiply_all<P, OV, N + 1>(acc, x, steps, w);
  }
}

constexpr int AHEAD = 8192;       // bytes of weights that are fetched before they are needed: a network's do not stay in the caches

// acc = the sum over `rows` rows of x, each `depth` numbers that follow each other, of x[p * step + i] * w[i].
template <int P, int OV>
static inline __attribute__((always_inline)) void multiply(vec (&acc)[P][OV], const number* x, size_t step, size_t row, int rows, int depth,
                                                           const number* w) {
  const Steps steps(step * sizeof(number));
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < OV; ++v) acc[p][v] = (vec){};
  for (int r = 0; r < rows; ++r, x += row) {
    const number* end = x + depth;
    for (const number* from = x; from < end; from += PAIR, w += OV * LANES * PAIR) {
      factors weights[OV];
#pragma GCC unroll 4
      for (int v = 0; v < OV; ++v) {
        weights[v] = factors_of(w + v * LANES * PAIR);
        __builtin_prefetch((const char*)(w + v * LANES * PAIR) + AHEAD);
        __asm__("" : "+v"(weights[v]));
      }
      multiply_all<P, OV>(acc, from, steps, weights);
    }
  }
}

// The same for one register of outputs and kernels of three columns at stride 1: an input is fetched once for the outputs that read it.
template <int P>
static inline __attribute__((always_inline)) void multiply_threes(vec (&acc)[P][1], const number* x, size_t row, int rows, int depth, const number* w) {
  const int each = depth / 3, column = each * LANES;
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) acc[p][0] = (vec){};
  for (int r = 0; r < rows; ++r, x += row, w += 2 * column)
    for (const number *from = x, *end = x + each; from < end; from += PAIR, w += LANES * PAIR) {
      const factors left = factors_of(w), middle = factors_of(w + column), right = factors_of(w + 2 * column);
#pragma GCC unroll 18
      for (int q = 0; q < P + 2; ++q) {
        const factors input = everywhere(from + (size_t)q * each);
        if (q < P) acc[q][0] = multiply_add(acc[q][0], left, input);
        if (q >= 1 && q <= P) acc[q - 1][0] = multiply_add(acc[q - 1][0], middle, input);
        if (q >= 2) acc[q - 2][0] = multiply_add(acc[q - 2][0], right, input);
      }
    }
}

// What happens to sums before they are kept. A slope of 1 is no activation, of 0 ReLU.
struct Finish {
  const float *scale, *shift;     // null: 1, 0
  float early;                    // activation before the addition
  const void* addend;             // a map like y, or null
  float late;                     // activation after it
  void* y;                        // where that is kept, or null
  const float *scale2, *shift2;   // of that, a second map
  float slope2;
  void* y2;                       // or null
  long pitch;                     // numbers from one pixel to the next
};

static inline vec activated(vec x, float slope) {
  if (slope == 1) return x;
  const vec low = slope == 0 ? (vec){} : x * all(slope);
  return x < (vec){} ? low : x;   // a NaN stays one
}

// `f` should be a copy of the caller's own: else its parts are read again after each store, which might have been to them.
static inline __attribute__((always_inline)) void finish(vec x, const Finish& f, size_t at, int channel) {
  if (f.scale) x *= load(f.scale + channel);
  if (f.shift) x += load(f.shift + channel);
  x = activated(x, f.early);
  if (f.addend) x += load((const number*)f.addend + at);
  x = activated(x, f.late);
  if (f.y) store((number*)f.y + at, x);
  if (f.y2) store((number*)f.y2 + at, activated(x * load(f.scale2 + channel) + load(f.shift2 + channel), f.slope2));
}

// What nearly always follows: a sum, at most ReLU, at most an addition and ReLU, one map. Nothing of it is asked for each number.
struct Usual {
  vec early, late;                // below them nothing is kept
  bool is_all;
  explicit Usual(const Finish& f)
      : early(f.early == 0 ? (vec){} : all(-__builtin_inff())), late(f.late == 0 ? (vec){} : all(-__builtin_inff())),
        is_all(!f.scale && f.shift && f.y && !f.y2 && (f.early == 0 || f.early == 1) && (f.late == 0 || f.late == 1)) {}
  inline __attribute__((always_inline)) void finish(vec x, vec shift, const number* addend, number* y) const {
    x += shift;
    x = x < early ? early : x;    // a NaN stays one
    if (addend) x += load(addend);
    store(y, x < late ? late : x);
  }
};

// What follows the sums of one tile.
template <int P, int OV>
static inline __attribute__((always_inline)) void finish_tile(const vec (&acc)[P][OV], const Finish& f, size_t pixel, int channel) {
  if (const Usual usual(f); usual.is_all) {
    const size_t first = pixel * f.pitch + channel;
    number* y = (number*)f.y + first;
    const number* addend = f.addend ? (const number*)f.addend + first : nullptr;
    vec shift[OV];
    for (int v = 0; v < OV; ++v) shift[v] = load(f.shift + channel + v * LANES);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p, y += f.pitch, addend += addend ? f.pitch : 0)
#pragma GCC unroll 4
      for (int v = 0; v < OV; ++v) usual.finish(acc[p][v], shift[v], addend ? addend + v * LANES : nullptr, y + v * LANES);
    return;
  }
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < OV; ++v) finish(acc[p][v], f, (pixel + p) * f.pitch + channel + v * LANES, channel + v * LANES);
}

// One tile: products and what follows. `pixel` is its first output's number, `channel` its first one's.
template <int P, int OV>
static void tile(const number* x, size_t step, size_t row, int rows, int depth, const number* w, const Finish& given, size_t pixel, int channel) {
  vec acc[P][OV];
  multiply<P, OV>(acc, x, step, row, rows, depth, w);
  __asm__("" : : : "memory");     // not read before: it would take the weights' registers
  const Finish f = given;
  finish_tile(acc, f, pixel, channel);
}

template <int P>
static void tile_of_threes(const number* x, size_t, size_t row, int rows, int depth, const number* w, const Finish& given, size_t pixel, int channel) {
  vec acc[P][1];
  multiply_threes<P>(acc, x, row, rows, depth, w);
  __asm__("" : : : "memory");
  const Finish f = given;
  finish_tile(acc, f, pixel, channel);
}

// The products alone, float, one pixel after another.
template <int P, int OV>
static void product_tile(const number* x, size_t step, int depth, const number* w, float* to) {
  vec acc[P][OV];
  multiply<P, OV>(acc, x, step, 0, 1, depth, w);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < OV; ++v) store(to + (p * OV + v) * LANES, acc[p][v]);
}

typedef void (*Tile)(const number*, size_t, size_t, int, int, const number*, const Finish&, size_t, int);
typedef void (*ProductTile)(const number*, size_t, int, const number*, float*);
struct Tiles {
  Tile tile;
  ProductTile products;
};
template <int OV>
static Tiles tiles_of(int pixels) {
  constexpr int M = most_pixels(OV);
#define OF(P) if constexpr (P <= M) { if (pixels == P) return {tile<P, OV>, product_tile<P, OV>}; }
  OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11) OF(12) OF(13) OF(14)
#undef OF
  return {};
}
static inline Tiles tiles_of(int pixels, int vectors) { return vectors == 2 ? tiles_of<2>(pixels) : tiles_of<1>(pixels); }

constexpr int MOST_OF_THREES = REGISTERS == 32 ? 16 : 10;
static inline Tile tile_of_threes_of(int pixels) {
#define OF(P) if constexpr (P <= MOST_OF_THREES) { if (pixels == P) return tile_of_threes<P>; }
  OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11) OF(12) OF(13) OF(14) OF(15) OF(16)
#undef OF
  return {};
}

// `count` pixels as blocks of about the same size, none larger than a tile.
struct Blocks {
  int count, base, larger;
  Blocks(int pixels, int most) {
    count = (pixels + most - 1) / most, base = count ? pixels / count : 0, larger = count ? pixels % count : 0;
  }
  int size(int n) const { return base + (n < larger); }
};
