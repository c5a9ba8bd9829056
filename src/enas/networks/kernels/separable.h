// Half of a separable convolution: batch_norm(pointwise(depthwise(relu(input)))), image by image, so that everything between
// what is read and what is written stays in the second-level cache.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>
#include "depthwise.h"
#include "products.h"

namespace enas {

typedef std::vector<double> doubles;

// One number per channel, repeated to whole vectors, at least four.
inline floats repeat(const Plane& p, const float* values) {
    floats all(std::max<size_t>(p.n_phases(), 4) * VL);
    for (size_t i = 0; i < all.size(); i++) all[i] = values[i % p.channels];
    return all;
}

// value * scale + shift per channel.
struct Affine {
    floats scale, shift;
};

// Statistics and parameters of one batch norm.
struct Norm {
    floats mean, inverse;  // inverse = 1 / sqrt(variance + epsilon)
    const float *scale, *offset;

    Affine forward(const Plane& p) const {
        floats a(p.channels), b(p.channels);
        for (size_t c = 0; c < p.channels; c++) a[c] = scale[c] * inverse[c], b[c] = offset[c] - mean[c] * a[c];
        return {repeat(p, a.data()), repeat(p, b.data())};
    }
};

// The images are cut into a number of groups that does not depend on the threads; what groups add up is added in their order.
struct Groups {
    size_t n_images;
    size_t count() const { return std::min<size_t>(n_images, 16); }
    size_t begin(size_t group) const { return n_images * group / count(); }
    size_t most() const { return (n_images + count() - 1) / count(); }
    // How many images are multiplied together, where one is small.
    size_t together(const Plane& p) const { return std::max<size_t>(1, std::min(most(), 256 / (p.height * p.width))); }
};

template <class Work>
void for_groups(const Groups& groups, bool backwards, int n_threads, const Work& work) {
    const long n = groups.count();
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads) if (n_threads > 1)
    for (long i = 0; i < n; i++) work(size_t(backwards ? n - 1 - i : i));  // backwards: what was written last is still cached
}

// Memory at an address fit for vectors; kept by its thread, since fresh pages are slow.
class Scratch {
public:
    explicit Scratch(size_t size) {
        static thread_local std::vector<float> kept;
        if (kept.size() < size + VL) kept.resize(size + VL);
        next_ = reinterpret_cast<float*>(round_up(reinterpret_cast<size_t>(kept.data()), 64));
    }
    float* take(size_t size) {
        float* taken = next_;
        next_ += round_up(size, VL);
        return taken;
    }
    float* take_padded(const Plane& p, size_t n = 1) {
        float* taken = take(n * p.padded());
        std::memset(taken, 0, n * p.padded() * sizeof(float));
        return taken;
    }

private:
    float* next_;
};

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

// sums[0] += first, sums[1] += second per lane of the period; pair(i, n left, place in the period, first, second) adds to
// both. In float over short stretches, else in double. PHASES: of the period, or a multiple of it, kept in registers.
template <int PHASES, class Pair>
void add_up_phases(size_t n, size_t period, double* sums, const Pair& pair) {
    for (size_t i = 0; i < n;) {
        vec first[PHASES] = {}, second[PHASES] = {};
        for (int stretch = 0; stretch < 64 && i < n; stretch++) {
            if (i + PHASES * VL <= n) {
#pragma GCC unroll 16
                for (int u = 0; u < PHASES; u++) pair(i + u * VL, size_t(VL), u * VL, first[u], second[u]);
            } else {
                for (int u = 0; i + u * VL < n; u++) pair(i + u * VL, n - i - u * VL, u * VL, first[u], second[u]);
            }
            i += PHASES * VL;
        }
        for (int u = 0; u < PHASES; u++)
            for (int l = 0; l < VL; l++)
                sums[(u * VL + l) % period] += first[u][l], sums[period + (u * VL + l) % period] += second[u][l];
    }
}

