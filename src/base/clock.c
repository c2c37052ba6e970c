/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

int64_t pf_clock_mono_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t pf_clock_mono_ms(void) {
    return pf_clock_mono_ns() / 1000000;
}

int64_t pf_clock_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pf_clock_sleep_ms(int64_t ms) {
    if (ms <= 0) return;
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

pf_str pf_clock_format(int64_t wall_ms, char text[PF_CLOCK_TEXT_BYTES]) {
    time_t seconds = wall_ms / 1000;
    int64_t rest = wall_ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    struct tm date;
    gmtime_r(&seconds, &date);
    char day[24];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &date);
    snprintf(text, PF_CLOCK_TEXT_BYTES, "%s.%03dZ", day, (int)rest);
    return pf_str_from_cstr(text);
}

struct pf_deadline pf_deadline_in(int64_t ms) {
    return (struct pf_deadline){pf_clock_mono_ms() + ms};
}

int64_t pf_deadline_left_ms(struct pf_deadline deadline) {
    int64_t left = deadline.mono_ms - pf_clock_mono_ms();
    return left > 0 ? left : 0;
}

void pf_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool pf_condition_wait_ms(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wait_ms) {
    int64_t until_ns = pf_clock_mono_ns() + (wait_ms > 0 ? wait_ms : 0) * 1000000;
    struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    return pthread_cond_timedwait(condition, mutex, &until) != ETIMEDOUT;
}
