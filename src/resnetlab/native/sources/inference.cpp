// A trained network's passes over maps of any size, in NHWC, whose channels fill whole registers. -D MAPS_ARE_BF16, MATRIX_TILES (AMX).
#pragma GCC optimize("no-ivopts")   // addresses of a tile's pixels are as tiles.h has them
#include "tiles.h"

struct Image { const float* at; long stride[4]; };          // the call's images: N, C, H, W
struct Convolve {
  const Image* image;           // what is read, or null
  const void* x;                // a map
  long x_pitch;
  int images, channels, depth;  // of the input; with those that fill a pair
  int height, width, out_height, out_width, kernel, stride, top, left;
  int out, vectors;             // output channels, and registers of them that a tile has
  int band;                     // output rows, or pixels of a 1x1 convolution, that are made together
  int by_channels;              // threads share out channels, not bands
  const void* weights;          // [out / (vectors * LANES)][kernel][kernel * depth][vectors * LANES], in bf16 in pairs
  void* shared;                 // of Winograd's by channels: the tiles' transforms
  Finish finish;
};
#if !MATRIX_TILES
#include "inference_winograd.h"
#endif
struct Pool { const void* x; void* y; int height, width, out_height, out_width, channels, kernel, stride, top, left, average, zeros; long x_pitch, y_pitch; };
struct Widen { const void* x; void* y; int height, width, out_height, out_width, channels, stride, before, out; long x_pitch, y_pitch; };
struct Means { const void* x; float* y; int pixels, channels; long x_pitch, y_pitch; };
struct Pointwise { const void* x; int channels; Finish finish; };

namespace {
// One padded row of the input, `width` pixels of `depth` numbers: all of the map's, or every so many.
void read_row(const Convolve& c, int image, int row, int width, int every, number* to) {
  const int depth = c.depth;
  if (row < 0 || row >= c.height) {
    memset(to, 0, (size_t)width * depth * sizeof(number));
    return;
  }
  const int left = c.left < width ? c.left : width, there = left + (c.width + every - 1) / every, end = there < width ? there : width;
  memset(to, 0, (size_t)left * depth * sizeof(number));
  if (c.image) {
    const Image& from = *c.image;
    const float* at = from.at + image * from.stride[0] + row * from.stride[2];
    int p = left;
#if MAPS_ARE_BF16
    if (depth == 4 && every == 1 && from.stride[3] == 1)
      for (; p + LANES <= end; p += LANES, at += LANES) {
        vec x[4] = {};
        for (int d = 0; d < c.channels; ++d) x[d] = load(at + d * from.stride[1]);
        number pairs[4 * LANES];
        store_together(pairs, {x[0], x[1]});
        store_together(pairs + 2 * LANES, {x[2], x[3]});
        for (int l = 0; l < LANES; ++l) memcpy(to + (size_t)(p + l) * 4, pairs + 2 * l, 4), memcpy(to + (size_t)(p + l) * 4 + 2, pairs + 2 * (LANES + l), 4);
      }
#endif
    for (; p < end; ++p, at += every * from.stride[3])
      for (int d = 0; d < depth; ++d) to[(size_t)p * depth + d] = d < c.channels ? rounded(at[d * from.stride[1]]) : rounded(0);
  } else {
    const number* at = (const number*)c.x + ((size_t)image * c.height + row) * c.width * c.x_pitch;
    if (every == 1 && c.x_pitch == depth) memcpy(to + (size_t)left * depth, at, (size_t)(end - left) * depth * sizeof(number));
    else for (int p = left; p < end; ++p, at += every * c.x_pitch)
      for (int d = 0; d < depth; d += LANES) memcpy(to + (size_t)p * depth + d, at + d, LANES * sizeof(number));
  }
  memset(to + (size_t)end * depth, 0, (size_t)(width - end) * depth * sizeof(number));
}

}  // namespace

#if MATRIX_TILES
#include "inference_tiles.h"
#else
namespace {
bool is_in_place(const Convolve& c) { return c.kernel == 1 && !c.image; }
int padded_width(const Convolve& c) { return (c.out_width - 1) * c.stride + c.kernel; }
int bands(const Convolve& c) {
  const int of = is_in_place(c) && c.stride == 1 ? c.images * c.height * c.width : c.out_height;
  return (of + c.band - 1) / c.band * (is_in_place(c) && c.stride == 1 ? 1 : c.images);
}

// `count` neighbouring outputs, the first number `pixel`, at channels of one block of weights.
void convolve_pixels(const Convolve& c, const number* x, size_t step, size_t row, int rows, int depth, int count, size_t pixel, int block) {
  const int wide = c.vectors * LANES;
  const number* w = (const number*)c.weights + (size_t)block * wide * rows * depth;
  const bool by_threes = c.vectors == 1 && c.kernel == 3 && c.stride == 1;
  const Blocks blocks(count, by_threes ? MOST_OF_THREES : most_pixels(c.vectors));
  for (int b = 0; b < blocks.count; ++b) {
    const int size = blocks.size(b);
    const Tile tile = by_threes ? tile_of_threes_of(size) : tiles_of(size, c.vectors).tile;
    tile(x, step, row, rows, depth, w, c.finish, pixel, block * wide);
    x += size * step, pixel += size;
  }
}

void convolve_band(const Convolve& c, int band, int first, int last, number* room) {
  if (is_in_place(c) && c.stride == 1) {
    const int all_pixels = c.images * c.height * c.width, from = band * c.band;
    const int count = from + c.band < all_pixels ? c.band : all_pixels - from;
    for (int block = first; block < last; ++block)
      convolve_pixels(c, (const number*)c.x + (size_t)from * c.x_pitch, c.x_pitch, 0, 1, c.depth, count, from, block);
    return;
  }
  const int per_image = (c.out_height + c.band - 1) / c.band, image = band / per_image, from = band % per_image * c.band;
  const int end = from + c.band < c.out_height ? from + c.band : c.out_height, width = padded_width(c);
  const size_t size = (size_t)width * c.depth;
  if (!is_in_place(c))
    for (int r = 0; r < (end - from - 1) * c.stride + c.kernel; ++r) read_row(c, image, from * c.stride - c.top + r, width, 1, room + r * size);
  for (int block = first; block < last; ++block)
    for (int r = from; r < end; ++r) {
      const size_t pixel = ((size_t)image * c.out_height + r) * c.out_width;
      if (is_in_place(c))
        convolve_pixels(c, (const number*)c.x + ((size_t)image * c.height + r * c.stride) * c.width * c.x_pitch, c.stride * c.x_pitch, 0, 1, c.depth,
                        c.out_width, pixel, block);
      else
        convolve_pixels(c, room + (r - from) * c.stride * size, (size_t)c.stride * c.depth, size, c.kernel, c.kernel * c.depth, c.out_width, pixel, block);
    }
}
size_t room_of(const Convolve& c) {
  return is_in_place(c) ? 0 : (size_t)((c.band - 1) * c.stride + c.kernel) * padded_width(c) * c.depth + 64;
}
}  // namespace
#endif

