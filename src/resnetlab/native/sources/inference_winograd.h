// A 3x3 convolution by Winograd's tiles. Included by inference.cpp.
// Float: F(4x4, 3x3), 36 products instead of 144 for 16 outputs, at points 0, +-3/4, +-3/2 and infinity, which are exact in
// binary: errors are about twice a direct convolution's. They would be too large where tiles are rounded to bfloat16: there
// F(2x2, 3x3), 16 products instead of 36 for 4 outputs, at points 0, +-1 and infinity.
// Source: Lavin and Gray, 2016, arXiv:1509.09308; weights are transformed in native/inferring/weights.py.
#pragma once
#include "tiles.h"

namespace winograd {
constexpr int OUT = MAPS_ARE_BF16 ? 2 : 4, IN = OUT + 2, POINTS = IN * IN;   // outputs of a row or column of a tile, inputs of it
constexpr float A = 0.75f, B = 1.5f, AA = A * A, BB = B * B;

// The transform of the inputs of a row or column.
static inline __attribute__((always_inline)) void of_inputs(vec (&to)[4], const vec (&d)[4]) {
  to[0] = d[2] - d[0], to[1] = d[2] + d[1], to[2] = d[2] - d[1], to[3] = d[3] - d[1];
}
static inline __attribute__((always_inline)) void of_inputs(vec (&to)[6], const vec (&d)[6]) {
  const vec even_a = d[4] - d[2] * all(BB), odd_a = (d[3] - d[1] * all(BB)) * all(A);
  const vec even_b = d[4] - d[2] * all(AA), odd_b = (d[3] - d[1] * all(AA)) * all(B);
  to[0] = d[0] * all(AA * BB) + (d[4] - d[2] * all(AA + BB));
  to[1] = even_a + odd_a, to[2] = even_a - odd_a;
  to[3] = even_b + odd_b, to[4] = even_b - odd_b;
  to[5] = d[1] * all(AA * BB) + (d[5] - d[3] * all(AA + BB));
}

// The outputs of a row or column of sums.
static inline __attribute__((always_inline)) void of_sums(vec (&to)[2], const vec (&m)[4]) {
  to[0] = m[0] + (m[1] + m[2]), to[1] = (m[1] - m[2]) + m[3];
}
static inline __attribute__((always_inline)) void of_sums(vec (&to)[4], const vec (&m)[6]) {
  const vec plus_a = m[1] + m[2], minus_a = (m[1] - m[2]) * all(A), plus_b = m[3] + m[4], minus_b = (m[3] - m[4]) * all(B);
  to[0] = m[0] + plus_a + plus_b;
  to[1] = minus_a + minus_b;
  to[2] = plus_a * all(AA) + plus_b * all(BB);
  to[3] = minus_a * all(AA) + (minus_b * all(BB) + m[5]);
}

struct Place { int image, top, left; };                   // of a tile's first output
static inline Place place_of(const Convolve& c, int tile) {
  const int wide = (c.out_width + OUT - 1) / OUT, high = (c.out_height + OUT - 1) / OUT;
  return {tile / (wide * high), tile / wide % high * OUT, tile % wide * OUT};
}
static inline int tiles(const Convolve& c) { return c.images * ((c.out_height + OUT - 1) / OUT) * ((c.out_width + OUT - 1) / OUT); }
// Numbers from one of the POINTS parts of `count` tiles to the next: not such that all parts share a cache's places.
static inline size_t apart(const Convolve& c, int count) { return (size_t)count * c.depth + LANES; }

// Tile `tile` becomes number `n` of those in `to`, [POINTS][count][depth].
static inline void read_tile(const Convolve& c, int tile, number* to, size_t part) {
  const Place place = place_of(c, tile);
  const int top = place.top - c.top, left = place.left - c.left;
  const number* map = (const number*)c.x + (size_t)place.image * c.height * c.width * c.x_pitch;
  const bool is_inside = top >= 0 && left >= 0 && top + IN <= c.height && left + IN <= c.width;
  const number* corner = map + ((ptrdiff_t)top * c.width + left) * c.x_pitch;
  const size_t row = (size_t)c.width * c.x_pitch;
  for (int d = 0; d < c.depth; d += LANES) {
    vec rows[IN][IN];                                      // [column][part of it]
#pragma GCC unroll 6
    for (int q = 0; q < IN; ++q) {
      vec column[IN];
      if (is_inside) {
#pragma GCC unroll 6
        for (int r = 0; r < IN; ++r) column[r] = load(corner + r * row + q * c.x_pitch + d);
      } else {
        const bool has_column = left + q >= 0 && left + q < c.width;
#pragma GCC unroll 6
        for (int r = 0; r < IN; ++r)
          column[r] = has_column && top + r >= 0 && top + r < c.height ? load(corner + r * row + q * c.x_pitch + d) : (vec){};
      }
      of_inputs(rows[q], column);
    }
#pragma GCC unroll 6
    for (int r = 0; r < IN; ++r) {
      vec line[IN], parts[IN];
#pragma GCC unroll 6
      for (int q = 0; q < IN; ++q) line[q] = rows[q][r];
      of_inputs(parts, line);
#pragma GCC unroll 6
      for (int q = 0; q < IN; ++q) store(to + (r * IN + q) * part + d, parts[q]);
    }
  }
}

// The outputs of one tile and register of channels from its sums, `part` numbers from one to the next.
static inline void write_tile(const Convolve& c, const Place& place, const float* sums, size_t part, int channel) {
  const Finish f = c.finish;
  vec columns[OUT][IN];
#pragma GCC unroll 6
  for (int q = 0; q < IN; ++q) {
    vec column[IN], found[OUT];
#pragma GCC unroll 6
    for (int r = 0; r < IN; ++r) column[r] = load(sums + (r * IN + q) * part);
    of_sums(found, column);
    for (int r = 0; r < OUT; ++r) columns[r][q] = found[r];
  }
  const int down = c.out_height - place.top, across = c.out_width - place.left, rows = down < OUT ? down : OUT, wide = across < OUT ? across : OUT;
  for (int r = 0; r < rows; ++r) {
    vec found[OUT];
    of_sums(found, columns[r]);
    const size_t pixel = ((size_t)place.image * c.out_height + place.top + r) * c.out_width + place.left;
    for (int q = 0; q < wide; ++q) finish(found[q], f, (pixel + q) * f.pitch + channel, channel);
  }
}

// Outputs of `size` tiles from number `at` of those in `parts` on, at one block of channels.
static inline void multiply_group(const Convolve& c, const number* parts, int first, int at, int size, size_t part, int block, float* sums) {
  const int wide = c.vectors * LANES;
  const number* w = (const number*)c.weights + (size_t)block * POINTS * wide * c.depth;
  const Blocks blocks(size, most_pixels(c.vectors));
  for (int n = 0; n < POINTS; ++n)
    for (int b = 0, t = 0; b < blocks.count; t += blocks.size(b++))
      tiles_of(blocks.size(b), c.vectors)
          .products(parts + n * part + (size_t)(at + t) * c.depth, c.depth, c.depth, w + (size_t)n * wide * c.depth, sums + ((size_t)n * size + t) * wide);
  for (int t = 0; t < size; ++t)
    for (int v = 0; v < wide; v += LANES) write_tile(c, place_of(c, first + at + t), sums + t * wide + v, (size_t)size * wide, block * wide + v);
}

// Outputs of tiles first to first + count - 1, whose transforms lie in `parts`, at blocks of channels from `block` to `end`.
// Sums of few tiles stay in the first cache; where weights do not stay in the second, many share each of their parts.
constexpr int MOST = 8 * 14;
static inline void multiply_tiles(const Convolve& c, const number* parts, int first, int count, size_t part, int block, int end, float* sums) {
  const bool is_deep = (size_t)POINTS * c.vectors * LANES * c.depth * sizeof(number) > 400 * 1024;
  for (; block < end; ++block) {
    if (is_deep) {
      const int groups = (count + MOST - 1) / MOST;
      for (int g = 0; g < groups; ++g) {
        const int at = (int)((long)count * g / groups), next = (int)((long)count * (g + 1) / groups);
        multiply_group(c, parts, first, at, next - at, part, block, sums);
      }
    } else {
      const Blocks blocks(count, most_pixels(c.vectors));
      for (int b = 0, at = 0; b < blocks.count; at += blocks.size(b++)) multiply_group(c, parts, first, at, blocks.size(b), part, block, sums);
    }
  }
}
constexpr size_t SUMS = POINTS * (size_t)MOST * 2 * LANES * PAIR;   // of one block, in numbers
}  // namespace winograd

