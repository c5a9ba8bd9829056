// What Python calls. All images are NHWC, of the number format that the library is compiled for; parameters, statistics and
// slopes are float32.
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

#if defined(ENAS_BFLOAT16)
typedef bf16 Number;
#else
typedef float Number;
#endif

constexpr double EPSILON = 1e-5;

struct Weights {  // of one unit
    const float *depth, *point, *scale, *offset;
};
struct Units {  // both of a separable convolution
    Weights each[2];
    explicit Units(const float* const* w) : each{{w[0], w[1], w[2], w[3]}, {w[4], w[5], w[6], w[7]}} {}
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
    const size_t height = sizes[1], width = sizes[2], channels = sizes[3], half = sizes[4] / 2, stride = sizes[6];
    return {{height, width, channels, half}, {(height + stride - 1) / stride, (width + stride - 1) / stride, channels, half}};
}

Projection projection_of(const int64_t* sizes, const float* const* weights) {
    const size_t height = sizes[1], width = sizes[2], stride = sizes[7];
    const Plane in{height, width, size_t(sizes[3]), 0};
    const Plane out{(height + stride - 1) / stride, (width + stride - 1) / stride, size_t(sizes[4]), 0};
    return {in, out, {size_t(sizes[0])}, size_t(sizes[5]), stride, sizes[8] != 0, weights};
}

Pool pool_of(const int64_t* sizes) {
    const size_t stride = sizes[4];
    return {{size_t(sizes[1]), stride}, {size_t(sizes[2]), stride}, size_t(sizes[3])};
}

