#pragma once
#include "amx.h"
// A convolution of bfloat16 as products of AMX's tiles. Maps are read into rows with zeros around them, where a kernel's row of
// taps is one run of numbers: a tile's rows are 16 pixels that follow each other, whose runs overlap. Pixels are counted through
// rows and images, which share the zeros between them; what falls on zeros is made too and left. With a stride the rows lie
// apart by their residues. Weights' gradients are sums over pairs of pixels, one of each half of those that are counted: a tap
// is a shift of the pairs of x, and those of dy are turned.
namespace matrix_tiles {
constexpr char NAME[] = "AMX";
using amx::DEEP;
using amx::SUMS;
using amx::TILE;
constexpr int most(int a, int b) { return a > b ? a : b; }
constexpr int least(int a, int b) { return a < b ? a : b; }
constexpr int up(int n, int unit) { return (n + unit - 1) / unit * unit; }
constexpr int S = STRIDE, K = KERNEL;
static_assert(K <= amx::MOST_RUNS);

// Which rows (or columns) of taps reach inputs of a residue, and where their outputs lie.
constexpr int first_tap(int residue) { return (residue + PAD_LOW) % S; }
constexpr int taps(int residue) { return first_tap(residue) < K ? (K - first_tap(residue) + S - 1) / S : 0; }
constexpr int last_tap(int residue) { return first_tap(residue) + (taps(residue) - 1) * S; }
constexpr int BEFORE = BACKWARD && K - 1 > PAD_LOW ? (K - 1 - PAD_LOW) / S : 0;   // rows and columns of zeros before dy

// Rows of an image, and pixels of a row, in steps of the stride.
constexpr int padded(int size, int out) {
  return most(up(most(size + PAD_LOW, (out - 1) * S + K - PAD_LOW), S) / S, BEFORE + out);
}
constexpr int ROWS = padded(HEIGHT, OUT_HEIGHT), UNITS = padded(WIDTH, OUT_WIDTH);
constexpr int REACH = (K - 1) / S * (UNITS + 1) + BEFORE * (UNITS + 1);         // pixels behind the last one that are read

// Images, or rows of one, that are taken together: they stay in the second cache (2 MB wherever there is AMX), and make the
// most of weights that do not.
constexpr size_t X_BYTES = (size_t)ROWS * UNITS * S * S * DEPTH * sizeof(number), DY_BYTES = (size_t)ROWS * UNITS * OC * sizeof(number);
constexpr int PIXELS = (size_t)IC * OC * TAPS >= 256 * 1024 ? 256 : 64, CACHED = 512 * 1024;
constexpr int images() { return least(most((PIXELS + ROWS * UNITS - 1) / (ROWS * UNITS), 1), most(CACHED / (int)most(X_BYTES, DY_BYTES), 1)); }
constexpr int IMAGES = images();
constexpr int band(size_t bytes) { return bytes <= CACHED ? OUT_HEIGHT : most(1, (int)(CACHED / (bytes / ROWS))); }
constexpr int BAND = band(X_BYTES);                                              // of output rows; all if there are several images
constexpr int BAND_BACK = K == 1 && S == 1 ? band(most(X_BYTES, DY_BYTES)) : OUT_HEIGHT;
constexpr int rows_of(int band) { return band < OUT_HEIGHT ? band + (K + S - 2) / S : IMAGES * ROWS; }
constexpr size_t plane(int band) { return whole(((size_t)rows_of(band) * UNITS + REACH + 128) * S * DEPTH + DEEP); }   // of x, one residue of rows
constexpr int GROUP_PIXELS = up(least(rows_of(BAND_BACK), IMAGES * ROWS) * UNITS, DEEP);
constexpr size_t DY_ROOM = whole((size_t)(GROUP_PIXELS + REACH + 64) * OC + DEEP);

// A map's pixels as products are made of them: rows without the zeros where they are whole tiles, else with them.
constexpr int pitch(int width) { return width % 16 == 0 ? width : UNITS; }
constexpr int blocks(int channels) { return channels % 32 == 0 ? 2 : 1; }
constexpr int N_AHEAD = blocks(OC), N_BACK = blocks(IC);
constexpr int RUN = up(K * DEPTH, DEEP);

static size_t forward_room() { return S * plane(BAND) + SUMS; }

static inline number* x_row(number* x, size_t plane, int image, int row) {   // `row` with those above the map
  return x + row % S * plane + ((size_t)image * ROWS + row / S) * UNITS * S * DEPTH;
}

static void forward(const Forward& f, int first, int last, number* room) {
  constexpr size_t PLANE = plane(BAND);
  constexpr int PITCH = pitch(OUT_WIDTH);
  constexpr bool IN_BANDS = BAND < OUT_HEIGHT;
  number* x = room;
  float* c = (float*)(x + S * PLANE);
  memset(x, 0, S * PLANE * sizeof(number));
  const amx::Shaped tiles;
  size_t runs[K];
  for (int t = 0; t < K; ++t) runs[t] = t % S * PLANE + (size_t)t / S * UNITS * S * DEPTH;
  if (f.sums) memset(f.sums + (size_t)first * 2 * OC, 0, (size_t)(last - first) * 2 * OC * sizeof(float));
  for (int image = first; image < last; image += IMAGES) {
    const int count = least(IMAGES, last - image);
    for (int top = 0; top < OUT_HEIGHT; top += BAND) {
      const int bottom = least(top + BAND, OUT_HEIGHT);
      const int windows = (bottom - 1) * S + K, end = most(windows, bottom == OUT_HEIGHT ? HEIGHT + PAD_LOW : bottom * S);
      for (int n = 0; n < count; ++n)
        for (int r = top * S; r < end; ++r) {
          number* row = x_row(x, PLANE, n, r - top * S);
          const int from = r - PAD_LOW;
          if (from < 0 || from >= HEIGHT) {
            if (IN_BANDS) memset(row, 0, UNITS * S * DEPTH * sizeof(number));   // was of the last band
          } else if (r % S < K || f.sum) {
            read_row<IC>(row + PAD_LOW * DEPTH, f.a, f.b, f.slope_of_sum, (number*)f.sum, ((size_t)(image + n) * HEIGHT + from) * WIDTH * IC);
          }
        }
      const int pixels = ((IN_BANDS ? bottom - top : (count - 1) * ROWS + OUT_HEIGHT) - 1) * PITCH + OUT_WIDTH, all_tiles = (pixels + 15) / 16;
      amx::by_chunks(all_tiles, OC, N_AHEAD * 16, (size_t)K * RUN * OC, [&](int t, int o) {
        const int these = least(amx::CHUNK, all_tiles - t);
        amx::products<N_AHEAD>(c, x, S * DEPTH, PITCH, UNITS, t, these, (const number*)f.weights + (size_t)o * K * RUN, runs, K, RUN / DEEP);
        amx::by_rows(t * 16, least((t + these) * 16, pixels), PITCH, OUT_WIDTH, [&](int of_all, int column, int wide, int at) {
          const int n = of_all / ROWS, row = of_all % ROWS;
          if (row >= OUT_HEIGHT) return;
          const size_t to = (((size_t)(image + n) * OUT_HEIGHT + top + row) * OUT_WIDTH + column) * OC + o;
          float* sums = f.sums ? f.sums + (size_t)(image + n) * 2 * OC + o : nullptr;
          vec bias[N_AHEAD], centre[N_AHEAD], sum[N_AHEAD], square[N_AHEAD];      // sums go on, wherever chunks cut an image
          for (int v = 0; v < N_AHEAD; ++v) {
            bias[v] = f.bias ? load(f.bias + o + v * LANES) : (vec){};
            centre[v] = f.centre ? load(f.centre + o + v * LANES) : (vec){};
            sum[v] = sums ? load(sums + v * LANES) : (vec){};
            square[v] = sums ? load(sums + OC + v * LANES) : (vec){};
          }
          number* y = (number*)f.y + to;
          const number* addend = f.addend ? (const number*)f.addend + to : nullptr;
          const float* from = c + (size_t)at * N_AHEAD * LANES;
          for (int p = 0; p < wide; ++p)
#pragma GCC unroll 2
            for (int v = 0; v < N_AHEAD; ++v) {
              const size_t here = (size_t)p * OC + v * LANES;
              vec value = load(from + (p * N_AHEAD + v) * LANES) + bias[v];
              if (addend) value += load(addend + here);
              store(y + here, value);
              const vec off = value - centre[v];
              sum[v] += off;
              square[v] += off * off;
            }
          if (sums)
            for (int v = 0; v < N_AHEAD; ++v) {
              store(sums + v * LANES, sum[v]);
              store(sums + OC + v * LANES, square[v]);
            }
        });
      });
    }
  }
}

// Channels of x that tiles multiply; of an image's few, a whole row of taps.
constexpr bool IS_IMAGE = IC % 16 != 0;
constexpr int X_TILES = IS_IMAGE ? (K * DEPTH + 15) / 16 : IC / 16, COLUMNS = IS_IMAGE ? 1 : K, COLUMN_RESIDUES = least(S, COLUMNS);
constexpr int HALF = GROUP_PIXELS / 2, LONG = HALF + REACH;        // pairs of pixels of dy, and of x
constexpr size_t X_PAIRS = (size_t)least(S, K) * COLUMN_RESIDUES * X_TILES * LONG * DEEP, DY_PAIRS = (size_t)HALF * OC * 2;   // numbers
// Groups whose pairs wait to be multiplied at once, where the sums are too many to be fetched each time.
constexpr size_t KEPT = 1280 * 1024;
constexpr int SLOTS = (size_t)IC * OC * TAPS < 64 * 1024 ? 1 : most(1, (int)(KEPT / ((X_PAIRS + DY_PAIRS) * sizeof(number))));
constexpr size_t OF_IMAGE = IS_IMAGE ? (size_t)K * X_TILES * OC * 16 * 2 : 0;                      // sums, before they are dw

static size_t backward_room() { return S * plane(BAND_BACK) + DY_ROOM + SUMS + SLOTS * (X_PAIRS + DY_PAIRS) + OF_IMAGE; }

#if BACKWARD
constexpr size_t run_back(int residue) { return up(taps(residue) * OC, DEEP); }
static void input_gradient(const Backward& b, const number* x, const number* dy, float* c, int image, int count, int top, int bottom) {
  constexpr size_t PLANE = plane(BAND_BACK);
  const number* weights = (const number*)b.weights;
  for (int rr = 0; rr < S; ++rr)
    for (int cr = 0; cr < S; ++cr) {
      const int height = (HEIGHT - rr + S - 1) / S, width = (WIDTH - cr + S - 1) / S, across = pitch(width);
      const int down = BAND_BACK < OUT_HEIGHT ? bottom - top : (count - 1) * ROWS + height;
      const int pixels = (down - 1) * across + width, all_tiles = (pixels + 15) / 16, num_runs = taps(cr) ? taps(rr) : 0;
      size_t runs[K];
      for (int t = 0; t < num_runs; ++t)
        runs[t] = (size_t)((BEFORE + (rr + PAD_LOW - last_tap(rr)) / S + t) * UNITS + BEFORE + (cr + PAD_LOW - last_tap(cr)) / S) * OC;
      amx::by_chunks(all_tiles, IC, N_BACK * 16, taps(rr) * run_back(cr) * IC, [&](int t, int channel) {
        const int these = least(amx::CHUNK, all_tiles - t);
        amx::products<N_BACK>(c, dy, OC, across, UNITS, t, these, weights + (size_t)channel * taps(rr) * run_back(cr), runs, num_runs, run_back(cr) / DEEP);
        amx::by_rows(t * 16, least((t + these) * 16, pixels), across, width, [&](int of_all, int column, int wide, int at) {
          const int n = of_all / ROWS, row = of_all % ROWS;
          if (row >= height) return;
          const size_t to = (((size_t)(image + n) * HEIGHT + (top + row) * S + rr) * WIDTH + column * S + cr) * IC + channel;
          const int padded_row = row * S + rr + PAD_LOW;
          const number* input = x_row((number*)x, PLANE, n, padded_row) + (column * S + cr + PAD_LOW) * DEPTH + channel;
          vec mean[N_BACK], sum[N_BACK] = {}, about[N_BACK] = {};
          for (int v = 0; v < N_BACK; ++v) mean[v] = b.seen ? load(b.mean + channel + v * LANES) : (vec){};
          const vec slope = all(b.slope);
          const number* addend = b.gx_addend ? (const number*)b.gx_addend + to : nullptr;
          const number* seen = b.seen ? (const number*)b.seen + to : nullptr;
          const float* from = c + (size_t)at * N_BACK * LANES;
          number* gx = (number*)b.gx + to;
          for (int p = 0; p < wide; ++p)
#pragma GCC unroll 2
            for (int v = 0; v < N_BACK; ++v) {
              const size_t here = (size_t)p * S * IC + v * LANES;
              vec value = load(from + (p * N_BACK + v) * LANES);
              if (addend) value += load(addend + here);
              if (b.slope != 1) value = load(input + here) > (vec){} ? value : value * slope;
              store(gx + here, value);
              sum[v] += value;
              if (seen) about[v] += value * (load(seen + here) - mean[v]);
            }
          for (int v = 0; v < N_BACK; ++v) {
            float* sums = b.sums + (size_t)(image + n) * 2 * IC + channel + v * LANES;
            store(sums, load(sums) + sum[v]);
            if (seen) store(sums + IC, load(sums + IC) + about[v] * load(b.inverse + channel + v * LANES));
          }
        });
      });
      weights += (size_t)taps(rr) * run_back(cr) * IC;
    }
}
#endif

static void make_pairs(number* of_x, number* of_dy, const number* x, const number* dy) {
  for (int rr = 0; rr < least(S, K); ++rr)
    for (int cr = 0; cr < COLUMN_RESIDUES; ++cr)
      for (int tile = 0; tile < X_TILES; ++tile, of_x += (size_t)LONG * DEEP) {
        const number* from = x + rr * plane(BAND_BACK) + cr * DEPTH + tile * 16;
        for (int v = 0; v < LONG; ++v) _mm512_storeu_si512(of_x + v * DEEP, amx::pair(from + (size_t)v * S * DEPTH, from + (size_t)(v + HALF) * S * DEPTH));
      }
  for (int o = 0; o < OC; o += 16)
    for (int v = 0; v < HALF; v += 16, of_dy += TILE) {
      __m512i pairs[16];
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) pairs[j] = amx::pair(dy + (size_t)(v + j) * OC + o, dy + (size_t)(v + j + HALF) * OC + o);
      amx::turn(pairs);
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) _mm512_storeu_si512(of_dy + j * DEEP, pairs[j]);
    }
}

