// Convolutions of bfloat16 as products of AMX's tiles, as in matrix_tiles.h. Included by inference.cpp.
// Weights lie as [out / 16][kernel][run / 2][16][2], a run being a row of taps, filled with zeros to whole tiles.
#pragma once
#include "amx.h"

namespace {
using amx::CHUNK;
using amx::SUMS;

// How what is read lies in the room: rows with zeros around them, apart by their residues where there is a stride. Rows, of several
// images where a band is that much, and the zeros between them are one row of pixels, `units` strides from one row to the next.
struct Layout {
  bool is_flat;                                          // all images' pixels are one row, of which bands are parts
  int every, stride, units, run;                         // pixels of the map to the next that is read; what stride is left
  int pixel;                                             // numbers from one pixel to the next
  int images, of_image, rows;                            // of a band; rows from an image to the next; of a band
  size_t row, plane;                                     // numbers of a row, and of rows of a residue
  explicit Layout(const Convolve& c) {
    is_flat = c.kernel == 1 && c.stride == 1 && !c.image;
    every = c.kernel == 1 ? c.stride : 1, stride = c.stride / every;
    run = (c.kernel * c.depth + amx::DEEP - 1) / amx::DEEP * amx::DEEP;
    pixel = is_flat ? run : c.depth;
    images = is_flat || c.band <= c.out_height ? 1 : c.band / c.out_height;
    // What a run has beyond its taps are zeros where it might be another image's: those numbers need not be finite.
    const int reach = images > 1 ? (run + pixel - 1) / pixel : c.kernel;
    const int width = (c.width + every - 1) / every + c.left, wanted = (c.out_width - 1) * stride + reach - c.left;
    units = is_flat ? c.band : ((width > wanted ? width : wanted) + stride - 1) / stride;
    const int height = (c.height + every - 1) / every + c.top, wanted_rows = (c.out_height - 1) * stride + c.kernel - c.top;
    of_image = ((height > wanted_rows ? height : wanted_rows) + stride - 1) / stride;
    rows = is_flat ? 1 : (images > 1 ? images * of_image : c.band) + (c.kernel - 1) / stride;
    row = (size_t)units * stride * pixel;
    plane = rows * row + (size_t)c.left * c.depth + amx::DEEP;
  }
};
bool is_in_place(const Convolve& c, const Layout& layout) { return layout.is_flat && c.depth % amx::DEEP == 0; }

int bands(const Convolve& c) {
  const Layout layout(c);
  if (layout.is_flat) return (c.images * c.height * c.width + c.band - 1) / c.band;
  return layout.images > 1 ? (c.images + layout.images - 1) / layout.images : c.images * ((c.out_height + c.band - 1) / c.band);
}

size_t room_of(const Convolve& c) {
  const Layout layout(c);
  return SUMS + layout.stride * layout.plane + (size_t)(16 * CHUNK) * layout.stride * layout.pixel;
}

// What follows the sums of `wide` neighbouring pixels, from number `at` on.
template <int N>
inline __attribute__((always_inline)) void finish_row(const float* sums, const Finish& f, int wide, size_t at, int channel) {
  const Usual usual(f);
  if (!usual.is_all) {
    for (int p = 0; p < wide; ++p)
      for (int v = 0; v < N; ++v) finish(load(sums + (p * N + v) * LANES), f, at + p * f.pitch + v * LANES, channel + v * LANES);
    return;
  }
  vec shift[N];
  for (int v = 0; v < N; ++v) shift[v] = load(f.shift + channel + v * LANES);
  number* y = (number*)f.y + at;
  const number* addend = f.addend ? (const number*)f.addend + at : nullptr;
  for (int p = 0; p < wide; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v)
      usual.finish(load(sums + (p * N + v) * LANES), shift[v], addend ? addend + p * f.pitch + v * LANES : nullptr, y + p * f.pitch + v * LANES);
}

// Outputs of `rows` rows of `width` pixels each, those of the first image from number `pixel` on, at blocks of channels from `first` on.
template <int N>
void multiply_rows(const Convolve& c, const Layout& layout, const number* x, size_t step, int rows, int width, size_t pixel, int first, int last, float* sums) {
  size_t runs[amx::MOST_RUNS];
  for (int t = 0; t < c.kernel; ++t) runs[t] = t % layout.stride * layout.plane + t / layout.stride * layout.row;
  const Finish f = c.finish;
  const int pitch = width % 16 == 0 ? width : layout.units, pixels = (rows - 1) * pitch + width, tiles = (pixels + 15) / 16;
  const size_t of_channel = (size_t)c.kernel * layout.run;
  amx::by_chunks(tiles, (last - first) * N * 16, N * 16, (last - first) * N * 16 * of_channel, [&](int t, int of_these) {
    const int channel = first * N * 16 + of_these;
    const int count = tiles - t < CHUNK ? tiles - t : CHUNK, end = (t + count) * 16 < pixels ? (t + count) * 16 : pixels;
    amx::products<N>(sums, x, step, pitch, layout.units, t, count, (const number*)c.weights + channel * of_channel, runs, c.kernel, layout.run / amx::DEEP);
    amx::by_rows(t * 16, end, pitch, width, [&](int row, int column, int wide, int from) {
      if (layout.images > 1) {
        const int image = row / layout.of_image;
        if ((row -= image * layout.of_image) >= c.out_height) return;
        row += image * c.out_height;
      }
      finish_row<N>(sums + from * N * LANES, f, wide, (pixel + (size_t)row * width + column) * f.pitch + channel, channel);
    });
  });
}

void convolve_band(const Convolve& c, int band, int first, int last, number* room) {
  const Layout layout(c);
  const auto multiply = c.vectors == 2 ? multiply_rows<2> : multiply_rows<1>;
  number* rows = room + SUMS;
  if (layout.is_flat) {
    const int all_pixels = c.images * c.height * c.width, from = band * c.band, count = from + c.band < all_pixels ? c.band : all_pixels - from;
    const number* x = (const number*)c.x + (size_t)from * c.x_pitch;
    if (!is_in_place(c, layout)) {
      number* to = rows;
      for (int p = 0; p < count; ++p, to += layout.pixel) {
        for (int d = 0; d < c.depth; d += LANES) memcpy(to + d, x + p * c.x_pitch + d, LANES * sizeof(number));
        memset(to + c.depth, 0, LANES * sizeof(number));   // half a tile's row
      }
    }
    multiply(c, layout, is_in_place(c, layout) ? x : rows, is_in_place(c, layout) ? c.x_pitch : layout.pixel, 1, count, from, first, last, (float*)room);
    return;
  }
  const bool is_group = layout.images > 1;
  const int per_image = (c.out_height + c.band - 1) / c.band, image = is_group ? band * layout.images : band / per_image;
  const int from = is_group ? 0 : band % per_image * c.band, images = !is_group || image + layout.images <= c.images ? layout.images : c.images - image;
  const int count = is_group || from + c.band > c.out_height ? c.out_height - from : c.band, all_rows = is_group ? images * layout.of_image : count;
  for (int r = 0; r < layout.stride; ++r) {
    number* to = rows + r * layout.plane;
    for (int n = r; n < (all_rows - 1) * layout.stride + c.kernel; n += layout.stride, to += layout.row) {
      const int each = layout.of_image * layout.stride, of = is_group ? n / each : 0;   // behind the last image: rows of zeros
      const int row = of < images ? (from * layout.stride + n - of * each) * layout.every - c.top : -1;
      read_row(c, image + of, row, layout.units * layout.stride, layout.every, to);
    }
    memset(to, 0, ((size_t)c.left * c.depth + amx::DEEP) * sizeof(number));
  }
  const int made = is_group ? (images - 1) * layout.of_image + c.out_height : count;
  multiply(c, layout, rows, (size_t)layout.stride * c.depth, made, c.out_width, ((size_t)image * c.out_height + from) * c.out_width, first, last, (float*)room);
}
}  // namespace
