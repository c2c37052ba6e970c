/* SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <math.h>

double pf_random_unit(struct pf_random *random) {
    uint64_t value = random->state += 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return (double)((value ^ (value >> 31)) >> 11) * 0x1p-53;
}

enum { QUANTILES = 8 };
static const double shares[QUANTILES] = {0, 0.5, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1};

/* ms. S3: a million requests of 1 KB from functions (the maximum is left at what a hedged read shows, since reads and
 * writes are hedged here). Starts: C++ functions on provided.al2023, plus the time that DuckDB needs to open. The ones
 * without a published distribution have a typical middle and a tail in proportion: see docs/scheduler.md. */
static const struct {
    const char *name;
    double ms[QUANTILES];
} latencies[PF_LATENCY_COUNT] = {
    [PF_LATENCY_S3_GET] = {"S3 GET, first byte", {9, 26.9, 74.3, 105.5, 178, 283, 400, 600}},
    [PF_LATENCY_S3_PUT] = {"S3 PUT", {15, 40.4, 90.0, 123.4, 205, 403, 700, 1200}},
    [PF_LATENCY_REDIS] = {"Redis round trip", {0.2, 0.5, 0.9, 1.5, 4, 10, 20, 50}},
    [PF_LATENCY_COLD_START] = {"cold start", {70, 95, 130, 180, 400, 650, 800, 1000}},
    [PF_LATENCY_WARM_START] = {"warm start", {1, 1.4, 3, 8, 20, 40, 60, 100}},
    [PF_LATENCY_INVOKE] = {"invocation", {8, 14, 30, 60, 150, 300, 500, 1000}},
};

const char *pf_latency_name(enum pf_latency latency) {
    return latencies[latency].name;
}

double pf_latency_quantile(enum pf_latency latency, double share) {
    const double *ms = latencies[latency].ms;
    int at = 1;
    if (share <= 0) return ms[0];
    if (share >= 1) return ms[QUANTILES - 1];
    while (shares[at] < share) at++;
    double part = (share - shares[at - 1]) / (shares[at] - shares[at - 1]);
    return exp(log(ms[at - 1]) + part * (log(ms[at]) - log(ms[at - 1])));
}

double pf_latency_sample(enum pf_latency latency, struct pf_random *random) {
    return pf_latency_quantile(latency, pf_random_unit(random));
}
