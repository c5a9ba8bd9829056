// What Python calls. All arrays are NHWC, float32 or bfloat16; parameters, statistics and slopes are float32.
#include <climits>
#include <type_traits>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include "pool.h"
#include "projection.h"
#include "separable.h"

using namespace enas;

namespace {

constexpr double EPSILON = 1e-5;

struct Weights {  // of one unit
    const float *depth, *point, *scale, *offset;
};

Norm norm_of(const Plane& p, const float* mean, const float* variance, const Weights& weights) {
    floats inverse(p.channels);
    for (size_t c = 0; c < p.channels; c++) inverse[c] = 1 / std::sqrt(double(variance[c]) + EPSILON);
    return {floats(mean, mean + p.channels), inverse, weights.scale, weights.offset};
}

// Of norms: computed, or given (a trained network's running ones).
struct Statistics {
    float *mean, *variance;
    bool given;
    float* wanted_mean() const { return given ? nullptr : mean; }
    Statistics of_second(const Plane& p) const { return {mean + p.channels, variance + p.channels, given}; }
};

template <int K, class T>
void separable_forward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Weights* weights,
                       const Summand<T>& sum, T* y_1, T* y_2, T* out, const Statistics& norms, int n_threads) {
    const Statistics second = norms.of_second(p);
    forward<K>(in, p, groups, x, nullptr, weights[0].depth, weights[0].point, false, n_threads, y_1, norms.wanted_mean(),
               norms.variance);
    const Affine first = norm_of(p, norms.mean, norms.variance, weights[0]).forward(p);
    forward<K>(p, p, groups, y_1, &first, weights[1].depth, weights[1].point, true, n_threads, y_2, second.wanted_mean(),
               second.variance);
    normalise(p, groups, y_2, norm_of(p, second.mean, second.variance, weights[1]).forward(p), sum, false, n_threads, out);
}

// slopes: depth, point, scale, offset of both units.
template <int K, class T>
void separable_backward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Weights* weights,
                        const T* y_1, const T* y_2, const float* mean, const float* variance, const Slopes<T>& grad, T* d_y_1,
                        T* d_x, float* const* slopes, int n_threads) {
    const double n = double(groups.n_images) * p.height * p.width;
    const Norm first = norm_of(p, mean, variance, weights[0]);
    const Norm second = norm_of(p, mean + p.channels, variance + p.channels, weights[1]);
    const Affine affine = first.forward(p);
    doubles sums = norm_sums(p, groups, grad, y_2, second.mean, false, n_threads);
    NormSlope slope = slope_of(p, second, sums, n, slopes[6], slopes[7]);
    sums = backward<K>(p, p, groups, y_1, &affine, &first.mean, weights[1].depth, weights[1].point, y_2, grad, slope, true,
                       n_threads, d_y_1, slopes[4], slopes[5]);
    slope = slope_of(p, first, sums, n, slopes[2], slopes[3]);
    backward<K>(in, p, groups, x, static_cast<const Affine*>(nullptr), static_cast<const floats*>(nullptr), weights[0].depth,
                weights[0].point, y_1, Slopes<T>{d_y_1, nullptr}, slope, false, n_threads, d_x, slopes[0], slopes[1]);
}

// The input, and what a separable convolution gives.
struct Planes {
    Plane in, out;
};
Planes planes_of(const int64_t* sizes) {
    const size_t height = sizes[1], width = sizes[2], channels = sizes[3], half = sizes[4] / 2, stride = sizes[7];
    return {{height, width, channels, half}, {(height + stride - 1) / stride, (width + stride - 1) / stride, channels, half}};
}

Projection projection_of(const int64_t* sizes, const float* const* weights) {
    const size_t height = sizes[1], width = sizes[2], stride = sizes[8];
    const Plane in{height, width, size_t(sizes[3]), 0};
    const Plane out{(height + stride - 1) / stride, (width + stride - 1) / stride, size_t(sizes[4]), 0};
    return {in, out, {size_t(sizes[0])}, size_t(sizes[5]), stride, sizes[9] != 0, weights};
}