extern "C" {
// What threads share: bands, or blocks of channels.
int convolve_units(const Convolve* c) { return c->by_channels ? c->out / (c->vectors * LANES) : bands(*c); }
size_t convolve_room(const Convolve* c) { return room_of(*c); }  // in numbers
void convolve(const Convolve* arguments, int first, int last, number* room) {
  const Convolve& c = *arguments;
#if MATRIX_TILES
  const amx::Shaped tiles;
#endif
  if (c.by_channels)
    for (int band = 0; band < bands(c); ++band) convolve_band(c, band, first, last, room);
  else
    for (int band = first; band < last; ++band) convolve_band(c, band, 0, c.out / (c.vectors * LANES), room);
}

// Units are rows of outputs.
void pool(const Pool* arguments, int first, int last, number*) {
  const Pool& f = *arguments;
  for (int unit = first; unit < last; ++unit) {
    const int image = unit / f.out_height, top = unit % f.out_height * f.stride - f.top;
    for (int p = 0; p < f.out_width; ++p)
      for (int c = 0; c < f.channels; c += LANES) {
        const int left = p * f.stride - f.left;
        int seen = 0;
        vec y = all(f.average || f.zeros ? 0 : -__builtin_inff());
        for (int r = top < 0 ? 0 : top; r < top + f.kernel && r < f.height; ++r)
          for (int q = left < 0 ? 0 : left; q < left + f.kernel && q < f.width; ++q, ++seen) {
            const vec x = load((const number*)f.x + (((size_t)image * f.height + r) * f.width + q) * f.x_pitch + c);
            if (f.average) y += x;
            else y = seen || f.zeros ? (x > y || x != x ? x : y) : x;
          }
        if (!f.average && f.zeros && seen == f.kernel * f.kernel) {      // nothing was padded: no zero among them
          y = all(-__builtin_inff());
          for (int r = top; r < top + f.kernel; ++r)
            for (int q = left; q < left + f.kernel; ++q) {
              const vec x = load((const number*)f.x + (((size_t)image * f.height + r) * f.width + q) * f.x_pitch + c);
              y = x > y || x != x ? x : y;
            }
        }
        store((number*)f.y + ((size_t)unit * f.out_width + p) * f.y_pitch + c, f.average ? y * all(1.0f / seen) : y);
      }
  }
}

// Every stride-th pixel, with zero channels before and after; units are rows of outputs.
void widen(const Widen* arguments, int first, int last, number*) {
  const Widen& f = *arguments;
  for (int unit = first; unit < last; ++unit) {
    const int image = unit / f.out_height, row = unit % f.out_height * f.stride;
    for (int p = 0; p < f.out_width; ++p) {
      const number* x = (const number*)f.x + (((size_t)image * f.height + row) * f.width + p * f.stride) * f.x_pitch;
      number* y = (number*)f.y + ((size_t)unit * f.out_width + p) * f.y_pitch;
      memset(y, 0, f.out * sizeof(number));
      memcpy(y + f.before, x, f.channels * sizeof(number));
    }
  }
}

// The mean of each map; units are registers of channels of an image.
void means(const Means* arguments, int first, int last, number*) {
  const Means& f = *arguments;
  for (int unit = first; unit < last; ++unit) {
    const int vectors = f.channels / LANES, image = unit / vectors, c = unit % vectors * LANES;
    const number* x = (const number*)f.x + (size_t)image * f.pixels * f.x_pitch + c;
    vec sum = {};
    for (int p = 0; p < f.pixels; ++p) sum += load(x + p * f.x_pitch);
    store(f.y + image * f.y_pitch + c, sum * all(1.0f / f.pixels));
  }
}

// What follows a convolution, alone; units are pixels.
void pointwise(const Pointwise* arguments, int first, int last, number*) {
  const Pointwise f = *arguments;
  for (int pixel = first; pixel < last; ++pixel)
    for (int c = 0; c < f.channels; c += LANES) {
      const size_t at = (size_t)pixel * f.finish.pitch + c;
      finish(load((const number*)f.x + at), f.finish, at, c);
    }
}
}
