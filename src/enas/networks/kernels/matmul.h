// Small matrix products: out[m][n] (+)= sum over k of a[m * a_m + k * a_k] * b[k * b_k + n].
// Tiles of the result stay in registers; n is cut into whole vectors and one narrower remainder. A place may hold a float, or a
// pair of bfloat16, which counts as one k.
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
    const char* ahead = nullptr;  // fetched into the cache meanwhile, a line with every step; about as much as a is long
};

struct Floats {
    template <class V>
    static ENAS_INLINE V add(V sum, V left, V right) {
        return sum + left * right;
    }
};

struct Pairs {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
    static ENAS_INLINE vec add(vec sum, vec left, vec right) {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right));
    }
    typedef Vector<8>::type half;
    static ENAS_INLINE half add(half sum, half left, half right) {
        return _mm256_dpbf16_ps(sum, reinterpret_cast<__m256bh>(left), reinterpret_cast<__m256bh>(right));
    }
    typedef Vector<4>::type quarter;
    static ENAS_INLINE quarter add(quarter sum, quarter left, quarter right) {
        return _mm_dpbf16_ps(sum, reinterpret_cast<__m128bh>(left), reinterpret_cast<__m128bh>(right));
    }
#else
    template <class V>
    static V add(V sum, V, V) {
        return sum;  // never called
    }
#endif
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

template <int N, bool ADD>
ENAS_INLINE void store_first(float* out, typename Vector<N>::type value, size_t n) {
    if (n == N) return store<N>(out, ADD ? value + load<N>(out) : value);
#if defined(__AVX512F__)
    if constexpr (N == 16) {
        const __mmask16 wanted = (1u << n) - 1;
        if (ADD) value += _mm512_maskz_loadu_ps(wanted, out);
        return _mm512_mask_storeu_ps(out, wanted, value);
    }
#endif
    float few[N];
    store<N>(few, value);
    for (size_t l = 0; l < n; l++) out[l] = ADD ? out[l] + few[l] : few[l];
}

// A tile of MR rows by NV vectors, the last of TAIL numbers, of which the first n_last are wanted.
template <class Kind, int MR, int NV, int TAIL, bool ADD>
ENAS_INLINE void tile(const Product& p, size_t m, size_t n, size_t n_last, Fetching& ahead) {
    typedef typename Vector<TAIL>::type tail_vec;
    const float* a = p.a + m * p.a_m;
    const float* b = p.b + n;
    vec sum[MR][NV > 1 ? NV - 1 : 1];
    tail_vec last[MR];
#pragma GCC unroll 32
    for (int i = 0; i < MR; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV - 1; j++) sum[i][j] = zero();
        last[i] = tail_vec{};
    }
    for (size_t k = 0; k < p.n_k; k++, a += p.a_k, b += p.b_k) {
        __builtin_prefetch(ahead.at, 0, 2);
        ahead.at += ahead.step;
        vec right[NV > 1 ? NV - 1 : 1];
#pragma GCC unroll 8
        for (int j = 0; j < NV - 1; j++) right[j] = load(b + j * VL);
        const tail_vec right_last = load<TAIL>(b + (NV - 1) * VL);
#pragma GCC unroll 32
        for (int i = 0; i < MR; i++) {
            const vec left = everywhere(a[i * p.a_m]);
#pragma GCC unroll 8
            for (int j = 0; j < NV - 1; j++) sum[i][j] = Kind::add(sum[i][j], left, right[j]);
            last[i] = Kind::add(last[i], first_of<TAIL>(left), right_last);
        }
    }
    float* out = p.out + m * p.out_m + n;
#pragma GCC unroll 32
    for (int i = 0; i < MR; i++, out += p.out_m) {
#pragma GCC unroll 8
        for (int j = 0; j < NV - 1; j++) {
            if (ADD) sum[i][j] += load(out + j * VL);
            store(out + j * VL, sum[i][j]);
        }
        store_first<TAIL, ADD>(out + (NV - 1) * VL, last[i], n_last);
    }
}

template <class Kind, int NV, int TAIL, bool ADD>
void columns(const Product& p, size_t n_m, size_t n, size_t n_last) {
    constexpr int MR = (VL == 16 ? 24 : 12) / NV < 16 ? (NV == 5 && VL == 16 ? 5 : (VL == 16 ? 24 : 12) / NV) : 16;
    size_t m = 0;
    Fetching ahead{reinterpret_cast<const char*>(p.a), 0};
    if (p.ahead && n == 0) ahead = {p.ahead, 64};
    for (; m + MR <= n_m; m += MR) tile<Kind, MR, NV, TAIL, ADD>(p, m, n, n_last, ahead);
    if constexpr (MR > 4)
        for (; m + 4 <= n_m; m += 4) tile<Kind, 4, NV, TAIL, ADD>(p, m, n, n_last, ahead);
    for (; m < n_m; m++) tile<Kind, 1, NV, TAIL, ADD>(p, m, n, n_last, ahead);
}

template <class Kind, int NV, bool ADD>
void columns_of(const Product& p, size_t n_m, size_t n, size_t n_last) {
    if (VL >= 8 && n_last <= 4) return columns<Kind, NV, 4, ADD>(p, n_m, n, n_last);
    if (VL >= 16 && n_last <= 8) return columns<Kind, NV, VL / 2, ADD>(p, n_m, n, n_last);
    return columns<Kind, NV, VL, ADD>(p, n_m, n, n_last);
}

template <class Kind, bool ADD>
void multiply(const Product& p, size_t n_m, size_t n_n) {
    constexpr size_t most = VL == 16 ? 5 : 3;
    size_t n_left = (n_n + VL - 1) / VL;
    for (size_t n = 0; n < n_n;) {
        const size_t n_blocks = (n_left + most - 1) / most, nv = (n_left + n_blocks - 1) / n_blocks;
        const size_t n_last = nv == n_left ? n_n - n - (nv - 1) * VL : VL;
        switch (nv) {
            case 1: columns_of<Kind, 1, ADD>(p, n_m, n, n_last); break;
            case 2: columns_of<Kind, 2, ADD>(p, n_m, n, n_last); break;
            case 3: columns_of<Kind, 3, ADD>(p, n_m, n, n_last); break;
            case 4: columns_of<Kind, 4, ADD>(p, n_m, n, n_last); break;
            default: columns_of<Kind, 5, ADD>(p, n_m, n, n_last); break;
        }
        n += nv * VL, n_left -= nv;
    }
}

}  // namespace enas
