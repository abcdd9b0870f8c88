// One kind of convolution, forward and both gradients, in NHWC. A kind is given by the compiler's -D:
// IC, OC channels (of input, output), KERNEL, STRIDE, HEIGHT, WIDTH (of the input), PAD_LOW (top and left),
// OUT_HEIGHT, OUT_WIDTH, BACKWARD (whether the input's gradient is wanted), MAPS_ARE_BF16, MATRIX_TILES (AMX).
#include "lanes.h"
#include "interface.h"

namespace {
constexpr int TAPS = KERNEL * KERNEL;
constexpr int DEPTH = (IC + PAIR - 1) / PAIR * PAIR;   // channels of the input with those that fill a pair
constexpr int PADDED = (OUT_WIDTH - 1) * STRIDE + KERNEL > WIDTH + PAD_LOW ? (OUT_WIDTH - 1) * STRIDE + KERNEL : WIDTH + PAD_LOW;
constexpr int ROW = PADDED * DEPTH;

#include "blocks.h"

// One row of the input as it is read: activated(scale * raw + shift), of two sources their sum; `keep` gets it in full.
template <int CHANNELS>
static inline void read_row(number* to, const Source& a, const Source& b, float slope_of_sum, number* keep, size_t at) {
  const number *ra = (const number*)a.raw + at, *rb = b.raw ? (const number*)b.raw + at : nullptr;
  if constexpr (CHANNELS % LANES != 0) {                 // the image: no scale, no sum
    constexpr int DEEP = (CHANNELS + PAIR - 1) / PAIR * PAIR;
    for (int p = 0; p < WIDTH; ++p)
      for (int c = 0; c < CHANNELS; ++c) to[p * DEEP + c] = ra[p * CHANNELS + c];
    return;
  } else {
    const vec zero = {};
    for (int c = 0; c < CHANNELS; c += LANES) {
      const vec sa = a.scale ? load(a.scale + c) : all(1), ta = a.scale ? load(a.shift + c) : zero;
      const vec la = all(a.slope);
      if (!rb) {
        for (int p = 0; p < WIDTH; ++p) {
          vec x = load(ra + p * CHANNELS + c) * sa + ta;
          store(to + p * CHANNELS + c, x < zero ? x * la : x);  // a NaN stays one
        }
        continue;
      }
      const vec sb = b.scale ? load(b.scale + c) : all(1), tb = b.scale ? load(b.shift + c) : zero;
      const vec lb = all(b.slope), ls = all(slope_of_sum);
      for (int p = 0; p < WIDTH; ++p) {
        vec x = load(ra + p * CHANNELS + c) * sa + ta, y = load(rb + p * CHANNELS + c) * sb + tb;
        x = (x < zero ? x * la : x) + (y < zero ? y * lb : y);
        x = x < zero ? x * ls : x;
        store(to + p * CHANNELS + c, x);
        if (keep) store(keep + at + p * CHANNELS + c, x);
      }
    }
  }
}

template <int P, int OV>
static inline void forward_block(const Forward& f, const number* const* rows, const number* weights, int from, size_t at,
                                 const vec* bias, const vec* centre, vec* sum, vec* square) {
  const number *x[TAPS], *w[TAPS];
  for (int t = 0; t < TAPS; ++t) {
    x[t] = rows[t / KERNEL] + (from * STRIDE + t % KERNEL) * DEPTH;
    w[t] = weights + (size_t)t * DEPTH * OV * LANES;
  }
  vec acc[P][OV];
  if constexpr (IN_THREES && OV == 1)
    block_of_threes<P, DEPTH>(acc, {x[0], x[3], x[6]}, {w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]});
  else block<P, OV, STRIDE * DEPTH, DEPTH>(acc, x, w, TAPS);
  number* y = (number*)f.y + at;
  const number* addend = f.addend ? (const number*)f.addend + at : nullptr;
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < OV; ++v) {
      vec value = acc[p][v] + bias[v];
      if (addend) value += load(addend + p * OC + v * LANES);
      store(y + p * OC + v * LANES, value);
      vec off = value - centre[v];
      sum[v] += off;
      square[v] += off * off;
    }
}