Pool pool_of(const int64_t* sizes) {
    const size_t stride = sizes[4];
    return {{size_t(sizes[1]), stride}, {size_t(sizes[2]), stride}, size_t(sizes[3])};
}

// Calls with the place of each image in the input and in the output, and its factor.
template <class Work>
void for_images(const int64_t* sizes, const Pool& p, const float* factors, const Work& work) {
    const Groups groups{size_t(sizes[0])};
    for_groups(groups, false, int(sizes[6]), [&](size_t group) {
        for (size_t i = groups.begin(group); i < groups.begin(group + 1); i++)
            work(i * p.in_size(), i * p.out_size(), factor_of(factors, i));
    });
}

}  // namespace

extern "C" {

// A step frees and takes the same activations again and again: keep their pages, since fresh ones cost as much as a tenth of
// the time.
void enas_keep_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

// Undo it: where memory is short, free pages between small pieces must go back to the system.
void enas_release_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_MAX, 65536);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    malloc_trim(0);
#endif
}

// sizes: images, height, width, channels, kernel, bf16 or not, threads, stride, statistics given or not. weights: depth, point,
// scale, offset of two units. factors: of the images, or null. add: to the output, or null.
void enas_separable_forward(const int64_t* sizes, const void* x, const float* const* weights, const float* factors,
                            const void* add, void* y_1, void* y_2, void* out, float* mean, float* variance) {
    const Planes p = planes_of(sizes);
    const Groups groups{size_t(sizes[0])};
    const Weights units[2] = {{weights[0], weights[1], weights[2], weights[3]}, {weights[4], weights[5], weights[6], weights[7]}};
    auto run = [&](auto type, auto kernel) {
        typedef decltype(type) T;
        separable_forward<decltype(kernel)::value, T>(p.in, p.out, groups, static_cast<const T*>(x), units,
                                                      {factors, static_cast<const T*>(add)}, static_cast<T*>(y_1),
                                                      static_cast<T*>(y_2), static_cast<T*>(out),
                                                      {mean, variance, sizes[8] != 0}, int(sizes[6]));
    };
    auto typed = [&](auto type) {
        if (sizes[4] == 3) run(type, std::integral_constant<int, 3>());
        else run(type, std::integral_constant<int, 5>());
    };
    if (sizes[5]) typed(bf16());
    else typed(float());
}

// d_y_1: memory like y_1; that of d_x, where both are of one size.
void enas_separable_backward(const int64_t* sizes, const void* x, const float* const* weights, const void* y_1, const void* y_2,
                             const float* mean, const float* variance, const void* grad, const float* factors, void* d_y_1,
                             void* d_x, float* const* slopes) {
    const Planes p = planes_of(sizes);
    const Groups groups{size_t(sizes[0])};
    const Weights units[2] = {{weights[0], weights[1], weights[2], weights[3]}, {weights[4], weights[5], weights[6], weights[7]}};
    auto run = [&](auto type, auto kernel) {
        typedef decltype(type) T;
        separable_backward<decltype(kernel)::value, T>(
            p.in, p.out, groups, static_cast<const T*>(x), units, static_cast<const T*>(y_1), static_cast<const T*>(y_2), mean,
            variance, {static_cast<const T*>(grad), factors}, static_cast<T*>(d_y_1), static_cast<T*>(d_x), slopes, int(sizes[6]));
    };
    auto typed = [&](auto type) {
        if (sizes[4] == 3) run(type, std::integral_constant<int, 3>());
        else run(type, std::integral_constant<int, 5>());
    };
    if (sizes[5]) typed(bf16());
    else typed(float());
}

