// Batch norm over images that lie side by side: sums per channel, forward, and back.
#pragma once
#include <cmath>
#include <type_traits>
#include "groups.h"

namespace enas {

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

// Both sums per lane of the period -> per channel, (2, channels).
inline doubles gather(const Plane& p, const doubles& lanes) {
    const size_t period = p.n_phases() * VL;
    doubles total(2 * p.channels);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < period; i++) total[k * p.channels + i % p.channels] += lanes[k * period + i];
    return total;
}

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

inline void statistics(const Plane& p, const Groups& groups, const Sums<double>& sums, int n_threads, float* mean,
                       float* variance) {
    const doubles total = gather(p, sums.total(n_threads));
    const double n = double(groups.n_images) * p.height * p.width;
    for (size_t c = 0; c < p.channels; c++) {
        const double m = total[c] / n, spread = total[p.channels + c] / n - m * m;
        mean[c] = m, variance[c] = spread < 0 ? 0 : spread;  // NaN passes
    }
}

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

// Adds up grad and grad * (y - mean) of an image, per lane of the period.
template <class G, class T>
void add_slopes(const Plane& p, const G* grad, vec factor, const T* y, const floats& mean, double* sums) {
    add_up(p, sums, [&](size_t at, size_t left, size_t q, vec& first, vec& second) ENAS_LAMBDA {
        const vec slope = load(grad + at, left) * factor;
        first += slope, second += slope * (load(y + at, left) - load(&mean[q]));
    });
}

// The same of all images, per channel.
template <class T>
doubles norm_sums(const Plane& p, const Groups& groups, const Slopes<T>& slopes, const T* y, const floats& mean, bool backwards,
                  int n_threads) {
    const floats centre = repeat(p, mean.data());
    const size_t size = p.size();
    Sums<double> sums(groups, 2 * p.n_phases() * VL);
    for_groups(groups, backwards, n_threads, [&](size_t group) {
        double* sum = sums.begin(group);
        for (size_t i = groups.begin(group); i < groups.begin(group + 1); i++)
            add_slopes(p, slopes.grad + i * size, factor_of(slopes.factors, i), y + i * size, centre, sum);
    });
    return gather(p, sums.total(n_threads));
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

}  // namespace enas