// dw[tap][OC][IC] += dy * x; of an image dw[row of taps][tile][OC][16].
template <int M, int N>
static inline void weights_block(float* dw, const number* of_x, const number* of_dy, int o, int row, int column, int tile, const size_t* x_runs,
                                 const size_t* dy_runs, int slots, int depth) {
  constexpr size_t WIDE = IS_IMAGE ? 16 : IC, NEXT_TAP = (size_t)OC * IC;
  constexpr bool ACROSS_TAPS = X_TILES == 1;             // a second tile is the next tap's
  const size_t part = (size_t)(row % S * COLUMN_RESIDUES + column % S) * X_TILES + tile;
  const number* b = of_x + (part * LONG + row / S * UNITS + column / S) * DEEP;
  size_t next = (size_t)LONG * DEEP;
  if (ACROSS_TAPS) next = ((ptrdiff_t)((column + 1) % S - column % S) * LONG + (column + 1) / S - column / S) * DEEP;
  float* to[M];
  const number* a[M];
  for (int m = 0; m < M; ++m) {
    a[m] = of_dy + (size_t)(o / 16 + m) * HALF * DEEP;
    to[m] = IS_IMAGE ? dw + ((size_t)(row * X_TILES + tile) * OC + o + m * 16) * 16 : dw + ((size_t)(row * K + column) * OC + o + m * 16) * IC + tile * 16;
  }
  const size_t c_next = IS_IMAGE ? (size_t)OC * 16 : ACROSS_TAPS ? NEXT_TAP : 16;
  amx::product<M, N, true>(to, WIDE * sizeof(float), c_next, a, {64, TILE, 0, dy_runs}, b, {64, TILE, next, x_runs}, slots, depth);
}

