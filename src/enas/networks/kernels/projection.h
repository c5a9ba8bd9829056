// batch_norm(sum over inputs of pointwise_i(relu(input_i))): inputs are read where they are, never concatenated.
#pragma once
#include "separable.h"

namespace enas {

// What all images have in common.
struct Projection {
    Plane in, out;  // of one input, of the output
    Groups groups;
    size_t n_inputs;
    size_t n_pixels() const { return in.height * in.width; }
    size_t n_weights() const { return in.channels * out.channels; }  // of one input
};

template <class T>
void rectify_flat(const T* from, size_t n, float* to) {
    for (size_t i = 0; i < n; i += VL) store(to + i, relu(load(from + i, n - i)), n - i);
}

// y = the sum before the norm, and the norm's statistics. weights: (inputs, out, in).
template <class T>
void project(const Projection& p, const T* const* x, const float* weights, int n_threads, T* y, float* mean, float* variance) {
    const size_t width = round_up(p.out.channels, VL), in = p.in.channels, out = p.out.channels;
    floats matrix(p.n_inputs * in * width + VL);
    for (size_t k = 0; k < p.n_inputs; k++)
        for (size_t i = 0; i < in; i++)
            for (size_t o = 0; o < out; o++) matrix[(k * in + i) * width + o] = weights[(k * out + o) * in + i];
    const size_t period = p.out.n_phases() * VL, most = p.groups.together(p.in), n_pixels = p.n_pixels();
    doubles sums(p.groups.count() * 2 * period);
    for_groups(p.groups, false, n_threads, [&](size_t group) {
        Scratch scratch(most * (p.in.size() + p.out.size()) + 4 * VL);
        float* dense = scratch.take(most * p.in.size() + VL);
        float* rounded = scratch.take(most * p.out.size() + VL);
        const size_t end = p.groups.begin(group + 1);
        for (size_t i = p.groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            float* sum = rounded;
            if constexpr (std::is_same_v<T, float>) sum = y + i * p.out.size();
            for (size_t k = 0; k < p.n_inputs; k++) {
                rectify_flat(x[k] + i * p.in.size(), n * p.in.size(), dense);
                const Product product{dense, in, 1, &matrix[k * in * width], width, sum, out, in};
                if (k) multiply<true>(product, n * n_pixels, out);
                else multiply<false>(product, n * n_pixels, out);
            }
            finish_sums(p.out, sum, n, &sums[group * 2 * period], y + i * p.out.size());
        }
    });
    statistics(p.out, p.groups, sums, mean, variance);
}

// From the gradient of norm(y) to those of the inputs and of the weights.
template <class T>
void project_back(const Projection& p, const T* const* x, const float* weights, const T* y, const T* grad,
                  const NormSlope& slope, int n_threads, T* const* d_x, float* d_weights) {
    const size_t width = round_up(p.in.channels, VL), in = p.in.channels, out = p.out.channels;
    floats matrix(p.n_inputs * out * width + VL);
    for (size_t k = 0; k < p.n_inputs * out; k++) std::copy_n(weights + k * in, in, &matrix[k * width]);
    const size_t most = p.groups.together(p.in), n_pixels = p.n_pixels(), n_all = p.n_inputs * p.n_weights();
    const size_t n_block = std::max<size_t>(64, 6144 / (in + out));
    floats slopes(p.groups.count() * n_all);
    for_groups(p.groups, true, n_threads, [&](size_t group) {
        Scratch scratch(most * (2 * p.in.size() + p.out.size()) + 6 * VL);
        float* dense = scratch.take(most * p.in.size() + VL);
        float* d_dense = scratch.take(most * p.in.size() + VL);
        float* d_y = scratch.take(most * p.out.size() + VL);
        const size_t end = p.groups.begin(group + 1);
        for (size_t i = p.groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i), n_in = n * p.in.size();
            for (size_t j = 0; j < n; j++)
                send_back(p.out, slope, grad + (i + j) * p.out.size(), y + (i + j) * p.out.size(), d_y + j * p.out.size());
            for (size_t k = 0; k < p.n_inputs; k++) {
                rectify_flat(x[k] + i * p.in.size(), n_in, dense);
                float* to = &slopes[group * n_all + k * p.n_weights()];
                for (size_t v = 0; v < n * n_pixels; v += n_block)
                    multiply<true>({d_y + v * out, 1, out, dense + v * in, in, to, in, std::min(n_block, n * n_pixels - v)}, out,
                                   in);
                if (!d_x[k]) continue;
                multiply<false>({d_y, out, 1, &matrix[k * out * width], width, d_dense, in, out}, n * n_pixels, in);
                T* d = d_x[k] + i * p.in.size();
                for (size_t v = 0; v < n_in; v += VL)
                    store(d + v, where_positive(load(d_dense + v, n_in - v), load(dense + v, n_in - v)), n_in - v);
            }
        }
    });
    add_groups(p.groups, slopes, n_all, d_weights);
}

}  // namespace enas
