/* SPDX-License-Identifier: MIT */
/* What a query costs, and how long it would take on functions: prices, latencies, and a simulation in virtual time.
 *
 * Pure: no I/O, no clock. docs/scheduler.md explains the model and names the source of each figure. */
#ifndef PF_MODEL_MODEL_H
#define PF_MODEL_MODEL_H

#include "base/arena.h"

/* --- prices: the one table of them, prices.c --- */

enum pf_price {
    PF_PRICE_FUNCTION_GB_S, /* a function of 1 GB for 1 s */
    PF_PRICE_INVOCATION,
    PF_PRICE_S3_PUT, /* one request: PUT, POST, LIST */
    PF_PRICE_S3_GET,
    PF_PRICE_REDIS_KB, /* one KB in or out of a serverless Redis */
    PF_PRICE_COUNT
};

struct pf_price_row {
    const char *name, *unit;
    double dollars; /* for one unit */
    const char *source;
};
/* List prices, us-east-1, in dollars. */
const struct pf_price_row *pf_price(enum pf_price price);

/* So many bytes cost as much in Redis, once in and once out, as this request. */
int64_t pf_price_worth_bytes(enum pf_price request);

/* What was used; all may be fractions, so that parts add up. */
struct pf_usage {
    double gb_s, invocations, puts, gets, redis_kb;
};
double pf_usage_dollars(const struct pf_usage *usage);
void pf_usage_add(struct pf_usage *sum, const struct pf_usage *more);

/* --- latencies, latency.c --- */

/* A source of numbers that is the same everywhere: SplitMix64. */
struct pf_random {
    uint64_t state;
};
double pf_random_unit(struct pf_random *random); /* 0 <= x < 1 */

enum pf_latency {
    PF_LATENCY_S3_GET, /* first byte */
    PF_LATENCY_S3_PUT,
    PF_LATENCY_REDIS,      /* one round trip */
    PF_LATENCY_COLD_START, /* process start to the first claim, with DuckDB open */
    PF_LATENCY_WARM_START,
    PF_LATENCY_INVOKE, /* until the service has taken an asynchronous invocation */
    PF_LATENCY_COUNT
};
const char *pf_latency_name(enum pf_latency latency);
/* ms at a share of all cases, 0 <= share <= 1: between the measured quantiles along their logarithms. */
double pf_latency_quantile(enum pf_latency latency, double share);
double pf_latency_sample(enum pf_latency latency, struct pf_random *random);

/* --- what queries need: tpch_profile_table.c, written by bench/profile --- */

enum { PF_TPCH_QUERIES = 22, PF_MODEL_MAX_WORKERS = 20000 };

enum pf_spread_out { PF_SPREAD_GATHER_OUT, PF_SPREAD_BROADCAST_OUT, PF_SPREAD_REPARTITION_OUT };

struct pf_stage_profile {
    double cpu_share;             /* of the query's processor time */
    double scanned_mb, output_mb; /* at the scale of the profile; scanned: compressed */
    double output_growth;         /* output ~ scale^x */
    enum pf_spread_out out;
    bool is_single; /* runs in one task, whatever the size */
};

struct pf_query_profile {
    const char *name;
    double cpu_s; /* at the scale of the profile */
    double cpu_growth;
    const struct pf_stage_profile *stages;
    size_t stage_count;
};
extern const double pf_tpch_profile_scale;
extern const struct pf_query_profile pf_tpch_profile[PF_TPCH_QUERIES];

/* --- a query on functions, predict.c --- */

enum pf_medium_choice { PF_MEDIUM_BY_SIZE, PF_MEDIUM_S3_ONLY, PF_MEDIUM_REDIS_ONLY };

struct pf_fleet_model {
    int workers;         /* functions at most */
    int memory_mb;       /* of each; decides how many vCPUs it has */
    bool is_cold;        /* all of them start anew, else they are there, warm */
    int function_copies; /* identical functions: each ramps by itself */
    double cpu_factor;   /* a vCPU of the service against a core of the profile's machine */
    double task_s;       /* work of one task aimed at */
    double redis_us;     /* what Redis works for one task: claim, heartbeat, publish, event */
    double redis_gb_s;   /* what Redis moves at most, all of it */
    double warm_reads;   /* share of reads that find their data in the worker's memory */
    double slow_tasks;   /* share of tasks that take slow_factor times as long (a bad host) */
    double slow_factor;
    bool speculates; /* late tasks get a second attempt */
    enum pf_medium_choice medium;
    uint64_t seed;
};
void pf_fleet_model_default(struct pf_fleet_model *model);

struct pf_prediction {
    double seconds, dollars;
    double start_s; /* until the first task of the first stage was claimed by everybody it was for */
    double work_s;  /* sum over tasks, waits for bytes included */
    double claim_p50_ms, claim_p99_ms;
    int64_t tasks, second_attempts;
    int workers_used;
    struct pf_usage usage;
};
/* Runs the stages one after the other, each with as many tasks as its work is worth. PF_INVALID for a model that makes
 * no sense. Same seed, same result. */
enum pf_code pf_predict_query(const struct pf_query_profile *query, double scale, const struct pf_fleet_model *model,
                              struct pf_prediction *out_prediction, struct pf_error *err) PF_MUST_CHECK;
/* The number of workers (a power of two up to model->workers) with the least time x dollars, and what it gives. */
enum pf_code pf_predict_best(const struct pf_query_profile *query, double scale, const struct pf_fleet_model *model,
                             struct pf_prediction *out_prediction, struct pf_error *err) PF_MUST_CHECK;

#endif