// The gradient of the input at P pixels of one row and one residue of columns.
template <int P, int IV>
static inline void input_block(const Backward& b, const number* const* dy, const number* const* w, int taps, size_t at,
                               const number* input, const vec* mean, const vec* inverse, vec* sum, vec* about) {
  vec acc[P][IV];
  if constexpr (IN_THREES && IV == 1)                    // the last tap of a row reads its first pixel
    block_of_threes<P, OC>(acc, {dy[2], dy[5], dy[8]}, {w[2], w[1], w[0], w[5], w[4], w[3], w[8], w[7], w[6]});
  else if constexpr (IV > 1) block_apart<P, IV, OC, OC>(acc, dy, w, taps);
  else block<P, IV, OC, OC>(acc, dy, w, taps);
  number* gx = (number*)b.gx + at;
  const number* addend = b.gx_addend ? (const number*)b.gx_addend + at : nullptr;
  const number* seen = b.seen ? (const number*)b.seen + at : nullptr;
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < IV; ++v) {
      const int here = p * STRIDE * IC + v * LANES;
      vec value = acc[p][v];
      if (addend) value += load(addend + here);
      if (b.slope != 1) value = load(input + here) > (vec){} ? value : value * all(b.slope);
      store(gx + here, value);
      sum[v] += value;
      if (seen) about[v] += value * ((load(seen + here) - mean[v]) * inverse[v]);
    }
}

// Rows and columns of zeros around dy, where the gradient of the input is asked for: before the first, and after the last.
constexpr int low() { int n = (KERNEL - 1 - PAD_LOW + STRIDE - 1) / STRIDE; return BACKWARD && n > 0 ? n : 0; }
constexpr int beyond(int size, int outputs) { int n = (size - 1 + PAD_LOW) / STRIDE - (outputs - 1); return BACKWARD && n > 0 ? n : 0; }
constexpr int LOW = low();
constexpr int DY_WIDTH = LOW + OUT_WIDTH + beyond(WIDTH, OUT_WIDTH);
constexpr int DY_HEIGHT = LOW + OUT_HEIGHT + beyond(HEIGHT, OUT_HEIGHT);
constexpr int X_HEIGHT = (OUT_HEIGHT - 1) * STRIDE + KERNEL > HEIGHT + PAD_LOW ? (OUT_HEIGHT - 1) * STRIDE + KERNEL : HEIGHT + PAD_LOW;
constexpr size_t whole(size_t n) { return (n + 31) / 32 * 32; }  // lines of memory, and what `interleave` takes at once
constexpr size_t X_SIZE = whole((size_t)X_HEIGHT * ROW), DY_SIZE = whole((size_t)DY_HEIGHT * DY_WIDTH * OC);

// One row of dy = A * g + B * y + C + addend; `b.dy` gets it in full.
static inline void read_dy_row(const Backward& b, number* to, size_t image, int row) {
  const size_t from = (image * OUT_HEIGHT + row) * OUT_WIDTH * OC;
  const number *g = (const number*)b.g + from, *y = (const number*)b.y + from;
  const number* addend = b.addend ? (const number*)b.addend + from : nullptr;
  number* keep = b.dy ? (number*)b.dy + from : nullptr;
  for (int c = 0; c < OC; c += LANES) {
    const vec A = b.A ? load(b.A + c) : all(1), B = b.A ? load(b.B + c) : (vec){}, C = b.A ? load(b.C + c) : (vec){};
    vec sum = {};
    for (int at = c; at < OUT_WIDTH * OC; at += OC) {
      vec value = load(g + at);
      if (b.A) value = value * A + (load(y + at) * B + C);
      if (addend) value += load(addend + at);
      store(to + at, value);
      if (keep) store(keep + at, value);
      sum += value;
    }
    if (b.biased) store(b.dw + TAPS * IC * OC + c, load(b.dw + TAPS * IC * OC + c) + sum);
  }
}