template <class Pair>
ENAS_INLINE void add_up(const Plane& p, double* sums, const Pair& pair) {
    const size_t n = p.size(), n_phases = p.n_phases(), period = n_phases * VL;
    switch (n_phases) {
        case 1: case 2: case 4: return add_up_phases<4>(n, period, sums, pair);
        case 3: return add_up_phases<3>(n, period, sums, pair);
        case 5: return add_up_phases<5>(n, period, sums, pair);
        case 8: return add_up_phases<8>(n, period, sums, pair);
        case 9: return add_up_phases<9>(n, period, sums, pair);
        case 10: return add_up_phases<10>(n, period, sums, pair);
    }
    for (size_t phase = 0; phase < n_phases; phase++)
        for (size_t i = phase * VL; i < n;) {
            vec first = zero(), second = zero();
            for (int stretch = 0; stretch < 64 && i < n; stretch++, i += period) pair(i, n - i, phase * VL, first, second);
            for (int l = 0; l < VL; l++) sums[phase * VL + l] += first[l], sums[period + phase * VL + l] += second[l];
        }
}

// Sums of all groups -> sums per channel, (2, channels).
inline doubles gather(const Plane& p, const Groups& groups, const doubles& sums) {
    const size_t period = p.n_phases() * VL;
    doubles total(2 * p.channels);
    for (size_t g = 0; g < groups.count(); g++)
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < period; i++) total[k * p.channels + i % p.channels] += sums[(2 * g + k) * period + i];
    return total;
}

// depthwise weights (channels, K, K) -> [phase][tap][VL], flipped for the backward pass.
template <int K>
floats arrange(const Plane& p, const float* depth, bool flipped) {
    floats out(p.n_phases() * K * K * VL);
    for (size_t phase = 0; phase < p.n_phases(); phase++)
        for (int tap = 0; tap < K * K; tap++)
            for (int l = 0; l < VL; l++)
                out[(phase * K * K + tap) * VL + l] =
                    depth[(phase * VL + l) % p.channels * K * K + (flipped ? K * K - 1 - tap : tap)];
    return out;
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

// n images as multiplied: adds up their values and squares (null: not wanted), and rounds them to y where that is not where
// they are.
template <class T>
void finish_sums(const Plane& p, const float* values, size_t n, double* sums, T* y) {
    const size_t size = p.size();
    constexpr bool is_rounded = !std::is_same_v<T, float>;
    for (size_t j = 0; j < n; j++, values += size, y += size) {
        if (sums) add_up(p, sums, [&](size_t at, size_t left, size_t, vec& first, vec& second) ENAS_LAMBDA {
            const vec value = load(values + at, left);
            first += value, second += value * value;
            if (is_rounded) store(y + at, value, left);
        });
        else if (is_rounded)
            for (size_t k = 0; k < size; k += VL) store(y + k, load(values + k, size - k), size - k);
    }
}

inline void statistics(const Plane& p, const Groups& groups, const doubles& sums, float* mean, float* variance) {
    const doubles total = gather(p, groups, sums);
    const double n = double(groups.n_images) * p.height * p.width;
    for (size_t c = 0; c < p.channels; c++) {
        const double m = total[c] / n, spread = total[p.channels + c] / n - m * m;
        mean[c] = m, variance[c] = spread < 0 ? 0 : spread;  // NaN passes
    }
}

// The slopes of n weights, added in the order of the groups.
inline void add_groups(const Groups& groups, const floats& slopes, size_t n, float* total) {
    doubles sum(n);
    for (size_t g = 0; g < groups.count(); g++)
        for (size_t i = 0; i < n; i++) sum[i] += slopes[g * n + i];
    for (size_t i = 0; i < n; i++) total[i] = sum[i];
}

// y = pointwise(depthwise(relu(affine(x)))) and the norm's statistics of y, if they are not null. x is of plane `in`, y of p:
// that or half of it.
template <int K, class T>
void forward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Affine* affine, const float* depth,
             const float* point, bool backwards, int n_threads, T* y, float* mean, float* variance) {
    const floats taps = arrange<K>(p, depth, false);
    const floats matrix = prepare<T>(pad_rows(p.channels, point, true), p.channels, product_width(p));
    const size_t period = p.n_phases() * VL, size = p.size(), n_pixels = p.height * p.width, most = groups.together(p);
    doubles sums(groups.count() * 2 * period);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        Scratch scratch(in.padded() + in.size() + 2 * (most * size + 2 * VL) + 2 * VL);
        float* padded = scratch.take_padded(in);
        float* full = scratch.take(in.size() + VL);
        float* dense = scratch.take(most * size + VL);
        float* rounded = scratch.take(most * size + VL);
        double* sum = mean ? &sums[group * 2 * period] : nullptr;
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
            multiply_rows<false, T>({dense, p.channels, 1, matrix.data(), product_width(p), out, p.channels, p.channels,
                                     Ahead(y + (i + n) * size)},
                                    n * n_pixels, p.channels);
            finish_sums(p, out, n, sum, y + i * size);
        }
    });
    if (mean) statistics(p, groups, sums, mean, variance);
}

