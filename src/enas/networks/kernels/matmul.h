// Small matrix products: out[m][n] (+)= sum over k of a[m * a_m + k * a_k] * b[k * b_k + n].
// Tiles of the result stay in registers; n is cut into vectors, of which the last may be wanted in part. A place may hold a
// float, or a pair of bfloat16, which counts as one k.
#pragma once
#include "vectors.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace enas {

struct Product {
    const float* a;
    size_t a_m, a_k;
    const float* b;  // rows may be read a vector beyond their end
    size_t b_k;
    float* out;
    size_t out_m;
    size_t n_k;
    bool adds;                    // to what out holds
    const char* ahead = nullptr;  // fetched into the cache meanwhile, a line with every step; about as much as a is long
};

struct Floats {
    static ENAS_INLINE vec add(vec sum, vec left, vec right) { return sum + left * right; }
};

struct Pairs {
    static ENAS_INLINE vec add(vec sum, vec left, vec right) {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right));
#else
        return sum;  // never called
#endif
    }
};
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
constexpr bool HAS_PAIRS = true;
#else
constexpr bool HAS_PAIRS = false;
#endif

// Where it has come to.
struct Fetching {
    const char* at;
    size_t step;
};

// A tile of MR rows by NV vectors; of the last the first n_last numbers are wanted.
template <class Kind, int MR, int NV>
ENAS_INLINE void tile(const Product& p, size_t m, size_t n, size_t n_last, Fetching& ahead) {
    const float* a = p.a + m * p.a_m;
    const float* b = p.b + n;
    vec sum[MR][NV];
#pragma GCC unroll 32
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) sum[i][j] = zero();
    for (size_t k = 0; k < p.n_k; k++, a += p.a_k, b += p.b_k) {
        __builtin_prefetch(ahead.at, 0, 2);
        ahead.at += ahead.step;
        vec right[NV];
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) right[j] = load(b + j * VL);
#pragma GCC unroll 32
        for (int i = 0; i < MR; i++) {
            const vec left = everywhere(a[i * p.a_m]);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) sum[i][j] = Kind::add(sum[i][j], left, right[j]);
        }
    }
    float* out = p.out + m * p.out_m + n;
#pragma GCC unroll 32
    for (int i = 0; i < MR; i++, out += p.out_m)
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) {
            const size_t n_wanted = j == NV - 1 ? n_last : VL;
            if (p.adds) sum[i][j] += load(out + j * VL, n_wanted);
            store(out + j * VL, sum[i][j], n_wanted);
        }
}

template <class Kind, int NV>
void columns(const Product& p, size_t n_m, size_t n, size_t n_last) {
    constexpr int MR = (VL == 16 ? 24 : 12) / NV < 16 ? (NV == 5 && VL == 16 ? 5 : (VL == 16 ? 24 : 12) / NV) : 16;
    size_t m = 0;
    Fetching ahead{reinterpret_cast<const char*>(p.a), 0};
    if (p.ahead && n == 0) ahead = {p.ahead, 64};
    for (; m + MR <= n_m; m += MR) tile<Kind, MR, NV>(p, m, n, n_last, ahead);
    if constexpr (MR > 4)
        for (; m + 4 <= n_m; m += 4) tile<Kind, 4, NV>(p, m, n, n_last, ahead);
    for (; m < n_m; m++) tile<Kind, 1, NV>(p, m, n, n_last, ahead);
}

template <class Kind>
void multiply(const Product& p, size_t n_m, size_t n_n) {
    constexpr size_t most = VL == 16 ? 5 : 3;
    size_t n_left = (n_n + VL - 1) / VL;
    for (size_t n = 0; n < n_n;) {
        const size_t n_blocks = (n_left + most - 1) / most, nv = (n_left + n_blocks - 1) / n_blocks;
        const size_t n_last = nv == n_left ? n_n - n - (nv - 1) * VL : VL;
        switch (nv) {
            case 1: columns<Kind, 1>(p, n_m, n, n_last); break;
            case 2: columns<Kind, 2>(p, n_m, n, n_last); break;
            case 3: columns<Kind, 3>(p, n_m, n, n_last); break;
            case 4: columns<Kind, 4>(p, n_m, n, n_last); break;
            default: columns<Kind, 5>(p, n_m, n, n_last); break;
        }
        n += nv * VL, n_left -= nv;
    }
}

}  // namespace enas
