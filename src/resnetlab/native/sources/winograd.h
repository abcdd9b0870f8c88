#pragma once
// A 3x3 convolution at stride 1 by Winograd's F(2x2, 3x3): 16 products make the 4 outputs of a tile for which the sum over
// taps takes 36. (Lavin and Gray, 2016, arXiv:1509.09308.) Of tiles d of 4x4 inputs, weights g and outputs y:
//   y = A'[(G g G') * (B' d B)]A        dg = G'[(A dy A') * (B' d B)]G       and the gradient of d is as y, of turned weights.
// Tiles are taken in blocks that stay in the cache, of several images where these are small.
namespace winograd {
constexpr int ACROSS = ((WIDTH + 1) / 2 + PAIR - 1) / PAIR * PAIR, DOWN = (HEIGHT + 1) / 2, POINTS = 16;
// Wanted in a block: few, so that what they need stays in the first caches, but more where the weights' gradients do not.
constexpr int TILES = (size_t)IC * OC >= 128 * 1024 ? 64 : 16;
constexpr int IMAGES = ACROSS * DOWN >= TILES ? 1 : (TILES + ACROSS * DOWN - 1) / (ACROSS * DOWN);       // of a block
constexpr int BAND = IMAGES > 1 || ACROSS * DOWN <= TILES ? DOWN : TILES / ACROSS > 0 ? TILES / ACROSS : 1;   // rows of tiles of each
constexpr int MOST = (IMAGES * BAND * ACROSS + 15) / 16 * 16;                                             // tiles of a block
constexpr int COLUMNS = 2 * ACROSS + 2, RING = 4;                                                         // of rows as they are read

constexpr int vectors(int channels) { return channels / LANES % 2 == 0 ? 2 : 1; }
constexpr int most_tiles(int vectors) { return REGISTERS == 32 ? 16 / vectors : 8 / vectors; }
// In registers at once: such that a block is cut evenly.
constexpr int tiles(int vectors) {
  constexpr int block = IMAGES * BAND * ACROSS;
  const int parts = (block + most_tiles(vectors) - 1) / most_tiles(vectors);
  return (block + parts - 1) / parts;
}

static inline vec halved(vec x) { return x * all(0.5f); }

// to[16]: B'dB of four pixels of four rows; N tiles, as pairs if they are two.
template <int CHANNELS, int N>
static inline void of_inputs(number* to, const number* const* rows, int column) {
  for (int c = 0; c < CHANNELS; c += LANES) {
    vec t[N][4][4];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        const size_t at = (size_t)(column + 2 * n + q) * CHANNELS + c;
        const vec a = load(rows[0] + at), b = load(rows[1] + at), d = load(rows[2] + at), e = load(rows[3] + at);
        t[n][0][q] = a - d; t[n][1][q] = b + d; t[n][2][q] = d - b; t[n][3][q] = b - e;
      }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      vec u[4][N];
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) {
        u[0][n] = t[n][r][0] - t[n][r][2]; u[1][n] = t[n][r][1] + t[n][r][2];
        u[2][n] = t[n][r][2] - t[n][r][1]; u[3][n] = t[n][r][1] - t[n][r][3];
      }
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) store_together(to + (size_t)(r * 4 + q) * MOST * CHANNELS + c * N, u[q]);
    }
  }
}

// to[16]: A dy A' of the two pixels of two rows, of PAIR tiles.
static inline void of_gradients(number* to, const number* first, const number* second) {
  for (int c = 0; c < OC; c += LANES) {
    vec t[PAIR][4][2];
#pragma GCC unroll 2
    for (int n = 0; n < PAIR; ++n)
#pragma GCC unroll 2
      for (int q = 0; q < 2; ++q) {
        const vec a = load(first + (2 * n + q) * OC + c), b = load(second + (2 * n + q) * OC + c);
        t[n][0][q] = a; t[n][1][q] = a + b; t[n][2][q] = a - b; t[n][3][q] = -b;
      }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      vec u[4][PAIR];
#pragma GCC unroll 2
      for (int n = 0; n < PAIR; ++n) {
        u[0][n] = t[n][r][0]; u[1][n] = t[n][r][0] + t[n][r][1];
        u[2][n] = t[n][r][0] - t[n][r][1]; u[3][n] = -t[n][r][1];
      }
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) store_together(to + (size_t)(r * 4 + q) * MOST * OC + c * PAIR, u[q]);
    }
  }
}