// Images may each have a factor: those of a branch that is sometimes left out. Null: all have 1.
ENAS_INLINE vec factor_of(const float* factors, size_t i) { return everywhere(factors ? factors[i] : 1.0f); }

// What becomes of a branch: times its images' factors, plus another tensor (null: nothing).
template <class T>
struct Summand {
    const float* factors;
    const T* add;
};

// out = affine(y) as part of a sum, in place if out is y.
template <class T>
void normalise(const Plane& p, const Groups& groups, const T* y, const Affine& affine, const Summand<T>& sum, bool backwards,
               int n_threads, T* out) {
    const size_t period = p.n_phases() * VL, size = p.size();
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        for (size_t i = groups.begin(group); i < groups.begin(group + 1); i++) {
            const vec factor = factor_of(sum.factors, i);
            const T *from = y + i * size, *more = sum.add ? sum.add + i * size : nullptr;
            T* to = out + i * size;
            for (size_t k = 0, q = 0; k < size; k += VL, q = q + VL == period ? 0 : q + VL) {
                vec value = (load(from + k, size - k) * load(&affine.scale[q]) + load(&affine.shift[q])) * factor;
                if (more) value += load(more + k, size - k);
                store(to + k, value, size - k);
            }
        }
    });
}

// The gradient of a norm's output is grad times the images' factors.
template <class T>
struct Slopes {
    const T* grad;
    const float* factors;
};

// What a batch norm sends back: grad of y = a * grad + b * y + c per channel; and the slopes of scale and offset.
struct NormSlope {
    floats a, b, c;
};
inline NormSlope slope_of(const Plane& p, const Norm& norm, const doubles& sums, double n, float* d_scale, float* d_offset) {
    const size_t channels = p.channels;
    floats a(channels), b(channels), c(channels);
    for (size_t i = 0; i < channels; i++) {
        const double total = sums[i], product = sums[channels + i] * norm.inverse[i];
        d_offset[i] = total, d_scale[i] = product;
        const double scale = double(norm.scale[i]) * norm.inverse[i];
        a[i] = scale;
        b[i] = -scale * norm.inverse[i] * product / n;
        c[i] = -scale * total / n - b[i] * double(norm.mean[i]);
    }
    return {repeat(p, a.data()), repeat(p, b.data()), repeat(p, c.data())};
}

// Sums of grad and of grad * (y - mean), per channel.
template <class T>
doubles norm_sums(const Plane& p, const Groups& groups, const Slopes<T>& slopes, const T* y, const floats& mean, bool backwards,
                  int n_threads) {
    const floats centre = repeat(p, mean.data());
    const size_t period = p.n_phases() * VL, size = p.size();
    doubles sums(groups.count() * 2 * period);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        for (size_t i = groups.begin(group); i < groups.begin(group + 1); i++) {
            const vec factor = factor_of(slopes.factors, i);
            add_up(p, &sums[group * 2 * period], [&](size_t at, size_t left, size_t q, vec& first, vec& second) ENAS_LAMBDA {
                const vec slope = load(slopes.grad + i * size + at, left) * factor;
                first += slope, second += slope * (load(y + i * size + at, left) - load(&centre[q]));
            });
        }
    });
    return gather(p, groups, sums);
}

// d_y of image i.
template <class T>
void send_back(const Plane& p, const NormSlope& slope, const Slopes<T>& slopes, const T* y, size_t i, float* d_y) {
    const size_t period = p.n_phases() * VL, size = p.size();
    const vec factor = factor_of(slopes.factors, i);
    const T* grad = slopes.grad + i * size;
    y += i * size;
    for (size_t k = 0, q = 0; k < size; k += VL, q = q + VL == period ? 0 : q + VL) {
        const vec of_norm = load(grad + k, size - k) * factor;
        store(d_y + k, load(&slope.a[q]) * of_norm + (load(&slope.b[q]) * load(y + k, size - k) + load(&slope.c[q])), size - k);
    }
}