extern "C" {
// By `band` tiles: read, multiplied and written by one thread.
int winograd_units(const Convolve* c) { return (winograd::tiles(*c) + c->band - 1) / c->band; }
size_t winograd_room(const Convolve* c) { return winograd::SUMS + winograd::POINTS * winograd::apart(*c, c->band); }
void winograd_tiles(const Convolve* arguments, int first, int last, number* room) {
  const Convolve& c = *arguments;
  const int all_tiles = winograd::tiles(c);
  for (int unit = first; unit < last; ++unit) {
    const int begin = unit * c.band, count = begin + c.band < all_tiles ? c.band : all_tiles - begin;
    const size_t part = winograd::apart(c, count);
    number* parts = room + winograd::SUMS;
    for (int t = 0; t < count; ++t) winograd::read_tile(c, begin + t, parts + (size_t)t * c.depth, part);
    winograd::multiply_tiles(c, parts, begin, count, part, 0, c.out / (c.vectors * LANES), (float*)room);
  }
}

// Where there are few tiles: threads share them first, then the channels.
size_t winograd_shared(const Convolve* c) { return winograd::POINTS * winograd::apart(*c, winograd::tiles(*c)); }
void winograd_read(const Convolve* arguments, int first, int last, number*) {
  const Convolve& c = *arguments;
  for (int t = first; t < last; ++t) winograd::read_tile(c, t, (number*)c.shared + (size_t)t * c.depth, winograd::apart(c, winograd::tiles(c)));
}
void winograd_multiply(const Convolve* arguments, int first, int last, number* room) {
  const Convolve& c = *arguments;
  winograd::multiply_tiles(c, (const number*)c.shared, 0, winograd::tiles(c), winograd::apart(c, winograd::tiles(c)), first, last, (float*)room);
}
}
