// What stands between convolutions, over maps of any size whose channels fill whole registers. -D MAPS_ARE_BF16.
#include "lanes.h"
#include "interface.h"

namespace {
struct Reader {                                          // a source, at one register of channels
  const number* raw;
  vec scale, shift, slope;
  Reader(const Source& s, int c) : raw((const number*)s.raw + c) {
    scale = s.scale ? load(s.scale + c) : all(1);
    shift = s.scale ? load(s.shift + c) : (vec){};
    slope = all(s.slope);
  }
  vec operator()(size_t at) const {
    vec x = load(raw + at) * scale + shift;
    return x < (vec){} ? x * slope : x;  // a NaN stays one
  }
};
}  // namespace

extern "C" {
// y = a + b activated, or a alone, and its sums about the centre.
void add(const Add* arguments, int first, int last, number*) {
  const Add& f = *arguments;
  for (int image = first; image < last; ++image)
    for (int c = 0; c < f.channels; c += LANES) {
      const Reader a(f.a, c), b(f.b.raw ? f.b : f.a, c);
      const vec slope = all(f.slope), centre = f.centre ? load(f.centre + c) : (vec){};
      vec sum = {}, square = {};
      for (int p = 0; p < f.pixels; ++p) {
        const size_t at = ((size_t)image * f.pixels + p) * f.channels;
        vec y = f.b.raw ? a(at) + b(at) : a(at);
        y = y < (vec){} ? y * slope : y;
        if (f.y) store((number*)f.y + at + c, y);
        vec off = y - centre;
        sum += off;
        square += off * off;
      }
      if (f.sums) {
        store(f.sums + ((size_t)image * 2) * f.channels + c, sum);
        store(f.sums + ((size_t)image * 2 + 1) * f.channels + c, square);
      }
    }
}

// gx = g + addend, times the slope where the input is not above 0, and its sums; g is one number a channel and image where `pooled`.
void finish(const Finish* arguments, int first, int last, number*) {
  const Finish& f = *arguments;
  for (int image = first; image < last; ++image)
    for (int c = 0; c < f.channels; c += LANES) {
      const Reader x(f.x, c);
      const vec zero = {}, mean = f.seen ? load(f.mean + c) : zero, inverse = f.seen ? load(f.inverse + c) : zero;
      const vec pooled = f.pooled ? load(f.pooled + (size_t)image * f.channels + c) * all(1.0f / f.pixels) : zero;
      vec sum = {}, about = {};
      for (int p = 0; p < f.pixels; ++p) {
        const size_t at = ((size_t)image * f.pixels + p) * f.channels;
        vec g = f.pooled ? pooled : load((const number*)f.g + at + c);
        if (f.addend) g += load((const number*)f.addend + at + c);
        if (f.slope != 1) g = x(at) > zero ? g : g * all(f.slope);
        if (f.gx) store((number*)f.gx + at + c, g);
        sum += g;
        if (f.seen) about += g * ((load((const number*)f.seen + at + c) - mean) * inverse);
      }
      if (f.sums) {
        store(f.sums + (size_t)image * 2 * f.channels + c, sum);
        store(f.sums + ((size_t)image * 2 + 1) * f.channels + c, about);
      }
    }
}

// dy = A * g + B * y + C + addend; without A, g + addend.
void combine(const Combine* arguments, int first, int last, number*) {
  const Combine& f = *arguments;
  for (int image = first; image < last; ++image)
    for (int c = 0; c < f.channels; c += LANES) {
      const vec zero = {}, A = f.A ? load(f.A + c) : all(1), B = f.A ? load(f.B + c) : zero, C = f.A ? load(f.C + c) : zero;
      for (int p = 0; p < f.pixels; ++p) {
        const size_t at = ((size_t)image * f.pixels + p) * f.channels + c;
        vec dy = load((const number*)f.g + at) * A;
        if (f.A) dy += load((const number*)f.y + at) * B + C;
        if (f.addend) dy += load((const number*)f.addend + at);
        store((number*)f.dy + at, dy);
      }
    }
}

// The mean of each map: float (N, C).
void pool(const Pool* arguments, int first, int last, number*) {
  const Pool& f = *arguments;
  for (int image = first; image < last; ++image)
    for (int c = 0; c < f.channels; c += LANES) {
      const Reader x(f.x, c);
      vec sum = {};
      for (int p = 0; p < f.pixels; ++p) sum += x(((size_t)image * f.pixels + p) * f.channels);
      store(f.means + (size_t)image * f.channels + c, sum * all(1.0f / f.pixels));
    }
}

// A shortcut without weights: fewer pixels, with zero channels before and after; back: its adjoint.
void widen(const Widen* arguments, int first, int last, number*) {
  const Widen& f = *arguments;
  const int wide_channels = f.before + f.channels + f.after;
  Source source = {f.narrow, f.scale, f.shift, f.slope};
  for (int image = first; image < last; ++image) {
    const size_t size = (size_t)f.height * f.width * f.channels;
    if (f.back && f.stride > 1) memset((number*)f.narrow + image * size, 0, size * sizeof(number));  // what no window has seen
    for (int r = 0; r < f.rows; ++r)
      for (int p = 0; p < f.columns; ++p) {
        const int top = r * f.stride - f.top, left = p * f.stride - f.left;
        const int begin = top < 0 ? 0 : top, end = top + f.window < f.height ? top + f.window : f.height;
        const int from = left < 0 ? 0 : left, to = left + f.window < f.width ? left + f.window : f.width;
        const vec share = all((f.factors ? f.factors[image] : 1.0f) / ((end - begin) * (to - from)));
        number* wide = (number*)f.wide + (((size_t)image * f.rows + r) * f.columns + p) * wide_channels;
        if (!f.back && f.before + f.after) {
          memset(wide, 0, f.before * sizeof(number));
          memset(wide + f.before + f.channels, 0, f.after * sizeof(number));
        }
        for (int c = 0; c < f.channels; c += LANES) {
          const Reader x(source, c);
          vec sum = {};
          for (int y = begin; y < end; ++y)
            for (int q = from; q < to; ++q) {
              const size_t at = (((size_t)image * f.height + y) * f.width + q) * f.channels;
              if (f.back) store((number*)f.narrow + at + c, load(wide + f.before + c) * share);
              else sum += x(at);
            }
          if (!f.back) store(wide + f.before + c, sum * share);
        }
      }
  }
}
}