static __attribute__((noinline)) void weights_gradient(float* dw, const number* of_x, const number* of_dy, int slots) {
  constexpr int M = blocks(OC), ALONG = X_TILES == 1 ? COLUMNS : X_TILES;   // tiles that follow each other
  constexpr int TOGETHER = SLOTS == 1 ? up(HALF / 16, 10) / 10 : 1, DEPTH_OF_ONE = (HALF / 16 + TOGETHER - 1) / TOGETHER;
  for (int part = 0; part < TOGETHER; ++part) {
    const int from = part * DEPTH_OF_ONE, depth = least(DEPTH_OF_ONE, HALF / 16 - from);
    size_t x_runs[SLOTS], dy_runs[SLOTS];
    for (int slot = 0; slot < SLOTS; ++slot) x_runs[slot] = slot * X_PAIRS + (size_t)from * TILE, dy_runs[slot] = slot * DY_PAIRS + (size_t)from * TILE;
    for (int n = 0; n < ALONG; n += 2)
      for (int o = 0; o < OC; o += M * 16)
        for (int tap = 0; tap < (X_TILES == 1 ? K : K * COLUMNS); ++tap) {
          const int row = X_TILES == 1 ? tap : tap / COLUMNS, column = X_TILES == 1 ? n : tap % COLUMNS, tile = X_TILES == 1 ? 0 : n;
          if (n + 2 <= ALONG) weights_block<M, 2>(dw, of_x, of_dy, o, row, column, tile, x_runs, dy_runs, slots, depth);
          else weights_block<M, 1>(dw, of_x, of_dy, o, row, column, tile, x_runs, dy_runs, slots, depth);
        }
  }
}