static inline void read_dy(const Backward& b, number* to, size_t image) {
  for (int r = 0; r < OUT_HEIGHT; ++r) read_dy_row(b, to + ((size_t)(r + LOW) * DY_WIDTH + LOW) * OC, image, r);
}

static inline void read_x(const Backward& b, number* to, size_t image) {
  static const Source none = {};
  for (int r = 0; r < HEIGHT; ++r)
    read_row<IC>(to + (size_t)(r + PAD_LOW) * ROW + PAD_LOW * DEPTH, b.x, none, 0, nullptr, (image * HEIGHT + r) * WIDTH * IC);
}

#if BACKWARD
constexpr int OV_BACK = vectors(IC, WIDTH / STRIDE);
constexpr int P_BACK = pixels(OV_BACK, (WIDTH + STRIDE - 1) / STRIDE);

template <int P>
static inline void input_blocks(const Backward& b, const number* const* dy, const number* const* w, int taps, int from, size_t row,
                                const number* input, int column, int channel, const vec* mean, const vec* inverse, vec* sum, vec* about) {
  const number* shifted[TAPS];
  for (int t = 0; t < taps; ++t) shifted[t] = dy[t] + (size_t)from * OC;
  const size_t at = (size_t)(column + from * STRIDE) * IC + channel;
  input_block<P, OV_BACK>(b, shifted, w, taps, row + at, input + at, mean, inverse, sum, about);
}

static void input_gradient(const Backward& b, const number* dy, const number* x, size_t image, float* sums) {
  for (int r = 0; r < HEIGHT; ++r)
    for (int residue = 0; residue < STRIDE; ++residue) {
      const int count = (WIDTH - residue + STRIDE - 1) / STRIDE;
      for (int channel = 0; channel < IC; channel += OV_BACK * LANES) {
        const number *from[TAPS], *w[TAPS];
        int taps = 0;
        for (int tr = 0; tr < KERNEL; ++tr) {
          if ((r + PAD_LOW - tr + KERNEL * STRIDE) % STRIDE) continue;
          const int row = (r + PAD_LOW - tr + LOW * STRIDE) / STRIDE;
          for (int tc = 0; tc < KERNEL; ++tc) {
            if ((residue + PAD_LOW - tc + KERNEL * STRIDE) % STRIDE) continue;
            const int column = (residue + PAD_LOW - tc + LOW * STRIDE) / STRIDE;
            from[taps] = dy + ((size_t)row * DY_WIDTH + column) * OC;
            w[taps++] = (const number*)b.weights + ((size_t)channel * TAPS + (size_t)(tr * KERNEL + tc) * OV_BACK * LANES) * OC;
          }
        }
        vec mean[OV_BACK], inverse[OV_BACK], sum[OV_BACK], about[OV_BACK];
        for (int v = 0; v < OV_BACK; ++v) {
          const int c = channel + v * LANES;
          mean[v] = b.seen ? load(b.mean + c) : (vec){};
          inverse[v] = b.seen ? load(b.inverse + c) : (vec){};
          sum[v] = load(sums + c);
          about[v] = load(sums + IC + c);
        }
        const size_t row = (image * HEIGHT + r) * (size_t)WIDTH * IC;
        const number* input = x + (size_t)(r + PAD_LOW) * ROW + PAD_LOW * DEPTH;
        int p = 0;
        for (; p + P_BACK <= count; p += P_BACK)
          input_blocks<P_BACK>(b, from, w, taps, p, row, input, residue, channel, mean, inverse, sum, about);
        for (; p < count; ++p) input_blocks<1>(b, from, w, taps, p, row, input, residue, channel, mean, inverse, sum, about);
        for (int v = 0; v < OV_BACK; ++v) {
          store(sums + channel + v * LANES, sum[v]);
          store(sums + IC + channel + v * LANES, about[v]);
        }
      }
    }
}
#endif

