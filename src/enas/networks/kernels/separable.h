// Half of a separable convolution: batch_norm(pointwise(depthwise(relu(input)))), image by image, so that everything between
// what is read and what is written stays in the second-level cache.
#pragma once
#include "norm.h"
#include "products.h"

namespace enas {

// padded = relu(from * scale + shift), or relu(from).
template <class T>
void rectify(const Plane& p, const T* from, const Affine* affine, float* padded) {
    const size_t row = p.row(), period = p.n_phases() * VL;
    for (size_t y = 0; y < p.height; y++, from += row) {
        float* to = padded + row_start(p, y);
        if (!affine) {
            for (size_t i = 0; i < row; i += VL) store(to + i, relu(load(from + i, row - i)), row - i);
            continue;
        }
        for (size_t i = 0, q = 0; i < row; i += VL, q = q + VL == period ? 0 : q + VL) {
            const vec value = load(from + i, row - i) * load(&affine->scale[q]) + load(&affine->shift[q]);
            store(to + i, relu(value), row - i);
        }
    }
}

// Calls with the place of each depthwise weight in [phase][tap][VL], where channels repeat, and in (channels, K, K).
template <int K, class Lane>
ENAS_INLINE void for_lanes(const Plane& p, const Lane& lane) {
    for (size_t i = 0; i < p.n_phases() * VL; i++) {
        const size_t channel = i % p.channels, first = i / VL * K * K * VL + i % VL;
        for (size_t tap = 0; tap < K * K; tap++) lane(first + tap * VL, channel * K * K + tap);
    }
}

// depthwise weights (channels, K, K) -> [phase][tap][VL].
template <int K>
floats arrange(const Plane& p, const float* depth) {
    floats out(p.n_phases() * K * K * VL);
    for_lanes<K>(p, [&](size_t lane, size_t weight) { out[lane] = depth[weight]; });
    return out;
}
// For the backward pass.
template <int K>
floats arrange_flipped(const Plane& p, const float* depth) {
    floats flipped(depth, depth + p.channels * K * K);
    for (size_t c = 0; c < p.channels; c++) std::reverse(&flipped[c * K * K], &flipped[c * K * K] + K * K);
    return arrange<K>(p, flipped.data());
}

// pointwise weights (out, in) -> rows padded to whole vectors; transposed: (in, out).
inline floats pad_rows(size_t channels, const float* point, bool transposed) {
    const size_t width = round_up(channels, VL);
    floats out(channels * width + VL);
    for (size_t i = 0; i < channels; i++)
        for (size_t j = 0; j < channels; j++) out[i * width + j] = point[transposed ? j * channels + i : i * channels + j];
    return out;
}

// A stride of 2 convolves the whole input, of which every second pixel counts: those that TensorFlow's padding takes.
// Calls with a pixel's place in the input and in the output, and how many pixels follow side by side.
template <class Pixel>
ENAS_INLINE void for_kept_pixels(const Plane& in, const Plane& out, const Pixel& pixel) {
    const size_t down = in.height == out.height ? 1 : 2, across = in.width == out.width ? 1 : 2;
    const size_t top = down == 2 && in.height % 2 == 0, left = across == 2 && in.width % 2 == 0;
    const size_t n = across == 1 ? out.width : 1;
    for (size_t y = 0; y < out.height; y++)
        for (size_t x = 0; x < out.width; x += n)
            pixel(y * down + top, (x * across + left) * in.channels, y * out.row() + x * in.channels, n);
}
inline bool same_size(const Plane& in, const Plane& out) { return in.height == out.height && in.width == out.width; }
ENAS_INLINE void copy(const float* from, size_t n, float* to) {
    for (size_t i = 0; i < n; i += VL) store(to + i, load(from + i, n - i), n - i);
}

// What `convolve` gives, at its place in a dense image.
inline auto to_memory(const Plane& p, float* out) {
    return [row = p.row(), out](size_t y, size_t k, vec value, size_t n) ENAS_LAMBDA { store(out + y * row + k, value, n); };
}

// dense (of out's size) = the image (padded copy) convolved; full: memory of an image of in's size.
template <int K>
void convolve_to(const Plane& in, const Plane& out, const float* padded, const float* taps, float* full, float* dense,
                 Ahead ahead) {
    if (same_size(in, out)) return convolve<K>(in, padded, taps, to_memory(in, dense), ahead);
    convolve<K>(in, padded, taps, to_memory(in, full), ahead);
    for_kept_pixels(in, out, [&](size_t row, size_t column, size_t to, size_t n) ENAS_LAMBDA {
        copy(full + row * in.row() + column, n * in.channels, dense + to);
    });
}

inline size_t product_width(const Plane& p) { return round_up(p.channels, VL); }

// y = pointwise(depthwise(relu(affine(x)))) and the norm's statistics of y, if they are not null. x is of plane `in`, y of p:
// that or half of it.
template <int K, class T>
void forward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Affine* affine, const float* depth,
             const float* point, bool backwards, int n_threads, T* y, float* mean, float* variance) {
    const floats taps = arrange<K>(p, depth);
    const floats matrix = prepare<T>(pad_rows(p.channels, point, true), p.channels, product_width(p));
    const size_t period = p.n_phases() * VL, size = p.size(), n_pixels = p.height * p.width, most = groups.together(p);
    Sums<double> sums(groups, 2 * period);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        Scratch scratch(in.padded() + in.size() + 2 * (most * size + 2 * VL) + 2 * VL);
        float* padded = scratch.take_padded(in);
        float* full = scratch.take(in.size() + VL);
        float* dense = scratch.take(most * size + VL);
        float* rounded = scratch.take(most * size + VL);
        double* sum = mean ? sums.begin(group) : nullptr;
        const size_t end = groups.begin(group + 1);
        for (size_t i = groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            for (size_t j = 0; j < n; j++) {
                const T* image = x + (i + j) * in.size();
                rectify(in, image, affine, padded);
                convolve_to<K>(in, p, padded, taps.data(), full, dense + j * size, Ahead(image + in.size()));
            }
            float* out = rounded;
            if constexpr (std::is_same_v<T, float>) out = y + i * size;
            multiply_rows<T>({dense, p.channels, 1, matrix.data(), product_width(p), out, p.channels, p.channels, false,
                              Ahead(y + (i + n) * size)},
                             n * n_pixels, p.channels);
            finish_sums(p, out, n, sum, y + i * size);
        }
    });
    if (mean) statistics(p, groups, sums, n_threads, mean, variance);
}