// m[16][MOST][OV]: at each point the products of `count` tiles' inputs, DEPTH_ channels deep, with one block of weights.
template <int DEPTH_, int OV>
static __attribute__((noinline)) void products(float* m, const number* v, const number* weights, int count) {
  constexpr int T = tiles(OV);
  for (int point = 0; point < POINTS; ++point)
    for (int t = 0; t < count; t += T) {
      const number *x = v + ((size_t)point * MOST + t) * DEPTH_, *w = weights + (size_t)point * DEPTH_ * OV * LANES;
      vec acc[T][OV];
      block<T, OV, DEPTH_, DEPTH_>(acc, &x, &w, 1);
#pragma GCC unroll 16
      for (int p = 0; p < T; ++p)
#pragma GCC unroll 2
        for (int n = 0; n < OV; ++n) store(m + (((size_t)point * MOST + t + p) * OV + n) * LANES, acc[p][n]);
    }
}

// y[2][2] = A'mA
template <int OV>
static inline void outputs(vec (&y)[2][2], const float* m) {
  vec t[2][4];
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    vec at[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) at[r] = load(m + (size_t)(r * 4 + q) * MOST * OV * LANES);
    t[0][q] = at[0] + at[1] + at[2];
    t[1][q] = at[1] - at[2] - at[3];
  }
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    y[r][0] = t[r][0] + t[r][1] + t[r][2];
    y[r][1] = t[r][1] - t[r][2] - t[r][3];
  }
}

constexpr int OV_AHEAD = vectors(OC), OV_BACK = vectors(IC);
constexpr size_t V_SIZE = (size_t)POINTS * MOST * IC, D_SIZE = (size_t)POINTS * MOST * OC;
constexpr size_t M_SIZE = (size_t)POINTS * MOST * 2 * LANES * PAIR, W_SIZE = (size_t)POINTS * IC * OC * PAIR;  // of floats
constexpr size_t X_RING = whole((size_t)RING * COLUMNS * IC);
// Backward the rows of a whole band are needed again, where the input says what is masked.
constexpr size_t X_BAND = whole((size_t)(2 * BAND + 2) * COLUMNS * IC), DY_BAND = whole((size_t)(2 * BAND + 2) * COLUMNS * OC);

constexpr int AHEAD = 2;                                 // rows

// Has a row that is read soon come from memory meanwhile.
static inline void fetch(const void* map, size_t at, int count) {
  if (!map) return;
  const char* from = (const char*)((const number*)map + at);
  for (int i = 0; i < count * (int)sizeof(number); i += 64) __builtin_prefetch(from + i, 0, 2);
}
constexpr char NAME[] = "Winograd";
static size_t packed_size() { return (size_t)POINTS * IC * OC; }
static size_t forward_room() { return X_RING + V_SIZE + M_SIZE; }
constexpr size_t WORK = D_SIZE + (V_SIZE > M_SIZE ? V_SIZE : M_SIZE);  // what makes the weights' gradients, then the input's
static size_t backward_room() { return IMAGES * (X_BAND + DY_BAND) + WORK + W_SIZE; }