// From the sums of an image's rows of taps to dw[tap][OC][IC].
static void add_of_image(float* dw, const float* sums) {
  for (int row = 0; row < K; ++row)
    for (int n = 0; n < K * DEPTH; ++n)
      for (int o = 0; o < OC; ++o)
        if (n % DEPTH < IC) dw[((size_t)(row * K + n / DEPTH) * OC + o) * IC + n % DEPTH] += sums[((size_t)(row * X_TILES + n / 16) * OC + o) * 16 + n % 16];
}

static void backward(const Backward& b, int first, int last, number* room) {
  constexpr size_t PLANE = plane(BAND_BACK);
  constexpr bool IN_BANDS = BAND_BACK < OUT_HEIGHT;
  number *x = room, *dy = x + S * PLANE, *of_x = dy + DY_ROOM + SUMS, *of_dy = of_x + SLOTS * X_PAIRS;
  float* of_image = (float*)(of_dy + SLOTS * DY_PAIRS);
  memset(room, 0, (S * PLANE + DY_ROOM) * sizeof(number));
  memset(of_image, 0, OF_IMAGE * sizeof(number));
  const amx::Shaped tiles;
  static const Source none = {};
  if (BACKWARD && b.gx) memset(b.sums + (size_t)first * 2 * IC, 0, (size_t)(last - first) * 2 * IC * sizeof(float));
  int slot = 0;
  for (int image = first; image < last; image += IMAGES)
    for (int top = 0; top < OUT_HEIGHT; top += BAND_BACK) {
      const int count = least(IMAGES, last - image), bottom = least(top + BAND_BACK, OUT_HEIGHT);
      for (int n = 0; n < IMAGES; ++n)
        for (int r = 0; r < (IN_BANDS ? BAND_BACK : HEIGHT); ++r) {
          number* row = x_row(x, PLANE, n, r + PAD_LOW) + PAD_LOW * DEPTH;
          if (n >= count || top + r >= HEIGHT) memset(row, 0, WIDTH * DEPTH * sizeof(number));
          else read_row<IC>(row, b.x, none, 0, nullptr, ((size_t)(image + n) * HEIGHT + top + r) * WIDTH * IC);
        }
      for (int n = 0; n < IMAGES; ++n)
        for (int r = 0; r < (IN_BANDS ? BAND_BACK : OUT_HEIGHT); ++r) {
          number* row = dy + ((size_t)(n * ROWS + BEFORE + r) * UNITS + BEFORE) * OC;
          if (n >= count || top + r >= OUT_HEIGHT) memset(row, 0, OUT_WIDTH * OC * sizeof(number));
          else read_dy_row(b, row, image + n, top + r);
        }
#if BACKWARD
      if (b.gx) {
        const long began = ticks(b);
        input_gradient(b, x, dy, (float*)(dy + DY_ROOM), image, count, top, bottom);
        if (b.ticks) b.ticks[0] += ticks(b) - began;
      }
#endif
      const long began = ticks(b);
      make_pairs(of_x + slot * X_PAIRS, of_dy + slot * DY_PAIRS, x, dy + (size_t)BEFORE * (UNITS + 1) * OC);
      if (++slot == SLOTS || (image + IMAGES >= last && bottom == OUT_HEIGHT)) {
        weights_gradient(IS_IMAGE ? of_image : b.dw, of_x, of_dy, slot);
        slot = 0;
      }
      if (b.ticks) b.ticks[1] += ticks(b) - began;
    }
  if (IS_IMAGE) add_of_image(b.dw, of_image);
}