// Calls with the place of each image in the input and in the output, and its factor.
template <class Work>
void for_images(const int64_t* sizes, const Pool& p, const float* factors, const Work& work) {
    const Groups groups{size_t(sizes[0])};
    for_groups(groups, false, int(sizes[5]), [&](size_t group) {
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

// sizes: images, height, width, channels, kernel, threads, stride, statistics given or not. weights: depth, point, scale, offset
// of two units. factors: of the images, or null. add: to the output, or null.
void enas_separable_forward(const int64_t* sizes, const Number* x, const float* const* weights, const float* factors,
                            const Number* add, Number* y_1, Number* y_2, Number* out, float* mean, float* variance) {
    const Planes p = planes_of(sizes);
    const Units units(weights);
    auto run = [&](auto kernel) {
        separable_forward<decltype(kernel)::value>(p.in, p.out, Groups{size_t(sizes[0])}, x, units.each, Summand<Number>{factors, add},
                                                   y_1, y_2, out, {mean, variance, sizes[7] != 0}, int(sizes[5]));
    };
    if (sizes[4] == 3) run(std::integral_constant<int, 3>());
    else run(std::integral_constant<int, 5>());
}

// d_y_1: memory like y_1; that of d_x, where both are of one size.
void enas_separable_backward(const int64_t* sizes, const Number* x, const float* const* weights, const Number* y_1,
                             const Number* y_2, const float* mean, const float* variance, const Number* grad,
                             const float* factors, Number* d_y_1, Number* d_x, float* const* slopes) {
    const Planes p = planes_of(sizes);
    const Units units(weights);
    auto run = [&](auto kernel) {
        separable_backward<decltype(kernel)::value>(p.in, p.out, Groups{size_t(sizes[0])}, x, units.each, y_1, y_2, mean, variance,
                                                    Slopes<Number>{grad, factors}, d_y_1, d_x, slopes, int(sizes[5]));
    };
    if (sizes[4] == 3) run(std::integral_constant<int, 3>());
    else run(std::integral_constant<int, 5>());
}

// sizes: images, height and width of the inputs, channels of an input, of the output, inputs, threads, stride, ReLU or not,
// statistics given or not. x: the inputs; weights: (inputs, columns, in), two such if the stride is 2.
void enas_project(const int64_t* sizes, const Number* const* x, const float* const* weights, const float* scale,
                  const float* offset, Number* y, Number* out, float* mean, float* variance) {
    const Projection p = projection_of(sizes, weights);
    const int n_threads = sizes[6];
    project(p, x, n_threads, y, sizes[9] ? nullptr : mean, variance);
    const Affine affine = norm_of(p.out, mean, variance, {nullptr, nullptr, scale, offset}).forward(p.out);
    normalise<Number>(p.out, p.groups, y, affine, {}, true, n_threads, out);
}

// What `enas_project` made of y, again. sizes: images, height, width, channels, threads.
void enas_normalise(const int64_t* sizes, const Number* y, const float* scale, const float* offset, const float* mean,
                    const float* variance, Number* out) {
    const Plane p{size_t(sizes[1]), size_t(sizes[2]), size_t(sizes[3]), 0};
    const Affine affine = norm_of(p, mean, variance, {nullptr, nullptr, scale, offset}).forward(p);
    normalise<Number>(p, {size_t(sizes[0])}, y, affine, {}, false, int(sizes[4]), out);
}

// d_x: of the inputs, null where it is not wanted. slopes: scale, offset, weights.
void enas_project_back(const int64_t* sizes, const Number* const* x, const float* const* weights, const float* scale,
                       const Number* y, const float* mean, const float* variance, const Number* grad, Number* const* d_x,
                       float* const* slopes) {
    const Projection p = projection_of(sizes, weights);
    const int n_threads = sizes[6];
    const Slopes<Number> of_norm{grad, nullptr};
    const Norm norm = norm_of(p.out, mean, variance, {nullptr, nullptr, scale, nullptr});
    const doubles sums = norm_sums(p.out, p.groups, of_norm, y, norm.mean, false, n_threads);
    const NormSlope slope = slope_of(p.out, norm, sums, double(sizes[0]) * p.n_pixels(), slopes[0], slopes[1]);
    project_back(p, x, y, of_norm, slope, n_threads, d_x, slopes + 2);
}

// out = the sum of some tensors. sizes: images, numbers in an image, tensors, threads.
void enas_add(const int64_t* sizes, const Number* const* parts, Number* out) {
    const Groups groups{size_t(sizes[0])};
    for_groups(groups, false, int(sizes[3]), [&](size_t group) {
        const size_t end = groups.begin(group + 1) * sizes[1];
        for (size_t i = groups.begin(group) * sizes[1]; i < end; i += VL) {
            vec sum = load(parts[0] + i, end - i);
            for (int64_t k = 1; k < sizes[2]; k++) sum += load(parts[k] + i, end - i);
            store(out + i, sum, end - i);
        }
    });
}

// sizes: images, height, width, channels, stride, threads, max or average. factors: of the images, or null. add: to the output,
// or null. places: of the largest cells, or null.
void enas_pool(const int64_t* sizes, const Number* x, const float* factors, const Number* add, Number* y, uint8_t* places) {
    const Pool p = pool_of(sizes);
    const floats columns = counts(p);
    for_images(sizes, p, factors, [&](size_t in, size_t out, vec factor) {
        const Number* more = add ? add + out : nullptr;
        if (!sizes[6]) average_pool(p, columns.data(), x + in, factor, more, y + out);
        else if (places) max_pool<true>(p, x + in, factor, more, y + out, places + out);
        else max_pool<false>(p, x + in, factor, more, y + out, places);
    });
}

void enas_pool_back(const int64_t* sizes, const Number* grad, const float* factors, const uint8_t* places, Number* d_x) {
    const Pool p = pool_of(sizes);
    const floats columns = counts(p);
    for_images(sizes, p, factors, [&](size_t in, size_t out, vec factor) {
        if (sizes[6]) max_pool_back(p, grad + out, factor, places + out, d_x + in);
        else average_pool_back(p, columns.data(), grad + out, factor, d_x + in);
    });
}
}
