// Images in groups that several threads work on, and the memory that each thread keeps for it.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>
#include "crew.h"
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

// Every thread begins with groups of its own, the same in every call, as it finds these in its cache; then it helps the others.
// Backwards: what was written last is still cached.
template <class Work>
void for_groups(const Groups& groups, bool backwards, int n_threads, const Work& work) {
    const size_t n = groups.count();
    std::vector<std::atomic<bool>> taken(n);
    Crew::here().run(n_threads, [&](int thread) {
        const size_t first = n * thread / n_threads, last = n * (thread + 1) / n_threads + n - 1;
        for (size_t i = 0; i < n; i++) {
            const size_t group = (backwards ? last - i : first + i) % n;
            if (!taken[group].exchange(true)) work(group);
        }
    });
}

// Memory at an address fit for vectors; kept by its thread, since fresh pages are slow.
class Scratch {
public:
    explicit Scratch(size_t size) {
        static thread_local std::vector<float> kept;
        if (kept.size() < size + LINE) kept.resize(size + LINE);
        next_ = reinterpret_cast<float*>(round_up(reinterpret_cast<size_t>(kept.data()), LINE * sizeof(float)));
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
    static constexpr size_t LINE = 16;  // numbers in a line of the cache
    float* next_;
};

// n sums of each group. Its thread sets them to zero, so that they are in that one's cache.
template <class N>
class Sums {
public:
    Sums(const Groups& groups, size_t n) : n_groups_(groups.count()), n_(round_up(n, VL)), all_(new N[n_groups_ * n_]) {}
    N* begin(size_t group) {
        N* mine = &all_[group * n_];
        std::fill_n(mine, n_, N());
        return mine;
    }
    // Those of all groups, added in their order.
    std::vector<N> total(int n_threads) const {
        std::vector<N> total(n_);
        std::atomic<size_t> next{0};
        Crew::here().run(n_ > PART ? n_threads : 1, [&](int) {
            for (size_t from; (from = next.fetch_add(PART)) < n_;)
                for (size_t i = from; i < std::min(from + PART, n_); i += VL) {
                    doubles_vec sum = {};
                    for (size_t g = 0; g < n_groups_; g++) sum += to_doubles(&all_[g * n_ + i]);
                    for (size_t l = 0; l < VL; l++) total[i + l] = sum[l];
                }
        });
        return total;
    }

private:
    static constexpr size_t PART = 1024;  // sums that a thread adds up at a time
    size_t n_groups_, n_;
    std::unique_ptr<N[]> all_;
};

// Images may each have a factor: those of a branch that is sometimes left out. Null: all have 1.
ENAS_INLINE vec factor_of(const float* factors, size_t i) { return everywhere(factors ? factors[i] : 1.0f); }

}  // namespace enas
