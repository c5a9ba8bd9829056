// Vectors of floats as GCC and Clang write them on every processor, and loads and stores of float32 and bfloat16.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

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

template <int N>
struct Vector {
    typedef float type __attribute__((vector_size(N * 4)));
    typedef float loose __attribute__((vector_size(N * 4), aligned(4), may_alias));  // at any address
};
typedef Vector<VL>::type vec;
typedef uint32_t bits __attribute__((vector_size(VL * 4)));
typedef uint16_t halves __attribute__((vector_size(VL * 2), aligned(2), may_alias));

struct bf16 {
    uint16_t value;
};

template <int N = VL>
ENAS_INLINE typename Vector<N>::type load(const float* from) {
    return *reinterpret_cast<const typename Vector<N>::loose*>(from);
}
template <int N = VL>
ENAS_INLINE void store(float* to, typename Vector<N>::type value) {
    *reinterpret_cast<typename Vector<N>::loose*>(to) = value;
}
ENAS_INLINE vec load(const bf16* from) {
    const halves half = *reinterpret_cast<const halves*>(from);
    return reinterpret_cast<vec>(__builtin_convertvector(half, bits) << 16);
}
ENAS_INLINE void store(bf16* to, vec value) {  // rounds to nearest, ties to even; NaN stays NaN
    const bits raw = reinterpret_cast<bits>(value);
    bits rounded = (raw + 0x7fff + ((raw >> 16) & 1)) >> 16;
    rounded = value == value ? rounded : ((raw >> 16) | 0x40);
    *reinterpret_cast<halves*>(to) = __builtin_convertvector(rounded, halves);
}

// The first n numbers; the rest is zero, and is not written. Rows end where they end.
template <class T>
ENAS_INLINE vec load(const T* from, size_t n) {
    if (n >= VL) return load(from);
    T few[VL] = {};
    std::memcpy(few, from, n * sizeof(T));
    return load(few);
}
template <class T>
ENAS_INLINE void store(T* to, vec value, size_t n) {
    if (n >= VL) return store(to, value);
    T few[VL];
    store(few, value);
    std::memcpy(to, few, n * sizeof(T));
}

// One number in all places, loaded once even where the compiler would rather load it for every use.
ENAS_INLINE vec everywhere(float value) {
    vec all = value - vec{};
#if defined(__AVX512F__)
    asm("" : "+v"(all));
#endif
    return all;
}
template <int N>
ENAS_INLINE typename Vector<N>::type first_of(vec all) {
    typename Vector<N>::type few;
    std::memcpy(&few, &all, sizeof few);
    return few;
}

ENAS_INLINE vec zero() { return vec{}; }
ENAS_INLINE vec relu(vec value) { return value < 0 ? zero() : value; }                    // NaN passes
ENAS_INLINE vec where_positive(vec value, vec gate) { return gate <= 0 ? zero() : value; }  // so does it here

constexpr size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace enas