static void forward(const Forward& f, int first, int last, number* room) {
  number *ring = room, *v = ring + X_RING;
  float* m = (float*)(v + V_SIZE);
  memset(ring, 0, X_RING * sizeof(number));
  for (int image = first; image < last; image += IMAGES) {
    const int end = image + IMAGES < last ? image + IMAGES : last;
    int made = -1;
    for (int band = 0; band < DOWN; band += BAND) {
      const int beyond = band + BAND < DOWN ? band + BAND : DOWN;
      int count = 0;
      for (int n = image; n < end; ++n) {
        if (IMAGES > 1) made = -1;
        for (int tile = band; tile < beyond; ++tile, count += ACROSS) {
          for (; made < 2 * tile + 3; ++made) {
            number* row = ring + (size_t)((made + 1) % RING) * COLUMNS * IC;
            if (made < 0 || made >= HEIGHT) memset(row, 0, sizeof(number) * COLUMNS * IC);
            else {
              const size_t at = ((size_t)n * HEIGHT + made) * WIDTH * IC;
              fetch(f.a.raw, at + AHEAD * WIDTH * IC, WIDTH * IC);
              fetch(f.b.raw, at + AHEAD * WIDTH * IC, WIDTH * IC);
              read_row<IC>(row + IC, f.a, f.b, f.slope_of_sum, (number*)f.sum, at);
            }
          }
          const number* rows[4];
          for (int r = 0; r < 4; ++r) rows[r] = ring + (size_t)((2 * tile + r) % RING) * COLUMNS * IC;
          for (int t = 0; t < ACROSS; ++t) of_inputs<IC, 1>(v + (size_t)(count + t) * IC, rows, 2 * t);
        }
      }
      for (int o = 0; o < OC; o += OV_AHEAD * LANES) {
        products<IC, OV_AHEAD>(m, v, (const number*)f.weights + (size_t)o * POINTS * IC, count);
        const float* of = m;
        for (int n = image; n < end; ++n) {
          float* sums = f.sums ? f.sums + (size_t)n * 2 * OC + o : nullptr;
          if (sums && band == 0) for (int c = 0; c < OV_AHEAD * LANES; ++c) sums[c] = sums[OC + c] = 0;
          const float* before = of;
          for (int u = 0; u < OV_AHEAD; ++u) {
            const vec bias = f.bias ? load(f.bias + o + u * LANES) : (vec){}, centre = f.centre ? load(f.centre + o + u * LANES) : (vec){};
            vec sum = sums ? load(sums + u * LANES) : (vec){}, square = sums ? load(sums + OC + u * LANES) : (vec){};
            of = before;
            for (int tile = band; tile < beyond; ++tile)
              for (int t = 0; t < ACROSS; ++t, of += OV_AHEAD * LANES) {
                vec y[2][2];
                outputs<OV_AHEAD>(y, of + u * LANES);
#pragma GCC unroll 2
                for (int r = 0; r < 2; ++r)
#pragma GCC unroll 2
                  for (int q = 0; q < 2; ++q) {
                    if ((HEIGHT % 2 && 2 * tile + r >= HEIGHT) || (WIDTH % (2 * PAIR) && 2 * t + q >= WIDTH)) continue;
                    const size_t at = (((size_t)n * HEIGHT + 2 * tile + r) * WIDTH + 2 * t + q) * OC + o + u * LANES;
                    vec value = y[r][q] + bias;
                    if (f.addend) value += load((const number*)f.addend + at);
                    store((number*)f.y + at, value);
                    const vec off = value - centre;
                    sum += off;
                    square += off * off;
                  }
              }
            if (sums) { store(sums + u * LANES, sum); store(sums + OC + u * LANES, square); }
          }
        }
      }
    }
  }
}

// w[16][IC][OC] += at each point the products of the tiles' inputs and gradients.
constexpr int OV_W = vectors(OC), INPUTS = most_tiles(OV_W);
static __attribute__((noinline)) void weights_products(float* w, const number* v, const number* d, int count) {
  for (int point = 0; point < POINTS; ++point)
    for (int i = 0; i < IC; i += INPUTS)
      for (int o = 0; o < OC; o += OV_W * LANES) {
        float* into = w + ((size_t)point * IC + i) * OC + o;
        const number *x = v + (size_t)point * MOST * IC + i * PAIR, *dy = d + (size_t)point * MOST * OC + o * PAIR;
        vec acc[INPUTS][OV_W];
#pragma GCC unroll 16
        for (int j = 0; j < INPUTS; ++j)
#pragma GCC unroll 2
          for (int u = 0; u < OV_W; ++u) acc[j][u] = load(into + (size_t)j * OC + u * LANES);
        for (int t = 0; t < count; t += PAIR, x += IC * PAIR, dy += OC * PAIR)
#pragma GCC unroll 16
          for (int j = 0; j < INPUTS; ++j)
#pragma GCC unroll 2
            for (int u = 0; u < OV_W; ++u) acc[j][u] = multiply_add(acc[j][u], dy + u * LANES * PAIR, x + j * PAIR);
#pragma GCC unroll 16
        for (int j = 0; j < INPUTS; ++j)
#pragma GCC unroll 2
          for (int u = 0; u < OV_W; ++u) store(into + (size_t)j * OC + u * LANES, acc[j][u]);
      }
}

