// Tiles of AMX: 16 rows of 64 bytes. One of 16 pixels x 32 numbers times one of 32 numbers (in pairs) x 16 channels.
#pragma once
#include "lanes.h"

namespace amx {
constexpr int DEEP = 32, TILE = 16 * DEEP;             // numbers of a row, and of a tile of bf16

// Tiles are a thread's own, and a library in the same thread shapes them as it likes.
struct Shaped {
  Shaped() {
    alignas(64) uint8_t shape[64] = {1};
    for (int tile = 0; tile < 8; ++tile) shape[16 + 2 * tile] = 64, shape[48 + tile] = 16;
    asm volatile("ldtilecfg %0" : : "m"(shape) : "memory");
  }
  ~Shaped() { asm volatile("tilerelease"); }
};

template <int T> static inline void clear() { asm volatile("tilezero %%tmm%c0" : : "i"(T)); }
template <int T> static inline void load(const void* from, size_t row) {   // bytes from one row to the next
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row), "i"(T) : "memory");
}
template <int T> static inline void store(void* to, size_t row) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row), "i"(T) : "memory");
}
template <int C, int A, int B> static inline void multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

// c[m][n] tiles = the products of a[m] and b[n] along `depth` tiles of each of some runs: with ADDS added to what is there.
struct Factor { size_t row, step, next; const size_t* runs; };   // bytes from row to row; numbers to the next tile along, to the next n, to each run
template <int M, int N, bool ADDS>
static inline __attribute__((always_inline)) void product(float* const (&c)[M], size_t c_row, size_t c_next, const number* const (&a)[M], const Factor& of_a,
                                                          const number* b, const Factor& of_b, int runs, int depth) {
  static_assert(M * N <= 4 && N <= 2);
  constexpr int ONE = N, TWO = 2 * N, THREE = 3 * N;
  if constexpr (ADDS) {
    load<0>(c[0], c_row);
    if constexpr (N == 2) load<1>(c[0] + c_next, c_row);
    if constexpr (M > 1) load<ONE>(c[1], c_row);
    if constexpr (M > 1 && N == 2) load<ONE + 1>(c[1] + c_next, c_row);
    if constexpr (M > 2) load<TWO>(c[2], c_row);
    if constexpr (M > 3) load<THREE>(c[3], c_row);
  } else {
    clear<0>();
    if constexpr (M * N > 1) clear<1>();
    if constexpr (M * N > 2) clear<2>();
    if constexpr (M * N > 3) clear<3>();
  }
  for (int run = 0; run < runs; ++run) {
    const number* from = b + of_b.runs[run];
    size_t at = of_a.runs[run];
    for (int k = 0; k < depth; ++k, from += of_b.step, at += of_a.step) {
      load<6>(from, of_b.row);
      load<4>(a[0] + at, of_a.row);
      multiply<0, 4, 6>();
      if constexpr (N == 2) {
        load<7>(from + of_b.next, of_b.row);
        multiply<1, 4, 7>();
      }
      if constexpr (M > 1) {
        load<5>(a[1] + at, of_a.row);
        multiply<ONE, 5, 6>();
        if constexpr (N == 2) multiply<ONE + 1, 5, 7>();
      }
      if constexpr (M > 2) {
        load<4>(a[2] + at, of_a.row);
        multiply<TWO, 4, 6>();
      }
      if constexpr (M > 3) {
        load<5>(a[3] + at, of_a.row);
        multiply<THREE, 5, 6>();
      }
    }
  }
  store<0>(c[0], c_row);
  if constexpr (N == 2) store<1>(c[0] + c_next, c_row);
  if constexpr (M > 1) store<ONE>(c[1], c_row);
  if constexpr (M > 1 && N == 2) store<ONE + 1>(c[1] + c_next, c_row);
  if constexpr (M > 2) store<TWO>(c[2], c_row);
  if constexpr (M > 3) store<THREE>(c[3], c_row);
}

constexpr int MOST_RUNS = 64;

// Sums c[tiles * 16][N * 16] from pixel 16 * first on, of rows of pixels: `pitch` are counted in each, which begin `units` apart and
// are whole tiles where that differs. A pixel's numbers begin `step` after the last one's; `runs` and weights as `product` has them.
template <int N>
static __attribute__((noinline)) void products(float* c, const number* x, size_t step, int pitch, int units, int first, int tiles, const number* weights,
                                               const size_t* runs, int count, int depth) {
  constexpr int M = N == 2 ? 2 : 4;
  constexpr size_t C_ROW = N * 16 * sizeof(float), C_TILE = 16 * 16 * N;
  size_t of_weights[MOST_RUNS];
  for (int run = 0; run < count; ++run) of_weights[run] = (size_t)run * depth * TILE;
  const Factor of_x = {step * sizeof(number), DEEP, 0, runs}, of_w = {64, TILE, (size_t)count * depth * TILE, of_weights};
  auto from = [&](int tile) { return x + ((size_t)(tile * 16 / pitch) * units + tile * 16 % pitch) * step; };
  int t = 0;
  for (; t + M <= tiles; t += M) {
    const number* a[M];
    float* to[M];
    for (int m = 0; m < M; ++m) a[m] = from(first + t + m), to[m] = c + (t + m) * C_TILE;
    product<M, N, false>(to, C_ROW, 16, a, of_x, weights, of_w, count, depth);
  }
  for (; t < tiles; ++t) {
    const number* const a[1] = {from(first + t)};
    float* const to[1] = {c + t * C_TILE};
    product<1, N, false>(to, C_ROW, 16, a, of_x, weights, of_w, count, depth);
  }
}

constexpr int CHUNK = 8;                               // tiles of pixels whose sums wait in the first cache
constexpr size_t SUMS = CHUNK * 16 * 32 * 2;           // of them, in numbers

// Calls what(tile, channel) for each chunk of pixels and block of channels. So many weights, in numbers, are read for each chunk
// if they stay near: what is written is then written at once. Else they are read once.
template <class Call>
static inline __attribute__((always_inline)) void by_chunks(int tiles, int channels, int block, size_t weights, Call what) {
  if (weights * sizeof(number) <= 256 * 1024)
    for (int t = 0; t < tiles; t += CHUNK) for (int c = 0; c < channels; c += block) what(t, c);
  else
    for (int c = 0; c < channels; c += block) for (int t = 0; t < tiles; t += CHUNK) what(t, c);
}

// Calls what(row, column, pixels, number of the first of them) for each part of a row of `width` from pixel `first` on.
template <class Call>
static inline __attribute__((always_inline)) void by_rows(int first, int end, int pitch, int width, Call what) {
  for (int at = first; at < end;) {
    const int row = at / pitch, column = at % pitch, next = at - column + pitch < end ? at - column + pitch : end;
    const int count = (next < at - column + width ? next : at - column + width) - at;
    if (count > 0) what(row, column, count, at - first);
    at = next;
  }
}

// 16 registers of 16 pairs become those pairs' registers.
static inline void turn(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]), r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]), r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    t[k] = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x88), t[4 + k] = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xdd);
    t[8 + k] = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x88), t[12 + k] = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xdd);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    r[k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0x88), r[8 + k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0xdd);
    r[4 + k] = _mm512_shuffle_i32x4(t[4 + k], t[12 + k], 0x88), r[12 + k] = _mm512_shuffle_i32x4(t[4 + k], t[12 + k], 0xdd);
  }
}

// 16 channels of two pixels in turn.
static inline __m512i pair(const number* a, const number* b) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)a));
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)b));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
}  // namespace amx