// dw[tap][ic][oc] += x * dy over the image; in bf16 over two images, whose numbers lie interleaved. By bands of rows that
// stay in the first cache.
constexpr int chunk(int most) { for (int n = most; n > 1; --n) if (IC % n == 0) return n; return 1; }
constexpr int OV_DW = (OC / LANES) % 2 == 0 && IC > 3 ? 2 : 1;
constexpr int CHUNK = chunk((REGISTERS - OV_DW - 2) / (KERNEL * OV_DW) > 0 ? (REGISTERS - OV_DW - 2) / (KERNEL * OV_DW) : 1);
constexpr int FIRST_CACHE = 32 * 1024;
constexpr int BAND = FIRST_CACHE / (int)((STRIDE * ROW + DY_WIDTH * OC) * PAIR * sizeof(number)) > 1
    ? FIRST_CACHE / (int)((STRIDE * ROW + DY_WIDTH * OC) * PAIR * sizeof(number)) : 1;

// Images (pairs of them in bf16) that are taken together: more than one where they are small and the weights' gradients are not.
constexpr int GROUP = OUT_HEIGHT * OUT_WIDTH < 64 && IC * OC * TAPS >= 64 * 1024 ? 64 / (OUT_HEIGHT * OUT_WIDTH) : 1;

static void weights_gradient(float* dw, const number* x, const number* dy, int group) {
  constexpr size_t dy_row = (size_t)DY_WIDTH * OC * PAIR;
  dy += ((size_t)LOW * DY_WIDTH + LOW) * OC * PAIR;
  for (int band = 0; band < OUT_HEIGHT; band += BAND) {
    const int end = band + BAND < OUT_HEIGHT ? band + BAND : OUT_HEIGHT;
    for (int tr = 0; tr < KERNEL; ++tr)
      for (int i = 0; i < IC; i += CHUNK)
        for (int o = 0; o < OC; o += OV_DW * LANES) {
          float* into = dw + ((size_t)tr * KERNEL * IC + i) * OC + o;
          vec acc[KERNEL][CHUNK][OV_DW];
#pragma GCC unroll 8
          for (int tc = 0; tc < KERNEL; ++tc)
#pragma GCC unroll 32
            for (int j = 0; j < CHUNK; ++j)
#pragma GCC unroll 2
              for (int v = 0; v < OV_DW; ++v) acc[tc][j][v] = load(into + ((size_t)tc * IC + j) * OC + v * LANES);
          for (int n = 0; n < group * (end - band); ++n) {
            const int r = band + n % (end - band), image = n / (end - band);
            const number* from = x + (image * X_SIZE + (size_t)(r * STRIDE + tr) * PADDED * DEPTH + i) * PAIR;
            const number* of = dy + image * DY_SIZE * PAIR + r * dy_row + o * PAIR;
            for (int p = 0; p < OUT_WIDTH; ++p, from += STRIDE * DEPTH * PAIR, of += OC * PAIR) {
#pragma GCC unroll 8
              for (int tc = 0; tc < KERNEL; ++tc)
#pragma GCC unroll 32
                for (int j = 0; j < CHUNK; ++j)
#pragma GCC unroll 2
                  for (int v = 0; v < OV_DW; ++v)
                    acc[tc][j][v] = multiply_add(acc[tc][j][v], of + v * LANES * PAIR, from + (tc * DEPTH + j) * PAIR);
            }
          }
#pragma GCC unroll 8
          for (int tc = 0; tc < KERNEL; ++tc)
#pragma GCC unroll 32
            for (int j = 0; j < CHUNK; ++j)
#pragma GCC unroll 2
              for (int v = 0; v < OV_DW; ++v) store(into + ((size_t)tc * IC + j) * OC + v * LANES, acc[tc][j][v]);
        }
  }
}

#if MAPS_ARE_BF16
// `count` is rounded up to 32.
static void interleave(number* to, const number* a, const number* b, size_t count) {
  size_t i = 0;
  for (; i < count; i += 32) {
    __m512i low = _mm512_loadu_si512(a + i), high = _mm512_loadu_si512(b + i);
    __m512i even = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), odd = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    __m512i first = _mm512_unpacklo_epi16(low, high), second = _mm512_unpackhi_epi16(low, high);
    __m512i ab = _mm512_permutex2var_epi64(first, even, second), cd = _mm512_permutex2var_epi64(first, odd, second);
    _mm512_storeu_si512(to + 2 * i, ab);
    _mm512_storeu_si512(to + 2 * i + 32, cd);
  }
}
#endif
}  // namespace

