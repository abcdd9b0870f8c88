// Convolutions of bfloat16 as products of AMX's tiles, as in matrix_tiles.h. Included by inference.cpp.
// Weights lie as [out / 16][kernel][run / 2][16][2], a run being a row of taps, filled with zeros to whole tiles.
#pragma once
#include "amx.h"

namespace {
constexpr int CHUNK = 8;                                 // tiles of pixels whose sums wait in the first cache
constexpr size_t SUMS = CHUNK * 16 * 32 * 2;             // in numbers

// How what is read lies in the room: rows with zeros around them, apart by their residues where there is a stride. Rows and
// the zeros between them are one row of pixels, `units` strides from one row to the next.
struct Layout {
  bool is_flat;                                          // all images' pixels are one row, of which bands are parts
  int every, stride, units, rows, run;                   // pixels of the map to the next that is read; what stride is left; of a band
  size_t row, plane;                                     // numbers of a row, and of rows of a residue
  explicit Layout(const Convolve& c) {
    is_flat = c.kernel == 1 && c.stride == 1 && !c.image;
    every = c.kernel == 1 ? c.stride : 1, stride = c.stride / every;
    const int width = (c.width + every - 1) / every + c.left, wanted = (c.out_width - 1) * stride + c.kernel - c.left;
    units = is_flat ? c.band : ((width > wanted ? width : wanted) + stride - 1) / stride;
    rows = is_flat ? 1 : c.band + (c.kernel - 1) / stride;
    run = (c.kernel * c.depth + amx::DEEP - 1) / amx::DEEP * amx::DEEP;
    row = (size_t)units * stride * c.depth;
    plane = rows * row + (size_t)c.left * c.depth + amx::DEEP;
  }
};
bool is_in_place(const Convolve& c, const Layout& layout) { return layout.is_flat && c.depth % amx::DEEP == 0; }

int bands(const Convolve& c) {
  const int of = Layout(c).is_flat ? c.images * c.height * c.width : c.out_height;
  return (of + c.band - 1) / c.band * (Layout(c).is_flat ? 1 : c.images);
}

size_t room_of(const Convolve& c) {
  const Layout layout(c);
  return SUMS + layout.stride * layout.plane + (size_t)(16 * CHUNK) * layout.stride * c.depth;
}

// Outputs of `rows` rows of `width` pixels each, the first number `pixel`, at blocks of channels from `first` on.
template <int N>
void multiply_rows(const Convolve& c, const Layout& layout, const number* x, size_t step, int rows, int width, size_t pixel, int first, int last, float* sums) {
  size_t runs[32];
  for (int t = 0; t < c.kernel; ++t) runs[t] = t % layout.stride * layout.plane + t / layout.stride * layout.row;
  const Finish f = c.finish;
  const int pitch = width % 16 == 0 ? width : layout.units, pixels = (rows - 1) * pitch + width, tiles = (pixels + 15) / 16;
  for (int channel = first * N * 16; channel < last * N * 16; channel += N * 16)
    for (int t = 0; t < tiles; t += CHUNK) {
      const int count = tiles - t < CHUNK ? tiles - t : CHUNK, end = (t + count) * 16 < pixels ? (t + count) * 16 : pixels;
      amx::products<N>(sums, x, step, pitch, layout.units, t, count, (const number*)c.weights + (size_t)channel * c.kernel * layout.run, runs, c.kernel,
                       layout.run / amx::DEEP);
      amx::by_rows(t * 16, end, pitch, width, [&](int row, int column, int wide, int from) {
        const size_t at = (pixel + (size_t)row * width + column) * f.pitch + channel;
        for (int p = 0; p < wide; ++p)
#pragma GCC unroll 2
          for (int v = 0; v < N; ++v) finish(load(sums + ((from + p) * N + v) * LANES), f, at + p * f.pitch + v * LANES, channel + v * LANES);
      });
    }
}

void convolve_band(const Convolve& c, int band, int first, int last, number* room) {
  const Layout layout(c);
  const auto multiply = c.vectors == 2 ? multiply_rows<2> : multiply_rows<1>;
  number* rows = room + SUMS;
  if (layout.is_flat) {
    const int all_pixels = c.images * c.height * c.width, from = band * c.band, count = from + c.band < all_pixels ? c.band : all_pixels - from;
    const number* x = (const number*)c.x + (size_t)from * c.x_pitch;
    if (!is_in_place(c, layout)) {
      for (int p = 0; p < count; ++p) memcpy(rows + (size_t)p * c.depth, x + p * c.x_pitch, c.depth * sizeof(number));
      memset(rows + (size_t)count * c.depth, 0, amx::DEEP * sizeof(number));
    }
    multiply(c, layout, is_in_place(c, layout) ? x : rows, is_in_place(c, layout) ? c.x_pitch : c.depth, 1, count, from, first, last, (float*)room);
    return;
  }
  const int per_image = (c.out_height + c.band - 1) / c.band, image = band / per_image, from = band % per_image * c.band;
  const int count = from + c.band < c.out_height ? c.band : c.out_height - from;
  for (int r = 0; r < layout.stride; ++r) {
    number* to = rows + r * layout.plane;
    for (int n = r; n < (count - 1) * layout.stride + c.kernel; n += layout.stride, to += layout.row)
      read_row(c, image, (from * layout.stride + n) * layout.every - c.top, layout.units * layout.stride, layout.every, to);
    memset(to, 0, ((size_t)c.left * c.depth + amx::DEEP) * sizeof(number));
  }
  multiply(c, layout, rows, (size_t)layout.stride * c.depth, count, c.out_width, ((size_t)image * c.out_height + from) * c.out_width, first, last, (float*)room);
}
}  // namespace
