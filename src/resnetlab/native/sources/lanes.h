// Vectors of one register, and numbers as maps hold them: float, or bfloat16 that is multiplied in pairs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define REGISTERS 32
#else
#define LANES 8
#define REGISTERS 16
#endif

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline vec all(float x) { return x - (vec){}; }

#if MAPS_ARE_BF16
// A pair of neighbouring channels is one number of 32 bits, which one instruction multiplies and adds.
typedef uint16_t number;
typedef uint16_t half __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
#define PAIR 2
static inline vec load(const number* p) {
  return (vec)_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
static inline void store(number* p, vec x) { _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh((__m512)x)); }
// Two registers as pairs of neighbours, 2 x LANES numbers.
static inline void store_together(number* p, const vec (&x)[2]) {
  const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x[0]));
  const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x[1]));
  _mm512_storeu_si512(p, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
static inline float single(number x) { uint32_t bits = (uint32_t)x << 16; float y; memcpy(&y, &bits, 4); return y; }
static inline number rounded(float x) {
  uint32_t bits; memcpy(&bits, &x, 4);
  return (number)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#else
typedef float number;
#define PAIR 1
static inline float single(number x) { return x; }
static inline number rounded(float x) { return x; }
#endif
static inline vec load(const float* p) { return *(const vec*)p; }
static inline void store(float* p, vec x) { *(vec*)p = x; }

// What is multiplied: PAIR numbers of each lane, of weights or the same ones everywhere.
#if MAPS_ARE_BF16
typedef __m512i factors;
static inline factors factors_of(const number* weights) { return _mm512_loadu_si512(weights); }
static inline factors everywhere(const number* x) {
  int32_t pair; memcpy(&pair, x, 4);
  return _mm512_set1_epi32(pair);
}
static inline vec multiply_add(vec acc, factors a, factors b) { return (vec)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b); }
#else
typedef vec factors;
static inline factors factors_of(const number* weights) { return load(weights); }
static inline factors everywhere(const number* x) { return all(*x); }
static inline vec multiply_add(vec acc, factors a, factors b) { return acc + a * b; }
#endif
// acc + (PAIR products of each lane). `weights` points to LANES * PAIR numbers, `x` to PAIR.
static inline vec multiply_add(vec acc, const number* weights, const number* x) { return multiply_add(acc, factors_of(weights), everywhere(x)); }
static inline void store_together(number* p, const vec (&x)[1]) { store(p, x[0]); }