constexpr int OV_AHEAD = vectors(OC, OUT_WIDTH);
constexpr int P_AHEAD = pixels(OV_AHEAD, OUT_WIDTH);

#if MATRIX_TILES
#include "matrix_tiles.h"
#define WAY matrix_tiles
#elif KERNEL == 3 && STRIDE == 1 && PAD_LOW == 1 && IC % LANES == 0 && HEIGHT == OUT_HEIGHT && WIDTH == OUT_WIDTH && \
    HEIGHT > 1 && WIDTH > 1 && (!MAPS_ARE_BF16 || (IC > 16 && OC > 16))
#include "winograd.h"
#define WAY winograd
#endif

extern "C" {
// Numbers of room that `forward` and `backward` need, per thread.
#ifdef WAY
size_t forward_room() { return WAY::forward_room(); }
size_t backward_room() { return WAY::backward_room(); }
size_t packed_size() { return WAY::packed_size(); }
const char* way() { return WAY::NAME; }
int dw_is_turned() { return MATRIX_TILES; }
#else
size_t forward_room() { return (size_t)KERNEL * ROW; }
size_t backward_room() { return (X_SIZE + DY_SIZE) * PAIR * (GROUP + PAIR - 1) + 64; }
// Numbers that `pack` writes, each way.
size_t packed_size() { return (size_t)TAPS * DEPTH * OC; }
// By what products are made.
const char* way() { return "direct"; }
// Whether dw is taps x OC x IC, not taps x IC x OC.
int dw_is_turned() { return 0; }
#endif

// Weights (OC, IC, KERNEL, KERNEL) with these strides, as the blocks read them.
void pack(const float* w, const long* stride, number* ahead, number* back) {
#ifdef WAY
  WAY::pack(w, stride, ahead, back);
#else
  for (int o = 0; o < OC; o += OV_AHEAD * LANES)
    for (int t = 0; t < TAPS; ++t)
      for (int i = 0; i < DEPTH; i += PAIR)
        for (int l = 0; l < OV_AHEAD * LANES; ++l)
          for (int q = 0; q < PAIR; ++q)
            *ahead++ = i + q < IC ? rounded(w[(o + l) * stride[0] + (i + q) * stride[1] + t / KERNEL * stride[2] + t % KERNEL * stride[3]]) : rounded(0);
#if BACKWARD
  for (int i = 0; i < IC; i += OV_BACK * LANES)
    for (int t = 0; t < TAPS; ++t)
      for (int o = 0; o < OC; o += PAIR)
        for (int l = 0; l < OV_BACK * LANES; ++l)
          for (int q = 0; q < PAIR; ++q)
            *back++ = rounded(w[(o + q) * stride[0] + (i + l) * stride[1] + t / KERNEL * stride[2] + t % KERNEL * stride[3]]);
#endif
#endif
}

void forward(const Forward* arguments, int first, int last, number* room) {
#ifdef WAY
  WAY::forward(*arguments, first, last, room);
#else
  const Forward& f = *arguments;
  for (int image = first; image < last; ++image) {
    memset(room, 0, forward_room() * sizeof(number));
    float* sums = f.sums ? f.sums + (size_t)image * 2 * OC : nullptr;
    if (sums) memset(sums, 0, 2 * OC * sizeof(float));
    int made = -PAD_LOW;
    for (int r = 0; r < OUT_HEIGHT; ++r) {
      for (; made < r * STRIDE - PAD_LOW + KERNEL; ++made) {
        number* row = room + (size_t)((made + PAD_LOW) % KERNEL) * ROW;
        if (made < 0 || made >= HEIGHT) memset(row, 0, ROW * sizeof(number));
        else read_row<IC>(row + PAD_LOW * DEPTH, f.a, f.b, f.slope_of_sum, (number*)f.sum, ((size_t)image * HEIGHT + made) * WIDTH * IC);
      }
      const number* rows[KERNEL];
      for (int t = 0; t < KERNEL; ++t) rows[t] = room + (size_t)((r * STRIDE + t) % KERNEL) * ROW;
      for (int o = 0; o < OC; o += OV_AHEAD * LANES) {
        vec bias[OV_AHEAD], centre[OV_AHEAD], sum[OV_AHEAD], square[OV_AHEAD];
        for (int v = 0; v < OV_AHEAD; ++v) {
          bias[v] = f.bias ? load(f.bias + o + v * LANES) : (vec){};
          centre[v] = f.centre ? load(f.centre + o + v * LANES) : (vec){};
          sum[v] = sums ? load(sums + o + v * LANES) : (vec){};
          square[v] = sums ? load(sums + OC + o + v * LANES) : (vec){};
        }
        const number* w = (const number*)f.weights + (size_t)o * TAPS * DEPTH;
        const size_t at = ((size_t)image * OUT_HEIGHT + r) * OUT_WIDTH * OC + o;
        int p = 0;
        for (; p + P_AHEAD <= OUT_WIDTH; p += P_AHEAD)
          forward_block<P_AHEAD, OV_AHEAD>(f, rows, w, p, at + (size_t)p * OC, bias, centre, sum, square);
        constexpr int REST = OUT_WIDTH % P_AHEAD;
        if constexpr (REST != 0) forward_block<REST, OV_AHEAD>(f, rows, w, p, at + (size_t)p * OC, bias, centre, sum, square);
        if (sums)
          for (int v = 0; v < OV_AHEAD; ++v) {
            store(sums + o + v * LANES, sum[v]);
            store(sums + OC + o + v * LANES, square[v]);
          }
      }
    }
    for (; f.sum && made < HEIGHT; ++made)  // rows that no output needs are kept too
      read_row<IC>(room, f.a, f.b, f.slope_of_sum, (number*)f.sum, ((size_t)image * HEIGHT + made) * WIDTH * IC);
  }
#endif
}

// The gradients of weights (added to b.dw) and input for images first to last - 1.
void backward(const Backward* arguments, int first, int last, number* room) {
#ifdef WAY
  WAY::backward(*arguments, first, last, room);
#else
  const Backward& b = *arguments;
  memset(room, 0, backward_room() * sizeof(number));
  number *x = room, *dy = x + GROUP * PAIR * X_SIZE, *one_x = x, *one_dy = dy;
#if MAPS_ARE_BF16
  one_x = dy + GROUP * PAIR * DY_SIZE, one_dy = one_x + PAIR * X_SIZE;  // of two images, before they are a pair
#endif
  int group = 0;
  for (int image = first; image < last; image += PAIR) {
    for (int n = 0; n < PAIR; ++n) {
      number *own_x = one_x + (n + (PAIR == 1 ? group : 0)) * X_SIZE, *own_dy = one_dy + (n + (PAIR == 1 ? group : 0)) * DY_SIZE;
      if (image + n >= last) {
        memset(own_x, 0, X_SIZE * sizeof(number));
        memset(own_dy, 0, DY_SIZE * sizeof(number));
        continue;
      }
      read_x(b, own_x, image + n);
      read_dy(b, own_dy, image + n);
#if BACKWARD
      if (b.gx) {
        float* sums = b.sums + (size_t)(image + n) * 2 * IC;  // always there
        memset(sums, 0, 2 * IC * sizeof(float));
        const long began = ticks(b);
        input_gradient(b, own_dy, own_x, image + n, sums);
        if (b.ticks) b.ticks[0] += ticks(b) - began;
      }
#endif
    }
    const long began = ticks(b);
#if MAPS_ARE_BF16
    interleave(x + group * PAIR * X_SIZE, one_x, one_x + X_SIZE, X_SIZE);
    interleave(dy + group * PAIR * DY_SIZE, one_dy, one_dy + DY_SIZE, DY_SIZE);
#endif
    if (++group == GROUP || image + PAIR >= last) {
      weights_gradient(b.dw, x, dy, group);
      group = 0;
    }
    if (b.ticks) b.ticks[1] += ticks(b) - began;
  }
#endif
}
}
