// What a program tells its operations. The same layout in native/structures.py.
#pragma once
struct Source {             // a map as it is read: scale * raw + shift, times `slope` where that is below 0; no scale: as it is
  const void* raw;
  const float *scale, *shift;
  float slope;              // 1: no activation, 0: ReLU, as everywhere
};
struct Forward {            // of a convolution
  Source a, b;              // input: a, or a + b activated
  float slope_of_sum;
  void* sum;                // where a + b is kept, or null
  const void* weights;      // as `pack` made them
  void* y;
  const void* addend;       // added to each output, or null
  float* sums;              // per image 2 x OC: of (y - centre), and of its square; or null
  const float* centre;
  const float* bias;        // or null
};
struct Backward {           // of a convolution; dy = A * g + B * y + C + addend
  const void *g, *y;
  const float *A, *B, *C;   // null: dy = g + addend
  const void* addend;
  void* dy;                 // where dy is kept, or null
  Source x;                 // the convolution's input
  const void* weights;      // as `pack` made them, for the gradient of the input
  float* dw;                // per thread taps x IC x OC, or turned, and where `biased` the bias's OC
  void* gx;                 // gradient of the input, or null
  const void* gx_addend;    // added to it, or null
  float slope;              // where the input is not above 0, times this
  int biased;
  const void* seen;         // the map whose mean and deviation the sums below are about, or null
  const float *mean, *inverse;
  float* sums;              // per image 2 x IC: of gx, and of gx * (seen - mean) * inverse
  long* ticks;              // per thread 2: the processor's ticks for gx and for dw are added here; or null
};
// The processor's ticks, where a backward pass is to be divided into its two gradients.
static inline long ticks(const Backward& b) { return b.ticks ? (long)__builtin_ia32_rdtsc() : 0; }
struct Add { Source a, b; void* y; float* sums; const float* centre; float slope; int pixels, channels; };
struct Finish {
  Source x; const void *g, *addend; const float* pooled; void* gx; const void* seen; const float *mean, *inverse; float* sums;
  float slope; int pixels, channels;
};
struct Combine { const void *g, *y; const float *A, *B, *C; const void* addend; void* dy; int pixels, channels; };
struct Pool { Source x; float* means; int pixels, channels; };
struct Widen {              // the mean of window x window pixels that lie within the map
  void *narrow, *wide; const float *scale, *shift; float slope;
  int height, width, rows, columns, channels, stride, window, top, left, before, after, back;
  const float* factors;     // each image's, or null
};
struct Norm {               // batch normalisation of one map
  const float* sums;        // per image 2 x channels, about `centre`
  const float *gamma, *beta;               // null: 1, 0
  float *running_mean, *running_var;       // null: none are kept; running_mean is the centre
  float *mean, *inverse, *scale, *shift;   // found: inverse deviation, and what makes of the map its normalised one
  float momentum, eps;
  int biased, images, pixels, channels, frozen;   // `frozen`: the running statistics are used as they are
};
struct NormBack {
  const float* sums;        // per image 2 x channels: of g, and of g * (y - mean) * inverse
  const float *gamma, *mean, *inverse;
  float *A, *B, *C, *dgamma, *dbeta;       // found; dgamma, dbeta may be null
  int images, pixels, channels, frozen;
};
struct Gather {             // dw of each thread, taps x `in` x `out`, to the weights' gradient with these strides
  const float* dw; float* gradient; long stride[4]; int taps, kernel, in, out, threads;
  long apart;               // floats from one thread's to the next one's
};