#if BACKWARD
static void input_gradient(const Backward& b, const number* x, const float* m, int n, int band, int beyond, int channel) {
  float* sums = b.sums + (size_t)n * 2 * IC + channel;
  if (band == 0) for (int c = 0; c < OV_BACK * LANES; ++c) sums[c] = sums[IC + c] = 0;
  for (int u = 0; u < OV_BACK; ++u) {
    const int c = channel + u * LANES;
    const vec zero = {}, mean = b.seen ? load(b.mean + c) : zero, inverse = b.seen ? load(b.inverse + c) : zero;
    vec sum = load(sums + u * LANES), about = load(sums + IC + u * LANES);
    const float* of = m + u * LANES;
    for (int tile = band; tile < beyond; ++tile)
      for (int t = 0; t < ACROSS; ++t, of += OV_BACK * LANES) {
        vec y[2][2];
        outputs<OV_BACK>(y, of);
#pragma GCC unroll 2
        for (int r = 0; r < 2; ++r)
#pragma GCC unroll 2
          for (int q = 0; q < 2; ++q) {
            if ((HEIGHT % 2 && 2 * tile + r >= HEIGHT) || (WIDTH % (2 * PAIR) && 2 * t + q >= WIDTH)) continue;
            const size_t at = (((size_t)n * HEIGHT + 2 * tile + r) * WIDTH + 2 * t + q) * IC + c;
            vec value = y[r][q];
            if (b.gx_addend) value += load((const number*)b.gx_addend + at);
            if (b.slope != 1) {
              const vec input = load(x + ((size_t)(2 * (tile - band) + r + 1) * COLUMNS + 2 * t + q + 1) * IC + c);
              value = input > zero ? value : value * all(b.slope);
            }
            store((number*)b.gx + at, value);
            sum += value;
            if (b.seen) about += value * ((load((const number*)b.seen + at) - mean) * inverse);
          }
      }
    store(sums + u * LANES, sum);
    store(sums + IC + u * LANES, about);
  }
}
#endif

static void backward(const Backward& b, int first, int last, number* room) {
  number *x = room, *dy = x + IMAGES * X_BAND, *v = dy + IMAGES * DY_BAND, *d = v + V_SIZE, *e = v;
  float *m = (float*)(e + D_SIZE), *w = (float*)(v + WORK);
  static const Source none = {};
  memset(room, 0, IMAGES * (X_BAND + DY_BAND) * sizeof(number));
  memset(w, 0, sizeof(float) * POINTS * IC * OC);
  for (int image = first; image < last; image += IMAGES) {
    const int end = image + IMAGES < last ? image + IMAGES : last;
    for (int band = 0; band < DOWN; band += BAND) {
      const int beyond = band + BAND < DOWN ? band + BAND : DOWN;
      int count = 0;
      for (int n = image; n < end; ++n) {
        number *own_x = x + (n - image) * X_BAND, *own_dy = dy + (n - image) * DY_BAND;
        for (int row = 0; row < 2 * (beyond - band) + 2; ++row) {
          const int r = 2 * band + row - 1;
          number *to_x = own_x + (size_t)row * COLUMNS * IC, *to_dy = own_dy + (size_t)row * COLUMNS * OC;
          if (row < 2 && band) {                         // made with the last band
            memcpy(to_x, to_x + (size_t)2 * BAND * COLUMNS * IC, sizeof(number) * COLUMNS * IC);
            memcpy(to_dy, to_dy + (size_t)2 * BAND * COLUMNS * OC, sizeof(number) * COLUMNS * OC);
          } else if (r < 0 || r >= HEIGHT) {
            memset(to_x, 0, sizeof(number) * COLUMNS * IC);
            memset(to_dy, 0, sizeof(number) * COLUMNS * OC);
          } else {
            const size_t at = ((size_t)n * HEIGHT + r) * WIDTH;
            fetch(b.x.raw, (at + AHEAD * WIDTH) * IC, WIDTH * IC);
            fetch(b.g, (at + AHEAD * WIDTH) * OC, WIDTH * OC);
            if (b.A) fetch(b.y, (at + AHEAD * WIDTH) * OC, WIDTH * OC);
            fetch(b.addend, (at + AHEAD * WIDTH) * OC, WIDTH * OC);
            fetch(b.gx_addend, (at + AHEAD * WIDTH) * IC, WIDTH * IC);
            if (b.seen != b.x.raw) fetch(b.seen, (at + AHEAD * WIDTH) * IC, WIDTH * IC);
            read_row<IC>(to_x + IC, b.x, none, 0, nullptr, at * IC);
            read_dy_row(b, to_dy + OC, n, r);
          }
        }
        for (int tile = 0; tile < beyond - band; ++tile, count += ACROSS) {
          const number *rows[4], *of[4];
          for (int r = 0; r < 4; ++r) {
            rows[r] = own_x + (size_t)(2 * tile + r) * COLUMNS * IC;
            of[r] = own_dy + (size_t)(2 * tile + r) * COLUMNS * OC;
          }
          for (int t = 0; t < ACROSS; t += PAIR) {
            of_inputs<IC, PAIR>(v + (size_t)(count + t) * IC, rows, 2 * t);
            of_gradients(d + (size_t)(count + t) * OC, of[1] + (size_t)(2 * t + 1) * OC, of[2] + (size_t)(2 * t + 1) * OC);
          }
        }
      }
      const long began = ticks(b);
      weights_products(w, v, d, count);
      const long between = ticks(b);
      if (b.ticks) b.ticks[1] += between - began;
#if BACKWARD
      if (!b.gx) continue;
      count = 0;
      for (int n = image; n < end; ++n)
        for (int tile = 0; tile < beyond - band; ++tile, count += ACROSS) {
          const number* of[4];
          for (int r = 0; r < 4; ++r) of[r] = dy + (n - image) * DY_BAND + (size_t)(2 * tile + r) * COLUMNS * OC;
          for (int t = 0; t < ACROSS; ++t) of_inputs<OC, 1>(e + (size_t)(count + t) * OC, of, 2 * t);
        }
        for (int c = 0; c < IC; c += OV_BACK * LANES) {
          products<OC, OV_BACK>(m, e, (const number*)b.weights + (size_t)c * POINTS * OC, count);
          for (int n = image; n < end; ++n)
            input_gradient(b, x + (n - image) * X_BAND, m + (size_t)(n - image) * (beyond - band) * ACROSS * OV_BACK * LANES, n, band, beyond, c);
        }
      if (b.ticks) b.ticks[0] += ticks(b) - between;
#endif
    }
  }
  const size_t size = (size_t)IC * OC;
  for (size_t i = 0; i < size; i += LANES) {
    vec t[3][4];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const vec a = load(w + q * size + i), c = load(w + (4 + q) * size + i), g = load(w + (8 + q) * size + i);
      t[0][q] = a + halved(c + g);
      t[1][q] = halved(c - g);
      t[2][q] = halved(c + g) + load(w + (12 + q) * size + i);
    }
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) {
      float* into = b.dw + (size_t)r * 3 * size + i;
      const vec sum = halved(t[r][1] + t[r][2]);
      store(into, load(into) + t[r][0] + sum);
      store(into + size, load(into + size) + halved(t[r][1] - t[r][2]));
      store(into + 2 * size, load(into + 2 * size) + sum + t[r][3]);
    }
  }
}

