/* SPDX-License-Identifier: MIT */
/* Ranged reads of one object through the store, one call after the other: how long they take, what they cost.
 *
 *   store_s3 URL KEY COUNT BYTES PARALLEL [no-hedging] [fill SIZE]
 *
 * Each call reads PARALLEL ranges of BYTES at once, at places spread over the object; `fill` writes the object before.
 * Prints one line of JSON. Credentials and endpoint come from the environment, as for puffindb. */
#include "base/clock.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int compare(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int fail(const struct pf_error *err) {
    fprintf(stderr, "store_s3: %s\n", err->message);
    return 1;
}

struct plan {
    pf_str key;
    int64_t count, bytes, parallel, size;
};

static enum pf_code fill(struct pf_store *store, const struct plan *plan, struct pf_error *err) {
    char *bytes = malloc((size_t)plan->size);
    if (!bytes) PF_FAIL(err, PF_NO_MEMORY, "no memory for %lld bytes", (long long)plan->size);
    for (int64_t i = 0; i < plan->size; i++) bytes[i] = (char)(i * 31 + i / 4096);
    enum pf_code code = pf_store_put(store, plan->key, pf_str_from(bytes, (size_t)plan->size), err);
    free(bytes);
    return code;
}

static enum pf_code read_once(struct pf_store *store, const struct plan *plan, int64_t call, struct pf_arena *arena,
                              struct pf_error *err) {
    struct pf_store_read *reads = PF_ARENA_ARRAY(arena, struct pf_store_read, (size_t)plan->parallel);
    for (int64_t i = 0; i < plan->parallel; i++) {
        int64_t places = plan->size / plan->bytes, place = (call * plan->parallel + i) % places;
        reads[i] = (struct pf_store_read){.key = plan->key, .offset = place * plan->bytes, .length = plan->bytes};
        reads[i].to = pf_arena_alloc(arena, (size_t)plan->bytes);
    }
    PF_TRY(pf_store_read_many(store, reads, (size_t)plan->parallel, NULL, NULL, err));
    for (int64_t i = 0; i < plan->parallel; i++) {
        for (int64_t at = 0; at < plan->bytes; at += 997) {
            int64_t position = reads[i].offset + at;
            if (reads[i].to[at] == (char)(position * 31 + position / 4096)) continue;
            PF_FAIL(err, PF_CORRUPT, "byte %lld is wrong", (long long)position);
        }
    }
    return PF_OK;
}

static int run(struct pf_store *store, const struct plan *plan, struct pf_error *err) {
    int64_t *took_us = calloc((size_t)plan->count, sizeof *took_us), started_ns = pf_clock_mono_ns();
    double cpu = cpu_seconds();
    if (!took_us) return 1;
    for (int64_t i = 0; i < plan->count; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "read");
        int64_t from_ns = pf_clock_mono_ns();
        enum pf_code code = read_once(store, plan, i, arena, err);
        took_us[i] = (pf_clock_mono_ns() - from_ns) / 1000;
        pf_arena_free(arena);
        if (code != PF_OK) {
            free(took_us);
            return fail(err);
        }
    }
    double seconds = (double)(pf_clock_mono_ns() - started_ns) / 1e9;
    struct pf_store_counters counters;
    pf_store_count(store, &counters);
    qsort(took_us, (size_t)plan->count, sizeof *took_us, compare);
    printf("{\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"p50_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld,\"requests\":%lld,"
           "\"retries\":%lld,\"throttled\":%lld,\"hedges\":%lld,\"hedges_won\":%lld,\"received_bytes\":%lld}\n",
           seconds, cpu_seconds() - cpu, (long long)took_us[plan->count / 2],
           (long long)took_us[plan->count * 99 / 100], (long long)took_us[plan->count - 1],
           (long long)counters.requests, (long long)counters.retries, (long long)counters.throttled,
           (long long)counters.hedges, (long long)counters.hedges_won, (long long)counters.received_bytes);
    free(took_us);
    return 0;
}

int main(int argc, char **argv) {
    struct pf_error err = {0};
    struct pf_store *store = NULL;
    struct pf_store_options options = {0};
    struct pf_store_object object = {0};
    struct plan plan = {0};
    if (argc < 6) {
        fprintf(stderr, "store_s3 URL KEY COUNT BYTES PARALLEL [no-hedging] [fill SIZE]\n");
        return 2;
    }
    plan.key = pf_str_from_cstr(argv[2]);
    bool is_good = pf_str_to_i64(pf_str_from_cstr(argv[3]), &plan.count) &&
                   pf_str_to_bytes(pf_str_from_cstr(argv[4]), &plan.bytes) &&
                   pf_str_to_i64(pf_str_from_cstr(argv[5]), &plan.parallel);
    for (int i = 6; i < argc; i++) {
        options.s3.no_hedging |= strcmp(argv[i], "no-hedging") == 0;
        if (strcmp(argv[i], "fill") == 0 && i + 1 < argc) {
            is_good &= pf_str_to_bytes(pf_str_from_cstr(argv[++i]), &plan.size);
        }
    }
    if (!is_good || plan.count < 1 || plan.bytes < 1 || plan.parallel < 1) return 2;
    enum pf_code code = pf_store_open(pf_str_from_cstr(argv[1]), &options, &store, &err);
    if (code == PF_OK && plan.size) code = fill(store, &plan, &err);
    if (code == PF_OK) code = pf_store_stat(store, plan.key, &object, &err);
    plan.size = object.size_bytes;
    if (code == PF_OK && plan.size < plan.bytes) {
        code = pf_error_set(&err, PF_INVALID, __FILE__, __LINE__, "the object is smaller than one read");
    }
    int status = code == PF_OK ? run(store, &plan, &err) : fail(&err);
    pf_store_close(store);
    return status;
}
