// Runs a list of operations by several threads: images are shared out, and all wait for each other after each.
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#include <cstring>
#include <unistd.h>
#include <immintrin.h>
#include "interface.h"

enum Kind { OF_IMAGES, OF_WEIGHTS_GRADIENT, NORM, NORM_BACK, GATHER, PACK };
struct Operation {
  int kind, images, together;                            // `together`: images that one thread must have at once
  void (*function)(const void*, int, int, void*);        // OF_IMAGES
  void* arguments;
  size_t dw_size;                                        // OF_WEIGHTS_GRADIENT: floats per thread
};
struct Pack { void (*function)(const float*, const long*, void*, void*); const float* weights; long stride[4]; void *ahead, *back; };

namespace {
void share(int count, int thread, int threads, int together, int* first, int* last) {
  const int groups = (count + together - 1) / together;
  *first = groups * thread / threads * together;
  *last = groups * (thread + 1) / threads * together;
  if (*last > count) *last = count;
}

void norm(const Norm& n, int first, int last) {
  const double count = (double)n.images * n.pixels;
  for (int c = first; c < last; ++c) {
    double sum = 0, square = 0;
    for (int i = 0; i < n.images; ++i) {
      sum += n.sums[(size_t)i * 2 * n.channels + c];
      square += n.sums[((size_t)i * 2 + 1) * n.channels + c];
    }
    double off = sum / count, variance = square / count - off * off > 0 ? square / count - off * off : 0;
    if (n.frozen) off = 0, variance = n.running_var[c];
    const float mean = (float)((n.running_mean ? n.running_mean[c] : 0) + off), inverse = (float)(1 / std::sqrt(variance + n.eps));
    n.mean[c] = mean;
    n.inverse[c] = inverse;
    n.scale[c] = (n.gamma ? n.gamma[c] : 1) * inverse;
    n.shift[c] = (n.beta ? n.beta[c] : 0) - mean * n.scale[c];
    if (n.running_mean && !n.frozen) {
      const float kept = (float)(n.biased ? variance : variance * count / (count - 1));
      n.running_mean[c] += n.momentum * (mean - n.running_mean[c]);
      n.running_var[c] += n.momentum * (kept - n.running_var[c]);
    }
  }
}

void norm_back(const NormBack& n, int first, int last) {
  const double count = (double)n.images * n.pixels;
  for (int c = first; c < last; ++c) {
    double sum = 0, about = 0;
    for (int i = 0; i < n.images; ++i) {
      sum += n.sums[(size_t)i * 2 * n.channels + c];
      about += n.sums[((size_t)i * 2 + 1) * n.channels + c];
    }
    const double scale = (double)(n.gamma ? n.gamma[c] : 1) * n.inverse[c];
    n.A[c] = (float)scale;
    n.B[c] = n.frozen ? 0 : (float)(-scale * n.inverse[c] * about / count);
    n.C[c] = n.frozen ? 0 : (float)(-scale * sum / count + scale * n.inverse[c] * n.mean[c] * about / count);
    if (n.dgamma) n.dgamma[c] = (float)about;
    if (n.dbeta) n.dbeta[c] = (float)sum;
  }
}

// By squares, which are read along the output channels and written along the input's.
void gather(const Gather& g, int first, int last) {      // of the output channels
  constexpr int SIDE = 16;
  for (int o = first; o < last; o += SIDE)
    for (int t = 0; t < g.taps; ++t) {
      float* to = g.gradient + (size_t)(t / g.kernel * g.stride[2] + t % g.kernel * g.stride[3]);
      const int outs = last - o < SIDE ? last - o : SIDE;
      for (int i = 0; i < g.in; i += SIDE) {
        const int ins = g.in - i < SIDE ? g.in - i : SIDE;
        float square[SIDE][SIDE];
        for (int j = 0; j < ins; ++j) {
          const float* dw = g.dw + ((size_t)t * g.in + i + j) * g.out + o;
          memcpy(square[j], dw, outs * sizeof(float));
          for (int n = 1; n < g.threads; ++n)
            for (int k = 0; k < outs; ++k) square[j][k] += dw[n * g.apart + k];
        }
        if (g.stride[0] == 1)
          for (int j = 0; j < ins; ++j) memcpy(to + o + (i + j) * g.stride[1], square[j], outs * sizeof(float));
        else
          for (int k = 0; k < outs; ++k)
            for (int j = 0; j < ins; ++j) to[(o + k) * g.stride[0] + (i + j) * g.stride[1]] = square[j][k];
      }
    }
}

void carry_out(const Operation& op, int thread, int threads, char* room) {
  int first, last;
  switch (op.kind) {
    case OF_IMAGES:
      share(op.images, thread, threads, op.together, &first, &last);
      if (first < last) op.function(op.arguments, first, last, room);
      break;
    case OF_WEIGHTS_GRADIENT: {
      Backward own = *(Backward*)op.arguments;
      own.dw += op.dw_size * thread;
      if (own.ticks) own.ticks += 2 * thread;
      memset(own.dw, 0, op.dw_size * sizeof(float));
      share(op.images, thread, threads, op.together, &first, &last);
      if (first < last) op.function(&own, first, last, room);
      break;
    }
    case NORM:
      share(((Norm*)op.arguments)->channels, thread, threads, 16, &first, &last);
      norm(*(Norm*)op.arguments, first, last);
      break;
    case NORM_BACK:
      share(((NormBack*)op.arguments)->channels, thread, threads, 16, &first, &last);
      norm_back(*(NormBack*)op.arguments, first, last);
      break;
    case GATHER:
      share(((Gather*)op.arguments)->out, thread, threads, 16, &first, &last);
      gather(*(Gather*)op.arguments, first, last);
      break;
    case PACK:
      if (op.images % threads == thread) {
        Pack* p = (Pack*)op.arguments;
        p->function(p->weights, p->stride, p->ahead, p->back);
      }
      break;
  }
}

long nanoseconds() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }
void rest() { for (int i = 0; i < 8; ++i) _mm_pause(); }

