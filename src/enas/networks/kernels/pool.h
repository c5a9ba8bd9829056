// Average and max pools of 3x3 cells in NHWC memory, stride 1 or 2, "same" padding as TensorFlow's: cells beyond the edge do
// not count. Columns first, then rows, so that each number is read three times and once more.
#pragma once
#include <limits>
#include "groups.h"

namespace enas {

// One side of an image: output cell v reads the three cells from v * stride - before on.
struct Side {
    size_t in, out, stride, before;
    Side(size_t n, size_t step) : in(n), out((n + step - 1) / step), stride(step), before(((out - 1) * step + 3 - n) / 2) {}
    size_t begin(size_t v) const { return v * stride < before ? 0 : v * stride - before; }
    size_t end(size_t v) const { return std::min(in, v * stride + 3 - before); }
    float n_read(size_t v) const { return end(v) - begin(v); }
    // The output cells that read input cell y.
    size_t first(size_t y) const { return y + before < 3 ? 0 : (y + before - 2 + stride - 1) / stride; }
    size_t last(size_t y) const { return std::min(out - 1, (y + before) / stride); }
};

struct Pool {
    Side rows, columns;
    size_t channels;
    size_t in_row() const { return columns.in * channels; }
    size_t out_row() const { return columns.out * channels; }
    size_t in_size() const { return rows.in * in_row(); }
    size_t out_size() const { return rows.out * out_row(); }
    size_t wide() const { return round_up((columns.in + 4 + columns.stride) * channels, VL) + VL; }  // a row with edges
    // Calls with the place of some output cells in their row, that of the first cells they read from the edge on, and n.
    template <class Run>
    ENAS_INLINE void for_runs(const Run& run) const {
        if (columns.stride == 1) return run(0, 0, out_row());
        for (size_t c = 0; c < columns.out; c++) run(c * channels, c * columns.stride * channels, channels);
    }
};

// Over how many columns each number in a row is a mean.
inline floats counts(const Pool& p) {
    floats all(p.out_row() + VL);
    for (size_t i = 0; i < p.out_row(); i++) all[i] = p.columns.n_read(i / p.channels);
    return all;
}

template <class T>
void average_pool(const Pool& p, const float* counts, const T* x, vec factor, const T* add, T* y) {
    Scratch scratch(p.wide());
    float* sums = scratch.take(p.wide());
    std::fill_n(sums, p.wide(), 0.0f);
    const size_t row = p.in_row(), edge = p.columns.before * p.channels;
    for (size_t v = 0; v < p.rows.out; v++, y += p.out_row(), add += add ? p.out_row() : 0) {
        const T* from = x + p.rows.begin(v) * row;
        const size_t n_rows = p.rows.end(v) - p.rows.begin(v);
        for (size_t i = 0; i < row; i += VL) {
            vec sum = load(from + i, row - i);
            for (size_t r = 1; r < n_rows; r++) sum += load(from + r * row + i, row - i);
            store(sums + edge + i, sum, row - i);
        }
        const vec here = everywhere(n_rows);
        p.for_runs([&](size_t to, size_t at, size_t n) ENAS_LAMBDA {
            for (size_t i = 0; i < n; i += VL) {
                const float* near = sums + at + i;
                vec mean = (load(near) + load(near + p.channels) + load(near + 2 * p.channels)) / (here * load(counts + to + i));
                mean *= factor;
                if (add) mean += load(add + to + i, n - i);
                store(y + to + i, mean, n - i);
            }
        });
    }
}

template <class T>
void average_pool_back(const Pool& p, const float* counts, const T* grad, vec factor, T* d_x) {
    Scratch scratch(p.wide());
    float* sums = scratch.take(p.wide());
    std::fill_n(sums, p.wide(), 0.0f);
    const size_t row = p.in_row();
    for (size_t y = 0; y < p.rows.in; y++, d_x += row) {
        const size_t first = p.rows.first(y), n_rows = p.rows.last(y) + 1 - first;
        float parts[3];
        for (size_t r = 0; r < n_rows; r++) parts[r] = 1 / p.rows.n_read(first + r);
        p.for_runs([&](size_t from, size_t at, size_t n) ENAS_LAMBDA {
            for (size_t i = 0; i < n; i += VL) {
                vec sum = zero();
                for (size_t r = 0; r < n_rows; r++)
                    sum += load(grad + (first + r) * p.out_row() + from + i, n - i) * everywhere(parts[r]);
                store(sums + 2 * p.channels + at + i, factor * sum / load(counts + from + i), n - i);
            }
        });
        for (size_t i = 0; i < row; i += VL) {
            const float* near = sums + p.columns.before * p.channels + i;
            store(d_x + i, load(near) + load(near + p.channels) + load(near + 2 * p.channels), row - i);
        }
    }
}

typedef uint32_t loose_bits __attribute__((vector_size(VL * 4), aligned(4), may_alias));
constexpr uint8_t NOWHERE = 128;

// places: which of its nine cells is the largest, the first in order of rows where several are; null: not wanted.
template <bool KEEP, class T>
void max_pool(const Pool& p, const T* x, vec factor, const T* add, T* y, uint8_t* places) {
    Scratch scratch(2 * p.wide());
    float* best = scratch.take(p.wide());
    uint32_t* best_at = reinterpret_cast<uint32_t*>(scratch.take(p.wide()));
    std::fill_n(best, p.wide(), -std::numeric_limits<float>::infinity());
    std::fill_n(best_at, p.wide(), NOWHERE);
    const size_t row = p.in_row(), edge = p.columns.before * p.channels;
    for (size_t v = 0; v < p.rows.out; v++, y += p.out_row(), places += KEEP ? p.out_row() : 0, add += add ? p.out_row() : 0) {
        const T* from = x + p.rows.begin(v) * row;
        const size_t n_rows = p.rows.end(v) - p.rows.begin(v);
        const uint32_t first = 3 * (p.rows.begin(v) + p.rows.before - v * p.rows.stride);
        for (size_t i = 0; i < row; i += VL) {
            vec value = load(from + i, row - i);
            bits at = bits{} + first;
            for (size_t r = 1; r < n_rows; r++) {
                const vec other = load(from + r * row + i, row - i);
                const auto better = other > value | other != other;
                value = better ? other : value;
                if (KEEP) at = better ? bits{} + uint32_t(first + 3 * r) : at;
            }
            store(best + edge + i, value, row - i);
            if (KEEP) store(reinterpret_cast<float*>(best_at) + edge + i, reinterpret_cast<vec>(at), row - i);
        }
        p.for_runs([&](size_t to, size_t near, size_t n) ENAS_LAMBDA {
            for (size_t i = 0; i < n; i += VL) {
                vec value = load(best + near + i);
                bits at = *reinterpret_cast<const loose_bits*>(best_at + near + i);
#pragma GCC unroll 2
                for (size_t dx = 1; dx < 3; dx++) {
                    const vec other = load(best + near + dx * p.channels + i);
                    auto better = other > value | other != other;
                    if (KEEP) {
                        const bits other_at = *reinterpret_cast<const loose_bits*>(best_at + near + dx * p.channels + i) + uint32_t(dx);
                        better |= (other == value) & (other_at < at);
                        at = better ? other_at : at;
                    }
                    value = better ? other : value;
                }
                if (KEEP) store_bytes(places + to + i, at, n - i);
                value *= factor;
                if (add) value += load(add + to + i, n - i);
                store(y + to + i, value, n - i);
            }
        });
    }
}

template <class T>
void max_pool_back(const Pool& p, const T* grad, vec factor, const uint8_t* places, T* d_x) {
    const size_t wide = p.wide(), row = p.in_row();
    Scratch scratch(p.rows.out * (wide + wide / 4 + VL) + 2 * VL);
    float* slopes = scratch.take(p.rows.out * wide);
    uint8_t* from = reinterpret_cast<uint8_t*>(scratch.take(p.rows.out * wide / 4 + VL));
    std::memset(from, NOWHERE, p.rows.out * wide);
    for (size_t v = 0; v < p.rows.out; v++, grad += p.out_row(), places += p.out_row())
        p.for_runs([&](size_t at, size_t to, size_t n) ENAS_LAMBDA {
            const size_t begin = v * wide + 2 * p.channels + to;
            for (size_t i = 0; i < n; i += VL) store(slopes + begin + i, load(grad + at + i, n - i), n - i);
            std::memcpy(from + begin, places + at, n);
        });
    const size_t channels = p.channels, edge = p.columns.before * channels;
    for (size_t y = 0; y < p.rows.in; y++, d_x += row) {
        const size_t first = p.rows.first(y), last = p.rows.last(y);
        for (size_t i = 0; i < row; i += VL) {
            vec sum = zero();
            for (size_t v = first; v <= last; v++) {
                const size_t near = v * wide + edge + i;
                const uint32_t place = 3 * (y + p.rows.before - v * p.rows.stride);
#pragma GCC unroll 3
                for (size_t dx = 0; dx < 3; dx++) {
                    const size_t at = near + (2 - dx) * channels;
                    sum += load_bytes(from + at) == place + uint32_t(dx) ? load(slopes + at) : zero();
                }
            }
            store(d_x + i, sum * factor, row - i);
        }
    }
}

}  // namespace enas