// G g G' of PAIR registers of weights g[PAIR][9], at `to` and every `apart` numbers.
static inline void of_weights(number* to, size_t apart, const float (&g)[PAIR][9][LANES]) {
  vec t[PAIR][4][3];
  for (int n = 0; n < PAIR; ++n)
    for (int q = 0; q < 3; ++q) {
      const vec a = load(g[n][q]), b = load(g[n][3 + q]), c = load(g[n][6 + q]);
      t[n][0][q] = a; t[n][1][q] = halved(a + b + c); t[n][2][q] = halved(a - b + c); t[n][3][q] = c;
    }
  for (int r = 0; r < 4; ++r) {
    vec u[4][PAIR];
    for (int n = 0; n < PAIR; ++n) {
      const vec a = t[n][r][0], b = t[n][r][1], c = t[n][r][2];
      u[0][n] = a; u[1][n] = halved(a + b + c); u[2][n] = halved(a - b + c); u[3][n] = c;
    }
    for (int q = 0; q < 4; ++q) store_together(to + (r * 4 + q) * apart, u[q]);
  }
}

static void pack(const float* w, const long* stride, number* ahead, number* back) {
  float g[PAIR][9][LANES];
  for (int o = 0; o < OC; o += LANES)
    for (int i = 0; i < IC; i += PAIR) {
      for (int n = 0; n < PAIR; ++n)
        for (int t = 0; t < 9; ++t)
          for (int l = 0; l < LANES; ++l)
            g[n][t][l] = w[(o + l) * stride[0] + (i + n) * stride[1] + t / 3 * stride[2] + t % 3 * stride[3]];
      constexpr int BLOCK = OV_AHEAD * LANES;
      of_weights(ahead + (size_t)(o / BLOCK) * POINTS * IC * BLOCK + (size_t)i * BLOCK + o % BLOCK * PAIR, (size_t)IC * BLOCK, g);
    }
#if BACKWARD
  for (int i = 0; i < IC; i += LANES)
    for (int o = 0; o < OC; o += PAIR) {
      for (int n = 0; n < PAIR; ++n)
        for (int t = 0; t < 9; ++t)                      // turned
          for (int l = 0; l < LANES; ++l)
            g[n][8 - t][l] = w[(o + n) * stride[0] + (i + l) * stride[1] + t / 3 * stride[2] + t % 3 * stride[3]];
      constexpr int BLOCK = OV_BACK * LANES;
      of_weights(back + (size_t)(i / BLOCK) * POINTS * OC * BLOCK + (size_t)o * BLOCK + i % BLOCK * PAIR, (size_t)OC * BLOCK, g);
    }
#endif
}
}  // namespace winograd
