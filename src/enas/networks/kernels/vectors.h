// Vectors of floats as GCC and Clang write them on every processor, and loads and stores of float32 and bfloat16.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace enas {

#if defined(__AVX512F__)
constexpr int VL = 16;  // numbers in a vector
#elif defined(__AVX__)
constexpr int VL = 8;
#else
constexpr int VL = 4;
#endif

#define ENAS_INLINE inline __attribute__((always_inline))
#define ENAS_LAMBDA __attribute__((always_inline))

typedef float vec __attribute__((vector_size(VL * 4)));
typedef float loose_vec __attribute__((vector_size(VL * 4), aligned(4), may_alias));  // at any address
typedef uint32_t bits __attribute__((vector_size(VL * 4)));
typedef uint16_t halves __attribute__((vector_size(VL * 2), aligned(2), may_alias));

struct bf16 {
    uint16_t value;
};

ENAS_INLINE vec load(const float* from) { return *reinterpret_cast<const loose_vec*>(from); }
ENAS_INLINE void store(float* to, vec value) { *reinterpret_cast<loose_vec*>(to) = value; }
ENAS_INLINE vec load(const bf16* from) {
    const halves half = *reinterpret_cast<const halves*>(from);
    return reinterpret_cast<vec>(__builtin_convertvector(half, bits) << 16);
}
ENAS_INLINE void store(bf16* to, vec value) {  // rounds to nearest, ties to even; NaN stays NaN
#if defined(__AVX512BF16__)
    const __m256bh half = _mm512_cvtneps_pbh(value);  // takes numbers below 1e-38 for 0
    std::memcpy(to, &half, sizeof half);
#else
    const bits raw = reinterpret_cast<bits>(value);
    bits rounded = (raw + 0x7fff + ((raw >> 16) & 1)) >> 16;
    rounded = value == value ? rounded : ((raw >> 16) | 0x40);
    *reinterpret_cast<halves*>(to) = __builtin_convertvector(rounded, halves);
#endif
}

// The first n numbers; the rest is zero, and is not written. Rows end where they end.
template <class T>
ENAS_INLINE vec load(const T* from, size_t n) {
    if (n >= VL) return load(from);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const __mmask16 wanted = (1u << n) - 1;
    if constexpr (sizeof(T) == 4) return _mm512_maskz_loadu_ps(wanted, from);
    else return reinterpret_cast<vec>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(wanted, from)), 16));
#else
    T few[VL] = {};
    std::memcpy(few, from, n * sizeof(T));
    return load(few);
#endif
}
template <class T>
ENAS_INLINE void store(T* to, vec value, size_t n) {
    if (n >= VL) return store(to, value);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const __mmask16 wanted = (1u << n) - 1;
    if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_ps(to, wanted, value);
#if defined(__AVX512BF16__)
    if constexpr (sizeof(T) == 2)
        return _mm256_mask_storeu_epi16(to, wanted, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
#endif
#endif
    T few[VL];
    store(few, value);
    std::memcpy(to, few, n * sizeof(T));
}

// even[0], odd[0], even[1], odd[1], ...: the first n of both.
ENAS_INLINE void store_pairs(bf16* to, vec even, vec odd, size_t n) {
#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                           4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even));
    const __mmask16 wanted = n >= VL ? 0xffff : (1u << n) - 1;
    _mm512_mask_storeu_epi32(to, wanted, _mm512_permutexvar_epi16(order, both));
#else
    bf16 first[VL], second[VL];
    store(first, even), store(second, odd);
    for (size_t i = 0; i < VL && i < n; i++) to[2 * i] = first[i], to[2 * i + 1] = second[i];
#endif
}

// Numbers of a byte each: GCC makes these conversions one by one where it is not told.
typedef uint8_t bytes __attribute__((vector_size(VL), aligned(1), may_alias));
ENAS_INLINE bits load_bytes(const uint8_t* from) {
#if defined(__AVX512F__)
    return reinterpret_cast<bits>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#else
    return __builtin_convertvector(*reinterpret_cast<const bytes*>(from), bits);
#endif
}
ENAS_INLINE void store_bytes(uint8_t* to, bits value, size_t n) {
#if defined(__AVX512F__)
    return _mm512_mask_cvtepi32_storeu_epi8(to, n >= VL ? 0xffff : (1u << n) - 1, reinterpret_cast<__m512i>(value));
#else
    const bytes small = __builtin_convertvector(value, bytes);
    std::memcpy(to, &small, n < VL ? n : VL);
#endif
}

// One number in all places, loaded once even where the compiler would rather load it for every use.
ENAS_INLINE vec everywhere(float value) {
#if defined(__AVX512F__)
    vec all = _mm512_set1_ps(value);
    asm("" : "+v"(all));
    return all;
#else
    return value - vec{};
#endif
}

ENAS_INLINE vec zero() { return vec{}; }
ENAS_INLINE vec relu(vec value) { return value < 0 ? zero() : value; }                    // NaN passes
ENAS_INLINE vec where_positive(vec value, vec gate) { return gate <= 0 ? zero() : value; }  // so does it here

typedef double doubles_vec __attribute__((vector_size(VL * 8)));
ENAS_INLINE doubles_vec to_doubles(const float* from) { return __builtin_convertvector(load(from), doubles_vec); }
ENAS_INLINE doubles_vec to_doubles(const double* from) {
    doubles_vec value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

constexpr size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace enas
