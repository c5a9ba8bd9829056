// Depthwise convolution of one image in NHWC memory, stride 1, "same" padding.
// A row is one string of W * C numbers; the weights repeat in it with a period of lcm(C, VL) numbers. So one vector of the
// period ("phase") at a time keeps its K * K weights in registers while it runs down the columns of vectors; every vector
// that is read meets all K rows that need it.
#pragma once
#include <numeric>
#include "vectors.h"

namespace enas {

// Sizes of an image and of its copy with zeros left and right of each row.
struct Plane {
    size_t height, width, channels, half;  // half = K / 2 columns of zeros
    size_t row() const { return width * channels; }
    size_t size() const { return height * row(); }
    size_t n_phases() const { return std::lcm(channels, size_t(VL)) / VL; }
    size_t left() const { return round_up(half * channels, VL); }
    size_t stride() const { return left() + round_up(row(), VL); }
    size_t padded() const { return height * stride() + left() + 2 * VL; }
};

// The first number of row y in a padded copy.
ENAS_INLINE size_t row_start(const Plane& p, size_t y) { return p.left() + y * p.stride(); }

// Where the caller reads next: fetched a line at a time while this one computes. Never null, need not be valid.
typedef const char* Ahead;
ENAS_INLINE void fetch(Ahead& ahead) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += 64;
}

// The image (padded copy) convolved with weights[phase][tap][VL]. Calls put(row, place in the row, numbers, how many count).
template <int K, class Put>
void convolve(const Plane& p, const float* image, const float* weights, const Put& put, Ahead ahead) {
    constexpr int H = K / 2;
    const size_t n_phases = p.n_phases(), row = p.row(), stride = p.stride(), n_vectors = (row + VL - 1) / VL;
    const ptrdiff_t height = p.height;
    for (size_t phase = 0; phase < n_phases && phase < n_vectors; phase++) {
        vec weight[K * K];
        for (int tap = 0; tap < K * K; tap++) weight[tap] = load(weights + (phase * K * K + tap) * VL);
        for (size_t v = phase; v < n_vectors; v += n_phases) {
            const float* in = image + row_start(p, 0) + v * VL - H * p.channels;
            const size_t n = row - v * VL;
            vec sum[K];
#pragma GCC unroll 8
            for (int j = 0; j < K; j++) sum[j] = zero();
            for (ptrdiff_t y = 0; y < height; y++, in += stride) {
                fetch(ahead);
#pragma GCC unroll 8
                for (int dx = 0; dx < K; dx++) {
                    const vec value = load(in + dx * p.channels);
#pragma GCC unroll 8
                    for (int j = 0; j < K; j++) sum[j] += value * weight[(K - 1 - j) * K + dx];
                }
                if (y >= H) put(size_t(y - H), v * VL, sum[0], n);
#pragma GCC unroll 8
                for (int j = 0; j < K - 1; j++) sum[j] = sum[j + 1];
                sum[K - 1] = zero();
            }
#pragma GCC unroll 8
            for (int j = 0; j < H; j++)
                if (height - H + j >= 0) put(size_t(height - H + j), v * VL, sum[j], n);
        }
    }
}

// slopes[phase][tap][VL] += the gradient of the weights; image and grad are padded copies.
template <int K>
void correlate(const Plane& p, const float* image, const float* grad, float* slopes, Ahead ahead) {
    constexpr int H = K / 2;
    const size_t n_phases = p.n_phases(), stride = p.stride(), n_vectors = (p.row() + VL - 1) / VL;
    const ptrdiff_t height = p.height;
    for (size_t phase = 0; phase < n_phases && phase < n_vectors; phase++) {
        vec slope[K * K];
        for (int tap = 0; tap < K * K; tap++) slope[tap] = zero();
        for (size_t v = phase; v < n_vectors; v += n_phases) {
            const float* in = image + row_start(p, 0) + v * VL - H * p.channels;
            const float* from = grad + row_start(p, 0) + v * VL;
            vec near[K];  // rows y - H ... y + H of the gradient
#pragma GCC unroll 8
            for (int j = 0; j < K; j++) near[j] = zero();
#pragma GCC unroll 8
            for (int j = 0; j < H; j++)
                if (j < height) near[H + 1 + j] = load(from + j * stride);
            for (ptrdiff_t y = 0; y < height; y++, in += stride) {
                fetch(ahead);
#pragma GCC unroll 8
                for (int j = 0; j < K - 1; j++) near[j] = near[j + 1];
                near[K - 1] = y + H < height ? load(from + (y + H) * stride) : zero();
#pragma GCC unroll 8
                for (int dx = 0; dx < K; dx++) {
                    const vec value = load(in + dx * p.channels);
#pragma GCC unroll 8
                    for (int j = 0; j < K; j++) slope[(K - 1 - j) * K + dx] += value * near[j];
                }
            }
        }
        float* to = slopes + phase * K * K * VL;
        for (int tap = 0; tap < K * K; tap++) store(to + tap * VL, load(to + tap * VL) + slope[tap]);
    }
}

}  // namespace enas
