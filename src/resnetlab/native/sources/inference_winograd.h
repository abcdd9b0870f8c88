// Winograd's F(4x4, 3x3): 36 products instead of 144 for 16 outputs of a 3x3 convolution. Included by inference.cpp.
// Points 0, +-3/4, +-3/2 and infinity, which are exact in binary: errors are about twice a direct convolution's.
// Source: Lavin and Gray, 2016, arXiv:1509.09308; weights are transformed in native/inferring/weights.py.
#pragma once
#include "tiles.h"

namespace winograd {
constexpr float A = 0.75f, B = 1.5f, AA = A * A, BB = B * B;

// The transform of 6 inputs of a row or column.
static inline __attribute__((always_inline)) void of_inputs(vec (&to)[6], const vec (&d)[6]) {
  const vec even_a = d[4] - d[2] * all(BB), odd_a = (d[3] - d[1] * all(BB)) * all(A);
  const vec even_b = d[4] - d[2] * all(AA), odd_b = (d[3] - d[1] * all(AA)) * all(B);
  to[0] = d[0] * all(AA * BB) + (d[4] - d[2] * all(AA + BB));
  to[1] = even_a + odd_a, to[2] = even_a - odd_a;
  to[3] = even_b + odd_b, to[4] = even_b - odd_b;
  to[5] = d[1] * all(AA * BB) + (d[5] - d[3] * all(AA + BB));
}

// 4 outputs of 6 sums.
static inline __attribute__((always_inline)) void of_sums(vec (&to)[4], const vec (&m)[6]) {
  const vec plus_a = m[1] + m[2], minus_a = (m[1] - m[2]) * all(A), plus_b = m[3] + m[4], minus_b = (m[3] - m[4]) * all(B);
  to[0] = m[0] + plus_a + plus_b;
  to[1] = minus_a + minus_b;
  to[2] = plus_a * all(AA) + plus_b * all(BB);
  to[3] = minus_a * all(AA) + (minus_b * all(BB) + m[5]);
}

struct Place { int image, top, left; };                   // of a tile's first output
static inline Place place_of(const Convolve& c, int tile) {
  const int wide = (c.out_width + 3) / 4, high = (c.out_height + 3) / 4;
  return {tile / (wide * high), tile / wide % high * 4, tile % wide * 4};
}
static inline int tiles(const Convolve& c) { return c.images * ((c.out_height + 3) / 4) * ((c.out_width + 3) / 4); }
// Numbers from one of the 36 parts of `count` tiles to the next: not such that all parts share a cache's places.
static inline size_t apart(const Convolve& c, int count) { return (size_t)count * c.depth + LANES; }

// Tile `tile` becomes number `n` of those in `to`, [36][count][depth].
static inline void read_tile(const Convolve& c, int tile, number* to, size_t part) {
  const Place place = place_of(c, tile);
  const int top = place.top - c.top, left = place.left - c.left;
  const number* map = (const number*)c.x + (size_t)place.image * c.height * c.width * c.x_pitch;
  const bool is_inside = top >= 0 && left >= 0 && top + 6 <= c.height && left + 6 <= c.width;
  const number* corner = map + ((ptrdiff_t)top * c.width + left) * c.x_pitch;
  const size_t row = (size_t)c.width * c.x_pitch;
  for (int d = 0; d < c.depth; d += LANES) {
    vec rows[6][6];                                       // [column][part of it]
#pragma GCC unroll 6
    for (int q = 0; q < 6; ++q) {
      vec column[6];
      if (is_inside) {
#pragma GCC unroll 6
        for (int r = 0; r < 6; ++r) column[r] = load(corner + r * row + q * c.x_pitch + d);
      } else {
        const bool has_column = left + q >= 0 && left + q < c.width;
#pragma GCC unroll 6
        for (int r = 0; r < 6; ++r)
          column[r] = has_column && top + r >= 0 && top + r < c.height ? load(corner + r * row + q * c.x_pitch + d) : (vec){};
      }
      of_inputs(rows[q], column);
    }
#pragma GCC unroll 6
    for (int r = 0; r < 6; ++r) {
      const vec line[6] = {rows[0][r], rows[1][r], rows[2][r], rows[3][r], rows[4][r], rows[5][r]};
      vec parts[6];
      of_inputs(parts, line);
#pragma GCC unroll 6
      for (int q = 0; q < 6; ++q) store(to + (r * 6 + q) * part + d, parts[q]);
    }
  }
}

// The outputs of one tile and register of channels from its 36 sums, `part` numbers from one to the next.
static inline void write_tile(const Convolve& c, const Place& place, const number* sums, size_t part, int channel) {
  const Finish f = c.finish;
  vec columns[4][6];
#pragma GCC unroll 6
  for (int q = 0; q < 6; ++q) {
    const vec column[6] = {load(sums + q * part), load(sums + (6 + q) * part), load(sums + (12 + q) * part),
                           load(sums + (18 + q) * part), load(sums + (24 + q) * part), load(sums + (30 + q) * part)};
    vec found[4];
    of_sums(found, column);
    for (int r = 0; r < 4; ++r) columns[r][q] = found[r];
  }
  const int rows = c.out_height - place.top < 4 ? c.out_height - place.top : 4, wide = c.out_width - place.left < 4 ? c.out_width - place.left : 4;
  for (int r = 0; r < rows; ++r) {
    vec found[4];
    of_sums(found, columns[r]);
    const size_t pixel = ((size_t)place.image * c.out_height + place.top + r) * c.out_width + place.left;
    for (int q = 0; q < wide; ++q) finish(found[q], f, (pixel + q) * f.pitch + channel, channel);
  }
}

// Outputs of `size` tiles from number `at` of those in `parts` on, at one block of channels.
static inline void multiply_group(const Convolve& c, const number* parts, int first, int at, int size, size_t part, int block, number* sums) {
  const int wide = c.vectors * LANES;
  const number* w = (const number*)c.weights + (size_t)block * 36 * wide * c.depth;
  const Blocks blocks(size, c.vectors);
  for (int n = 0; n < 36; ++n)
    for (int b = 0, t = 0; b < blocks.count; t += blocks.size(b++))
      tiles_of(blocks.size(b), c.vectors)
          .products(parts + n * part + (size_t)(at + t) * c.depth, c.depth, c.depth, w + (size_t)n * wide * c.depth, sums + ((size_t)n * size + t) * wide);
  for (int t = 0; t < size; ++t)
    for (int v = 0; v < wide; v += LANES) write_tile(c, place_of(c, first + at + t), sums + t * wide + v, (size_t)size * wide, block * wide + v);
}

// Outputs of tiles first to first + count - 1, whose transforms lie in `parts`, at blocks of channels from `block` to `end`.
// Sums of few tiles stay in the first cache; where weights do not stay in the second, many share each of their 36 parts.
constexpr int MOST = 8 * 14;
static inline void multiply_tiles(const Convolve& c, const number* parts, int first, int count, size_t part, int block, int end, number* sums) {
  const bool is_deep = (size_t)36 * c.vectors * LANES * c.depth * sizeof(number) > 400 * 1024;
  for (; block < end; ++block) {
    if (is_deep) {
      const int groups = (count + MOST - 1) / MOST;
      for (int g = 0; g < groups; ++g) {
        const int at = (int)((long)count * g / groups), next = (int)((long)count * (g + 1) / groups);
        multiply_group(c, parts, first, at, next - at, part, block, sums);
      }
    } else {
      const Blocks blocks(count, c.vectors);
      for (int b = 0, at = 0; b < blocks.count; at += blocks.size(b++)) multiply_group(c, parts, first, at, blocks.size(b), part, block, sums);
    }
  }
}
constexpr size_t SUMS = 36 * (size_t)MOST * 2 * LANES;     // of one block
}  // namespace winograd

