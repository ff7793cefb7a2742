/* Slow cores for processes that are to be compared. */
#include "loops.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static void sleep_until(int64_t at_ns) {
    struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Make slow cores out of a part of one: each process runs in its own window of the period, and never beside another. */
void take_turns(double period_ms, double run_ms, int count, char **pids) {
    int64_t period_ns = period_ms * 1e6, run_ns = run_ms * 1e6;
    signal(SIGTERM, stop);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (int i = 0; i < count; i++) kill(atoi(pids[i]), SIGSTOP);
    puts("ready");
    fflush(stdout);
    for (int64_t start_ns = now_ns(); !stopped; start_ns += period_ns)
        for (int i = 0; i < count; i++) {
            int64_t window_ns = start_ns + i * period_ns / count;
            sleep_until(window_ns);
            kill(atoi(pids[i]), SIGCONT);
            sleep_until(window_ns + run_ns);
            kill(atoi(pids[i]), SIGSTOP);
        }
    for (int i = 0; i < count; i++) kill(atoi(pids[i]), SIGCONT);
}