// A list of operations that the threads of a team carry out together. Their shares are numbered: a team that is smaller than
// was asked for makes several each, to the same result.
class Job {
 public:
  // `ends`: null, or room for the time at which the first operation begins and each one ends.
  Job(const Operation* operations, int count, int shares, char** rooms, long* ends)
      : operations_(operations), count_(count), shares_(shares), rooms_(rooms), ends_(ends) {}

  void work(int thread, int team) {
    long* ends = thread == 0 ? ends_ : nullptr;
    if (ends) *ends++ = nanoseconds();
    for (int i = 0, turn = 0; i < count_; ++i) {
      for (int share = thread; share < shares_; share += team) carry_out(operations_[i], share, shares_, rooms_[share]);
      if (i + 1 == count_ || !(operations_[i].kind == PACK && operations_[i + 1].kind == PACK)) wait_for_all(++turn * team);
      if (ends) *ends++ = nanoseconds();
    }
  }

 private:
  void wait_for_all(int arrivals) {
    arrived_.fetch_add(1, std::memory_order_acq_rel);
    for (int tries = 0; arrived_.load(std::memory_order_acquire) < arrivals; ++tries)
      if (tries < 20000) rest(); else std::this_thread::yield();
  }

  const Operation* operations_;
  int count_, shares_;
  char** rooms_;
  long* ends_;
  std::atomic<int> arrived_{0};
};

// Threads of our own, where OpenMP's cannot be had.
class Threads {
 public:
  void run(Job& job, int threads) {
    std::lock_guard<std::mutex> one_at_a_time(running_);
    while ((int)workers_.size() < threads - 1) {
      const int number = (int)workers_.size() + 1;
      workers_.emplace_back([this, number] { work(number); });
      workers_.back().detach();
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job, threads_ = threads;
      left_.store(threads, std::memory_order_relaxed);
      ++number_;
    }
    begin_.notify_all();
    take_part(job, 0, threads);
    while (left_.load(std::memory_order_acquire) != 0) rest();
  }

 private:
  void take_part(Job& job, int thread, int threads) {
    job.work(thread, threads);
    left_.fetch_sub(1, std::memory_order_release);
  }

  void work(int thread) {
    unsigned long seen = 0;
    for (;;) {
      int threads;
      Job* job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        begin_.wait(lock, [&] { return number_ != seen; });
        seen = number_;
        threads = threads_;
        job = job_;
      }
      if (thread < threads) take_part(*job, thread, threads);
    }
  }

  std::mutex running_, mutex_;
  std::condition_variable begin_;
  std::vector<std::thread> workers_;
  unsigned long number_ = 0;
  Job* job_ = nullptr;
  int threads_ = 1;
  std::atomic<int> left_{0};
};
// Its workers outlive the program's end; a forked process has none of them, and begins its own.
Threads& pool() {
  static Threads* threads = nullptr;
  static pid_t owner = 0;
  if (owner != getpid()) threads = new Threads, owner = getpid();
  return *threads;
}

// What a library of OpenMP has: whoever computes with it too leaves its threads awake for a while, which would take the
// processors from others.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned threads, unsigned flags);
  int (*thread)();
  int (*team)();
} openmp = {};
void take_part(void* job) { ((Job*)job)->work(openmp.thread(), openmp.team()); }
}  // namespace

extern "C" {
void use_openmp(void* parallel, void* thread, void* team) {
  openmp = {(void (*)(void (*)(void*), void*, unsigned, unsigned))parallel, (int (*)())thread, (int (*)())team};
}

void run_timed(const Operation* operations, int count, int threads, char** rooms, long* ends) {
  Job job(operations, count, threads, rooms, ends);
  if (threads == 1) job.work(0, 1);
  else if (openmp.parallel) openmp.parallel(take_part, &job, threads, 0);
  else pool().run(job, threads);
}
void run(const Operation* operations, int count, int threads, char** rooms) { run_timed(operations, count, threads, rooms, nullptr); }
}
