// Images in groups that several threads work on, and the memory that each thread keeps for it.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>
#include "depthwise.h"

namespace enas {

typedef std::vector<float> floats;
typedef std::vector<double> doubles;

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

// The slopes of n weights, added in the order of the groups.
inline void add_groups(const Groups& groups, const floats& slopes, size_t n, float* total) {
    doubles sum(n);
    for (size_t g = 0; g < groups.count(); g++)
        for (size_t i = 0; i < n; i++) sum[i] += slopes[g * n + i];
    for (size_t i = 0; i < n; i++) total[i] = sum[i];
}

// Images may each have a factor: those of a branch that is sometimes left out. Null: all have 1.
ENAS_INLINE vec factor_of(const float* factors, size_t i) { return everywhere(factors ? factors[i] : 1.0f); }

}  // namespace enas