extern "C" {
// By `band` tiles: read, multiplied and written by one thread.
int winograd_units(const Convolve* c) { return (winograd::tiles(*c) + c->band - 1) / c->band; }
size_t winograd_room(const Convolve* c) { return winograd::SUMS + 36 * winograd::apart(*c, c->band); }
void winograd_tiles(const Convolve* arguments, int first, int last, number* room) {
  const Convolve& c = *arguments;
  const int all_tiles = winograd::tiles(c);
  for (int unit = first; unit < last; ++unit) {
    const int begin = unit * c.band, count = begin + c.band < all_tiles ? c.band : all_tiles - begin;
    const size_t part = winograd::apart(c, count);
    number* parts = room + winograd::SUMS;
    for (int t = 0; t < count; ++t) winograd::read_tile(c, begin + t, parts + (size_t)t * c.depth, part);
    winograd::multiply_tiles(c, parts, begin, count, part, 0, c.out / (c.vectors * LANES), room);
  }
}

// Where there are few tiles: threads share them first, then the channels.
size_t winograd_shared(const Convolve* c) { return 36 * winograd::apart(*c, winograd::tiles(*c)); }
void winograd_read(const Convolve* arguments, int first, int last, number*) {
  const Convolve& c = *arguments;
  for (int t = first; t < last; ++t) winograd::read_tile(c, t, (number*)c.shared + (size_t)t * c.depth, winograd::apart(c, winograd::tiles(c)));
}
void winograd_multiply(const Convolve* arguments, int first, int last, number* room) {
  const Convolve& c = *arguments;
  winograd::multiply_tiles(c, (const number*)c.shared, 0, winograd::tiles(c), winograd::apart(c, winograd::tiles(c)), first, last, room);
}
}
