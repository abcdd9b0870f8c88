// What a program tells its operations. The same layout in native/structures.py.
#pragma once
struct Source {             // a map as it is read: relu?(scale * raw + shift); no scale: as it is
  const void* raw;
  const float *scale, *shift;
  int relu;
};
struct Forward {            // of a convolution
  Source a, b;              // input: a, or relu?(a + b)
  int relu_of_sum;
  void* sum;                // where a + b is kept, or null
  const void* weights;      // as `pack` made them
  void* y;
  const void* addend;       // added to each output, or null
  float* sums;              // per image 2 x OC: of (y - centre), and of its square; or null
  const float* centre;
};
struct Backward {           // of a convolution; dy = A * g + B * y + C + addend
  const void *g, *y;
  const float *A, *B, *C;   // null: dy = g + addend
  const void* addend;
  void* dy;                 // where dy is kept, or null
  Source x;                 // the convolution's input
  const void* weights;      // as `pack` made them, for the gradient of the input
  float* dw;                // per thread taps x IC x OC
  void* gx;                 // gradient of the input, or null
  const void* gx_addend;    // added to it, or null
  int mask;                 // only where the input is above 0
  const void* seen;         // the map whose mean and deviation the sums below are about, or null
  const float *mean, *inverse;
  float* sums;              // per image 2 x IC: of gx, and of gx * (seen - mean) * inverse
};
struct Add { Source a, b; void* y; float* sums; const float* centre; int relu, pixels, channels; };
struct Finish {
  Source x; const void *g, *addend; const float* pooled; void* gx; const void* seen; const float *mean, *inverse; float* sums;
  int mask, pixels, channels;
};
struct Combine { const void *g, *y; const float *A, *B, *C; const void* addend; void* dy; int pixels, channels; };
struct Pool { Source x; float* means; int pixels, channels; };
struct Widen { void *narrow, *wide; const float *scale, *shift; int relu, height, width, channels, stride, before, after, back; };
struct Norm {               // batch normalisation of one map
  const float* sums;        // per image 2 x channels, about `centre`
  const float *gamma, *beta;               // null: 1, 0
  float *running_mean, *running_var;       // null: none are kept; running_mean is the centre
  float *mean, *inverse, *scale, *shift;   // found: inverse deviation, and what makes of the map its normalised one
  float momentum, eps;
  int biased, images, pixels, channels;
};
struct NormBack {
  const float* sums;        // per image 2 x channels: of g, and of g * (y - mean) * inverse
  const float *gamma, *mean, *inverse;
  float *A, *B, *C, *dgamma, *dbeta;       // found; dgamma, dbeta may be null
  int images, pixels, channels;
};
struct Gather {             // dw of each thread, taps x IC x OC, to the weights' gradient with these strides
  const float* dw; float* gradient; long stride[4]; int taps, kernel, in, out, threads;
};