// From the gradient of norm(y) to that of x, of the weights and, where x is another norm's input, that norm's sums.
// The norm's gradient and d_x may be the same where x and y are of one size.
template <int K, class T>
doubles backward(const Plane& in, const Plane& p, const Groups& groups, const T* x, const Affine* affine,
                 const floats* x_mean, const float* depth, const float* point, const T* y, const Slopes<T>& slopes, const NormSlope& slope,
                 bool backwards, int n_threads, T* d_x, float* d_depth, float* d_point) {
    const floats taps = arrange<K>(p, depth, false), flipped = arrange<K>(p, depth, true);
    const floats matrix = prepare<T>(pad_rows(p.channels, point, false), p.channels, product_width(p));
    const size_t period = p.n_phases() * VL, size = p.size(), channels = p.channels, most = groups.together(p);
    const size_t n_pixels = p.height * p.width, n_taps = p.n_phases() * K * K * VL;
    const size_t n_block = std::max<size_t>(64, 3072 / channels);  // pixels whose two rows stay in the first-level cache
    const floats centre = x_mean ? repeat(p, x_mean->data()) : floats();
    doubles sums(groups.count() * 2 * period);
    floats tap_slopes(groups.count() * n_taps), point_slopes(groups.count() * channels * channels);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        Scratch scratch((most + 1) * in.padded() + in.size() + 3 * (most * size + 2 * VL) + 4 * VL);
        float* grad_padded = scratch.take_padded(in);
        float* padded = scratch.take_padded(in, most);
        float* dense = scratch.take(most * size + VL);
        float* full = same_size(in, p) ? dense : scratch.take(in.size() + VL);
        float* d_y = scratch.take(most * size + VL);
        float* d_dense = scratch.take(most * size + VL);
        const size_t end = groups.begin(group + 1);
        for (size_t i = groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            for (size_t j = 0; j < n; j++) {
                const T* image = x + (i + j) * in.size();
                rectify(in, image, affine, padded + j * in.padded());
                convolve_to<K>(in, p, padded + j * in.padded(), taps.data(), full, dense + j * size, Ahead(image + in.size()));
                send_back(p, slope, slopes, y, i + j, d_y + j * size);
            }
            multiply_rows<false, T>({d_y, channels, 1, matrix.data(), product_width(p), d_dense, channels, channels,
                                     Ahead(d_x + i * size)},
                                    n * n_pixels, channels);
            for (size_t k = 0; k < n * n_pixels; k += n_block)
                multiply_columns<T>({d_y + k * channels, 1, channels, dense + k * channels, channels,
                                     &point_slopes[group * channels * channels], channels, std::min(n_block, n * n_pixels - k)},
                                    channels, channels);
            for (size_t j = 0; j < n; j++) {
                const float* image = padded + j * in.padded();
                const size_t row = in.row(), next = (i + j + n) * size;
                T* to = d_x + (i + j) * in.size();
                for_kept_pixels(in, p, [&](size_t y, size_t column, size_t from, size_t n_along) ENAS_LAMBDA {
                    copy(d_dense + j * size + from, n_along * channels, grad_padded + row_start(in, y) + column);
                });
                correlate<K>(in, image, grad_padded, &tap_slopes[group * n_taps], Ahead(slopes.grad + next));
                auto pass_back = [&](size_t v, size_t k, vec slope, size_t n_left) ENAS_LAMBDA {
                    const vec value = where_positive(slope, load(image + row_start(in, v) + k));
                    if (x_mean) store(full + v * row + k, value, n_left);
                    store(to + v * row + k, value, n_left);
                };
                convolve<K>(in, grad_padded, flipped.data(), pass_back, Ahead(y + next));
                if (x_mean)
                    add_up(in, &sums[group * 2 * period], [&](size_t at, size_t left, size_t q, vec& first, vec& second) ENAS_LAMBDA {
                        const vec value = load(full + at, left);
                        first += value, second += value * (load(x + (i + j) * in.size() + at, left) - load(&centre[q]));
                    });
            }
        }
    });
    for (size_t c = 0; c < channels; c++) {
        double total[K * K] = {};
        for (size_t g = 0; g < groups.count(); g++)
            for (size_t i = c; i < period; i += channels)
                for (int tap = 0; tap < K * K; tap++)
                    total[tap] += tap_slopes[g * n_taps + (i / VL * K * K + tap) * VL + i % VL];
        for (int tap = 0; tap < K * K; tap++) d_depth[c * K * K + tap] = total[tap];
    }
    add_groups(groups, point_slopes, channels * channels, d_point);
    return gather(p, groups, sums);
}

}  // namespace enas
