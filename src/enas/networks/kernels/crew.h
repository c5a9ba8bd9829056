// Threads that help with a call. They are our own because a region of OpenMP ends only when all its threads have come: on a busy
// machine each would wait for one that waits for a core. Here whoever comes too late finds nothing left to do. They are POSIX's
// because the headers of C++'s take a quarter of a second more to compile.
#pragma once
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <atomic>

namespace enas {

class Crew {
public:
    // Calls work(0) here and, by helpers that have time, some of work(1) ... work(n - 1); returns when those have ended, too. All
    // must share out among themselves what is to be done.
    template <class Work>
    void run(int n, const Work& work) {
        if (n < 2 || pthread_mutex_trylock(&turn_)) return work(0);  // without help, while they help with another call
        hire(n - 1);
        n_ = n, work_ = &work;
        call_ = [](const void* its, int thread) { (*static_cast<const Work*>(its))(thread); };
        is_open_ = true;
        call_helpers();
        work(0);
        is_open_ = false;
        while (n_busy_) relax();
        pthread_mutex_unlock(&turn_);
    }

    // The process's; a forked one has no helpers yet.
    static Crew& here() {
        static Crew* crew;
        static const int is_set = (crew = new Crew, pthread_atfork(nullptr, nullptr, [] { crew = new Crew; }));
        (void)is_set;
        return *crew;
    }

private:
    void hire(int n) {
        if (n_helpers_ >= n) return;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's threads
        for (; n_helpers_ < n; n_helpers_++) {
            pthread_t helper;
            auto* place = new Place{this, n_helpers_ + 1};
            if (pthread_create(&helper, nullptr, start, place)) {  // the system gives no more
                delete place;
                break;
            }
            pthread_detach(helper);
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void call_helpers() {
        n_calls_++;
        if (!n_asleep_) return;
        pthread_mutex_lock(&bed_);  // who is about to fall asleep either has seen the call or is asleep now
        pthread_mutex_unlock(&bed_);
        pthread_cond_broadcast(&wake_);
    }

    struct Place {
        Crew* crew;
        int thread;
    };
    static void* start(void* place) {
        const Place taken = *static_cast<Place*>(place);
        delete static_cast<Place*>(place);
        taken.crew->help(taken.thread);
    }

    [[noreturn]] void help(int thread) {
        for (unsigned long seen = 0;;) {
            seen = await_call(seen);
            n_busy_++;  // before looking: a call does not end while somebody may be looking
            if (is_open_ && thread < n_) call_(work_, thread);
            n_busy_--;
        }
    }

    // The next call mostly comes at once; to sleep and to be woken takes longer than most calls.
    unsigned long await_call(unsigned long seen) {
        const double bedtime = now() + 1e-3;
        while (n_calls_ == seen && now() < bedtime) relax();
        if (n_calls_ == seen) {
            pthread_mutex_lock(&bed_);
            n_asleep_++;
            while (n_calls_ == seen) pthread_cond_wait(&wake_, &bed_);
            n_asleep_--;
            pthread_mutex_unlock(&bed_);
        }
        return n_calls_;
    }

    static double now() {  // seconds
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec + 1e-9 * time.tv_nsec;
    }

    // A moment's wait that leaves the core to others that want it.
    static void relax() {
        for (int i = 0; i < 16; i++) {
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        }
        sched_yield();
    }

    pthread_mutex_t turn_ = PTHREAD_MUTEX_INITIALIZER, bed_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
    std::atomic<unsigned long> n_calls_{0};
    std::atomic<int> n_busy_{0}, n_asleep_{0};
    std::atomic<bool> is_open_{false};
    int n_helpers_ = 0, n_ = 0;  // these are set while no call is open
    const void* work_ = nullptr;
    void (*call_)(const void*, int) = nullptr;
};

}  // namespace enas
