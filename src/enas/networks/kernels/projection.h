// batch_norm(sum over inputs of pointwise_i(relu(input_i))): inputs are read where they are, never concatenated.
// A factorised reduction is the same with two pointwise convolutions per input, one of the even pixels for the first
// channels, one of the odd pixels for the others, and an optional ReLU.
#pragma once
#include "norm.h"
#include "products.h"

namespace enas {

struct Projection {
    Plane in, out;  // of one input, of the output
    Groups groups;
    size_t n_inputs, stride;  // 1, or 2: factorised
    bool relu;
    const float* const* weights;  // of both pixels: (inputs, columns, in)
    size_t n_pixels() const { return out.height * out.width; }
    size_t n_pieces() const { return n_inputs * stride; }
};

// What one input gives to columns `first` to `first + n` of the output.
struct Piece {
    size_t input, odd, first, n;
    size_t weight;  // its place in weights[odd]
};
inline Piece piece_of(const Projection& p, size_t i) {
    const size_t odd = i % p.stride, input = i / p.stride;
    const size_t half = p.stride == 2 ? p.out.channels / 2 : p.out.channels;
    const size_t n = odd ? p.out.channels - half : half;
    return {input, odd, odd * half, n, input * n * p.in.channels};
}

// The first of what piece k of the images from i on reads; where there is none, of the images after.
template <class T>
const char* place(const Projection& p, const T* const* x, size_t k, size_t i, size_t n) {
    if (k == p.n_pieces()) k = 0, i += n;
    return reinterpret_cast<const char*>(x[k / p.stride] + i * p.in.size());
}

// Calls with the pixel of the input (null beyond its edge) and its place in the output.
template <class T, class Pixel>
ENAS_INLINE void for_pixels(const Projection& p, size_t odd, T* image, const Pixel& pixel) {
    for (size_t y = 0, at = 0; y < p.out.height; y++)
        for (size_t x = 0; x < p.out.width; x++, at += p.in.channels) {
            const size_t row = 2 * y + odd, column = 2 * x + odd;
            pixel(row < p.in.height && column < p.in.width ? image + row * p.in.row() + column * p.in.channels : nullptr, at);
        }
}

template <class T>
void rectify_flat(const T* from, size_t n, bool with_relu, float* to) {
    for (size_t i = 0; i < n; i += VL) {
        const vec value = load(from + i, n - i);
        store(to + i, with_relu ? relu(value) : value, n - i);
    }
}

// The pixels that a piece reads of n images, side by side.
template <class T>
void collect(const Projection& p, const Piece& piece, const T* images, size_t n, float* dense) {
    if (p.stride == 1) return rectify_flat(images, n * p.in.size(), p.relu, dense);
    for (size_t j = 0; j < n; j++, images += p.in.size(), dense += p.n_pixels() * p.in.channels)
        for_pixels(p, piece.odd, images, [&](const T* from, size_t at) {
            if (from) rectify_flat(from, p.in.channels, p.relu, dense + at);
            else std::memset(dense + at, 0, p.in.channels * sizeof(float));
        });
}

// And back: their gradient, where ReLU let them pass; the first piece also writes the zeros of the pixels between.
template <class T>
void spread(const Projection& p, const Piece& piece, const float* grad, const float* dense, size_t n, T* images) {
    auto put = [&](const float* slope, const float* gate, size_t size, T* to) ENAS_LAMBDA {
        for (size_t i = 0; i < size; i += VL) {
            const vec value = load(slope + i, size - i);
            store(to + i, p.relu ? where_positive(value, load(gate + i, size - i)) : value, size - i);
        }
    };
    if (p.stride == 1) return put(grad, dense, n * p.in.size(), images);
    if (!piece.odd) std::memset(static_cast<void*>(images), 0, n * p.in.size() * sizeof(T));
    const size_t step = p.n_pixels() * p.in.channels;
    for (size_t j = 0; j < n; j++, images += p.in.size(), dense += step, grad += step)
        for_pixels(p, piece.odd, images, [&](T* to, size_t at) {
            if (to) put(grad + at, dense + at, p.in.channels, to);
        });
}

// y = the sum before the norm, and the norm's statistics if they are not null.
template <class T>
void project(const Projection& p, const T* const* x, int n_threads, T* y, float* mean, float* variance) {
    const size_t width = round_up(p.out.channels, VL), in = p.in.channels, out = p.out.channels;
    std::vector<floats> matrices;
    for (size_t k = 0; k < p.n_pieces(); k++) {
        const Piece piece = piece_of(p, k);
        const float* weights = p.weights[piece.odd] + piece.weight;
        floats matrix(in * width + VL);
        for (size_t i = 0; i < in; i++)
            for (size_t o = 0; o < piece.n; o++) matrix[i * width + o] = weights[o * in + i];
        matrices.push_back(prepare<T>(matrix, in, width));
    }
    const size_t period = p.out.n_phases() * VL, most = p.groups.together(p.out), n_pixels = p.n_pixels();
    Sums<double> sums(p.groups, 2 * period);
    for_groups(p.groups, false, n_threads, [&](size_t group) {
        Scratch scratch(most * (n_pixels * in + p.out.size()) + 4 * VL);
        float* dense = scratch.take(most * n_pixels * in + VL);
        float* rounded = scratch.take(most * p.out.size() + VL);
        double* of_norm = mean ? sums.begin(group) : nullptr;
        const size_t end = p.groups.begin(group + 1);
        for (size_t i = p.groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            float* sum = rounded;
            if constexpr (std::is_same_v<T, float>) sum = y + i * p.out.size();
            for (size_t k = 0; k < p.n_pieces(); k++) {
                const Piece piece = piece_of(p, k);
                collect(p, piece, x[piece.input] + i * p.in.size(), n, dense);
                const Product product{dense, in, 1, matrices[k].data(), width, sum + piece.first, out, in, piece.input > 0,
                                      place(p, x, k + 1, i, n)};
                multiply_rows<T>(product, n * n_pixels, piece.n);
            }
            finish_sums(p.out, sum, n, of_norm, y + i * p.out.size());
        }
    });
    if (mean) statistics(p.out, p.groups, sums, n_threads, mean, variance);
}

// From the gradient of norm(y) to those of the inputs (null: not wanted) and of the weights.
template <class T>
void project_back(const Projection& p, const T* const* x, const T* y, const Slopes<T>& slopes_of_norm, const NormSlope& slope,
                  int n_threads, T* const* d_x, float* const* d_weights) {
    const size_t width = round_up(p.in.channels, VL), in = p.in.channels, out = p.out.channels;
    const size_t n_all = p.n_inputs * in * out;
    const size_t n_odd = p.stride == 2 ? p.n_inputs * in * (out / 2) : 0;  // where the slopes of odd pixels begin
    std::vector<floats> matrices;
    for (size_t k = 0; k < p.n_pieces(); k++) {
        const Piece piece = piece_of(p, k);
        floats matrix(piece.n * width + VL);
        for (size_t o = 0; o < piece.n; o++)
            std::copy_n(p.weights[piece.odd] + piece.weight + o * in, in, &matrix[o * width]);
        matrices.push_back(prepare<T>(matrix, piece.n, width));
    }
    const size_t most = p.groups.together(p.out), n_pixels = p.n_pixels();
    const size_t n_block = std::max<size_t>(64, 6144 / (in + out));
    Sums<float> slopes(p.groups, n_all);
    for_groups(p.groups, true, n_threads, [&](size_t group) {
        Scratch scratch(most * (2 * n_pixels * in + p.out.size()) + 6 * VL);
        float* dense = scratch.take(most * n_pixels * in + VL);
        float* d_dense = scratch.take(most * n_pixels * in + VL);
        float* d_y = scratch.take(most * p.out.size() + VL);
        float* mine = slopes.begin(group);
        const size_t end = p.groups.begin(group + 1);
        for (size_t i = p.groups.begin(group); i < end; i += most) {
            const size_t n = std::min(most, end - i);
            for (size_t j = 0; j < n; j++)
                send_back(p.out, slope, slopes_of_norm, y, i + j, d_y + j * p.out.size());
            for (size_t k = 0; k < p.n_pieces(); k++) {
                const Piece piece = piece_of(p, k);
                const float* d_sum = d_y + piece.first;
                collect(p, piece, x[piece.input] + i * p.in.size(), n, dense);
                float* to = mine + (piece.odd ? n_odd : 0) + piece.weight;
                for (size_t v = 0; v < n * n_pixels; v += n_block)
                    multiply_columns<T>({d_sum + v * out, 1, out, dense + v * in, in, to, in,
                                         std::min(n_block, n * n_pixels - v), true,
                                         place(p, x, k + 1, i, n) + v * in * sizeof(T)},
                                        piece.n, in);
                if (!d_x[piece.input]) continue;
                multiply_rows<T>({d_sum, out, 1, matrices[k].data(), width, d_dense, in, piece.n, false,
                                  place<T>(p, d_x, k, i, n)},
                                 n * n_pixels, in);
                spread(p, piece, d_dense, dense, n, d_x[piece.input] + i * p.in.size());
            }
        }
    });
    const floats total = slopes.total(n_threads);
    for (size_t odd = 0; odd < p.stride; odd++) {
        const size_t from = odd ? n_odd : 0, to = odd || p.stride == 1 ? n_all : n_odd;
        std::copy(&total[from], &total[0] + to, d_weights[odd]);
    }
}

}  // namespace enas
