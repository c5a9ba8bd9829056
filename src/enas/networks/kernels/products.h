// Products of activations and weights. Activations are floats in the cache; where they are bfloat16 in memory and the processor
// multiplies pairs of bfloat16, they are rounded once more and two are multiplied at a time. Sums are floats.
#pragma once
#include <type_traits>
#include "groups.h"
#include "matmul.h"

namespace enas {

// Whether n_k numbers are multiplied in pairs.
template <class T>
ENAS_INLINE bool in_pairs(size_t n_k) {
    return HAS_PAIRS && std::is_same_v<T, bf16> && n_k % 2 == 0;
}

// Two rows at a time, as one of pairs.
inline void pair_rows(const float* from, size_t stride, size_t n_rows, size_t n, bf16* to) {
    for (size_t row = 0; row < n_rows; row += 2, from += 2 * stride, to += 2 * n)
        for (size_t i = 0; i < n; i += VL) {
            const vec odd = row + 1 < n_rows ? load(from + stride + i, n - i) : zero();
            store_pairs(to + 2 * i, load(from + i, n - i), odd, n - i);
        }
}

// Rows (n_k, width) that are multiplied with many others, as `multiply_rows` takes them.
template <class T>
floats prepare(const floats& rows, size_t n_k, size_t width) {
    if (!in_pairs<T>(n_k)) return rows;
    floats pairs(rows.size());
    pair_rows(rows.data(), width, n_k, width, reinterpret_cast<bf16*>(pairs.data()));
    return pairs;
}

// Room for rounded numbers; kept by its thread.
template <int PLACE>
bf16* room(size_t n) {
    static thread_local std::vector<bf16> kept;
    if (kept.size() < n + 2 * VL) kept.resize(n + 2 * VL);
    return kept.data();
}

// p.out (+)= p.a (n_m rows of n_k numbers, a_k = 1) times p.b, which is prepared.
template <class T>
void multiply_rows(Product p, size_t n_m, size_t n_n) {
    if (!in_pairs<T>(p.n_k)) return multiply<Floats>(p, n_m, n_n);
    const size_t n_k = p.n_k, n_block = std::max<size_t>(48, 8192 / n_k), step = p.ahead ? n_block * n_k * sizeof(T) : 0;
    bf16* rows = room<0>(n_block * n_k);
    for (size_t m = 0; m < n_m; m += n_block) {
        const size_t n = std::min(n_block, n_m - m), n_runs = p.a_m == n_k ? 1 : n, run = n * n_k / n_runs;
        for (size_t i = 0; i < n_runs; i++) {
            const float* from = p.a + (m + i) * p.a_m;
            for (size_t k = 0; k < run; k += VL) store(rows + i * run + k, load(from + k, run - k), run - k);
        }
        multiply<Pairs>({reinterpret_cast<float*>(rows), n_k / 2, 1, p.b, p.b_k, p.out + m * p.out_m, p.out_m, n_k / 2, p.adds,
                         p.ahead},
                        n, n_n);
        p.ahead += step;
    }
}

// p.out += transposed p.a times p.b: n_k rows of n_m numbers (a_m = 1), and of n_n numbers.
template <class T>
void multiply_columns(const Product& p, size_t n_m, size_t n_n) {
    if (!in_pairs<T>(2) || n_m < 2 * VL) return multiply<Floats>(p, n_m, n_n);  // rearranging pays for many channels only
    const size_t n_pairs = (p.n_k + 1) / 2;
    bf16 *a = room<1>(2 * n_pairs * n_m), *b = room<2>(2 * n_pairs * n_n);
    pair_rows(p.a, p.a_k, p.n_k, n_m, a);
    pair_rows(p.b, p.b_k, p.n_k, n_n, b);
    multiply<Pairs>({reinterpret_cast<float*>(a), 1, n_m, reinterpret_cast<float*>(b), n_n, p.out, p.out_m, n_pairs, true,
                     p.ahead},
                    n_m, n_n);
}

}  // namespace enas