// sizes: images, height and width of the inputs, channels of an input, of the output, inputs, bf16 or not, threads, stride,
// ReLU or not, statistics given or not. x: the inputs; weights: (inputs, columns, in), two such if the stride is 2.
void enas_project(const int64_t* sizes, const void* const* x, const float* const* weights, const float* scale,
                  const float* offset, void* y, void* out, float* mean, float* variance) {
    const Projection p = projection_of(sizes, weights);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        const int n_threads = sizes[7];
        project(p, reinterpret_cast<const T* const*>(x), n_threads, static_cast<T*>(y), sizes[10] ? nullptr : mean, variance);
        const Affine affine = norm_of(p.out, mean, variance, {nullptr, nullptr, scale, offset}).forward(p.out);
        normalise(p.out, p.groups, static_cast<const T*>(y), affine, Summand<T>{}, true, n_threads, static_cast<T*>(out));
    };
    if (sizes[6]) run(bf16());
    else run(float());
}

// What `enas_project` made of y, again. sizes: images, height, width, channels, bf16 or not, threads.
void enas_normalise(const int64_t* sizes, const void* y, const float* scale, const float* offset, const float* mean,
                    const float* variance, void* out) {
    const Plane p{size_t(sizes[1]), size_t(sizes[2]), size_t(sizes[3]), 0};
    const Affine affine = norm_of(p, mean, variance, {nullptr, nullptr, scale, offset}).forward(p);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        normalise(p, {size_t(sizes[0])}, static_cast<const T*>(y), affine, Summand<T>{}, false, int(sizes[5]), static_cast<T*>(out));
    };
    if (sizes[4]) run(bf16());
    else run(float());
}

// d_x: of the inputs, null where it is not wanted. slopes: scale, offset, weights.
void enas_project_back(const int64_t* sizes, const void* const* x, const float* const* weights, const float* scale,
                       const void* y, const float* mean, const float* variance, const void* grad, void* const* d_x,
                       float* const* slopes) {
    const Projection p = projection_of(sizes, weights);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        const int n_threads = sizes[7];
        const T* before = static_cast<const T*>(y);
        const Slopes<T> slope{static_cast<const T*>(grad), nullptr};
        const Norm norm = norm_of(p.out, mean, variance, {nullptr, nullptr, scale, nullptr});
        const doubles sums = norm_sums(p.out, p.groups, slope, before, norm.mean, false, n_threads);
        const double n = double(sizes[0]) * p.n_pixels();
        project_back(p, reinterpret_cast<const T* const*>(x), before, slope, slope_of(p.out, norm, sums, n, slopes[0], slopes[1]),
                     n_threads, reinterpret_cast<T* const*>(d_x), slopes + 2);
    };
    if (sizes[6]) run(bf16());
    else run(float());
}

// sizes: images, height, width, channels, stride, bf16 or not, threads, max or average. factors: of the images, or null.
// add: to the output, or null. places: of the largest cells, or null.
void enas_pool(const int64_t* sizes, const void* x, const float* factors, const void* add, void* y, uint8_t* places) {
    const Pool p = pool_of(sizes);
    const floats columns = counts(p);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        const T *from = static_cast<const T*>(x), *also = static_cast<const T*>(add);
        T* to = static_cast<T*>(y);
        for_images(sizes, p, factors, [&](size_t in, size_t out, vec factor) {
            const T* more = also ? also + out : nullptr;
            if (!sizes[7]) average_pool(p, columns.data(), from + in, factor, more, to + out);
            else if (places) max_pool<true>(p, from + in, factor, more, to + out, places + out);
            else max_pool<false>(p, from + in, factor, more, to + out, places);
        });
    };
    if (sizes[5]) run(bf16());
    else run(float());
}

void enas_pool_back(const int64_t* sizes, const void* grad, const float* factors, const uint8_t* places, void* d_x) {
    const Pool p = pool_of(sizes);
    const floats columns = counts(p);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        const T* from = static_cast<const T*>(grad);
        T* to = static_cast<T*>(d_x);
        for_images(sizes, p, factors, [&](size_t in, size_t out, vec factor) {
            if (sizes[7]) max_pool_back(p, from + out, factor, places + out, to + in);
            else average_pool_back(p, columns.data(), from + out, factor, to + in);
        });
    };
    if (sizes[5]) run(bf16());
    else run(float());
}
}