// From the gradient of norm(y) to that of x, of the weights and, where x is another norm's input, that norm's sums.
// The norm's gradient and d_x may be the same where x and y are of one size.
template <int K, class T>
doubles backward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Affine* affine,
                 const floats* x_mean, const float* depth, const float* point, const T* y, const Slopes<T>& slopes,
                 const NormSlope& slope, bool backwards, int n_threads, T* d_x, float* d_depth, float* d_point) {
    const floats taps = arrange<K>(p, depth), flipped = arrange_flipped<K>(p, depth);
    const floats matrix = prepare<T>(pad_rows(p.channels, point, false), p.channels, product_width(p));
    const size_t period = p.n_phases() * VL, size = p.size(), channels = p.channels, most = groups.together(p);
    const size_t n_pixels = p.height * p.width, n_taps = p.n_phases() * K * K * VL;
    const size_t n_block = std::max<size_t>(64, 3072 / channels);  // pixels whose two rows stay in the first-level cache
    const floats centre = x_mean ? repeat(p, x_mean->data()) : floats();
    Sums<double> sums(groups, 2 * period);
    Sums<float> tap_slopes(groups, n_taps), point_slopes(groups, channels * channels);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        Scratch scratch((most + 1) * in.padded() + in.size() + 3 * (most * size + 2 * VL) + 4 * VL);
        float* grad_padded = scratch.take_padded(in);
        float* padded = scratch.take_padded(in, most);
        float* dense = scratch.take(most * size + VL);
        float* full = same_size(in, p) ? dense : scratch.take(in.size() + VL);
        float* d_y = scratch.take(most * size + VL);
        float* d_dense = scratch.take(most * size + VL);
        double* of_norm = x_mean ? sums.begin(group) : nullptr;
        float *of_taps = tap_slopes.begin(group), *of_points = point_slopes.begin(group);
        const size_t end = groups.begin(group + 1);
        for (size_t i = groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            for (size_t j = 0; j < n; j++) {
                const T* image = x + (i + j) * in.size();
                rectify(in, image, affine, padded + j * in.padded());
                convolve_to<K>(in, p, padded + j * in.padded(), taps.data(), full, dense + j * size, Ahead(image + in.size()));
                send_back(p, slope, slopes, y, i + j, d_y + j * size);
            }
            multiply_rows<T>({d_y, channels, 1, matrix.data(), product_width(p), d_dense, channels, channels, false,
                              Ahead(d_x + i * size)},
                             n * n_pixels, channels);
            for (size_t k = 0; k < n * n_pixels; k += n_block)
                multiply_columns<T>({d_y + k * channels, 1, channels, dense + k * channels, channels, of_points, channels,
                                     std::min(n_block, n * n_pixels - k), true},
                                    channels, channels);
            for (size_t j = 0; j < n; j++) {
                const float* image = padded + j * in.padded();
                const size_t row = in.row(), next = (i + j + n) * size;
                T* to = d_x + (i + j) * in.size();
                for_kept_pixels(in, p, [&](size_t y, size_t column, size_t from, size_t n_along) ENAS_LAMBDA {
                    copy(d_dense + j * size + from, n_along * channels, grad_padded + row_start(in, y) + column);
                });
                correlate<K>(in, image, grad_padded, of_taps, Ahead(slopes.grad + next));
                auto pass_back = [&](size_t v, size_t k, vec slope, size_t n_left) ENAS_LAMBDA {
                    const vec value = where_positive(slope, load(image + row_start(in, v) + k));
                    if (x_mean) store(full + v * row + k, value, n_left);
                    store(to + v * row + k, value, n_left);
                };
                convolve<K>(in, grad_padded, flipped.data(), pass_back, Ahead(y + next));
                if (x_mean) add_slopes(in, full, everywhere(1), x + (i + j) * in.size(), centre, of_norm);
            }
        }
    });
    const floats lanes = tap_slopes.total(n_threads), points = point_slopes.total(n_threads);
    std::fill_n(d_depth, channels * K * K, 0.0f);
    for_lanes<K>(p, [&](size_t lane, size_t weight) { d_depth[weight] += lanes[lane]; });
    std::copy_n(points.data(), channels * channels, d_point);
    return x_mean ? gather(p, sums.total(n_threads)) : doubles();
}

}  // namespace enas