constexpr size_t back_size() {
  size_t n = 0;
#if BACKWARD
  for (int rr = 0; rr < S; ++rr) for (int cr = 0; cr < S; ++cr) n += taps(rr) * run_back(cr) * IC;
#endif
  return n;
}
static size_t packed_size() { return (size_t)K * RUN * OC > back_size() ? (size_t)K * RUN * OC : back_size(); }

// 16 numbers of weights, `apart` from each other.
static inline vec weights_of(const float* w, long apart) {
  if (apart == 1) return load(w);
  vec found;
  for (int l = 0; l < LANES; ++l) found[l] = w[l * apart];
  return found;
}

static void pack(const float* w, const long* stride, number* ahead, number* back) {
  auto at = [&](int o, int i, int row, int column) { return w + o * stride[0] + i * stride[1] + row * stride[2] + column * stride[3]; };
  for (int o = 0; o < OC; o += 16)
    for (int row = 0; row < K; ++row)
      for (int n = 0; n < RUN; n += DEEP, ahead += TILE) {
        number few[16][DEEP] = {};
        for (int l = 0; l < 16; ++l)
          for (int k = n; k < least(n + DEEP, K * DEPTH); k += IS_IMAGE ? 1 : 16) {
            const int column = k / DEPTH, i = k % DEPTH;
            if (!IS_IMAGE) store(few[l] + k - n, weights_of(at(o + l, i, row, column), stride[1]));
            else if (i < IC) few[l][k - n] = rounded(*at(o + l, i, row, column));
          }
        __m512i pairs[16];
        for (int l = 0; l < 16; ++l) pairs[l] = _mm512_loadu_si512(few[l]);
        amx::turn(pairs);
        for (int l = 0; l < 16; ++l) _mm512_storeu_si512(ahead + l * DEEP, pairs[l]);
      }
#if BACKWARD
  for (int rr = 0; rr < S; ++rr)
    for (int cr = 0; cr < S; ++cr)
      for (int i = 0; i < IC; i += 16)
        for (int row = last_tap(rr); row >= 0 && taps(rr); row -= S)
          for (int n = 0; n < (int)run_back(cr); n += 2, back += DEEP) {
            const int column = last_tap(cr) - n / OC * S, o = n % OC;
            vec both[2] = {};
            if (column >= 0)
              for (int q = 0; q < 2; ++q) both[q] = weights_of(at(o + q, i, row, column), stride[1]);
            store_together(back, both);
          }
#endif
}
}  // namespace matrix_tiles
