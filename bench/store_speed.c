/* SPDX-License-Identifier: MIT */
/* Our client at the work of bench/s3: see speed.h there, and bench/measure_s3.py. */
#include "s3/speed.h"

#include "store/store.h"

static enum pf_code read_ranges(struct pf_store *store, const struct speed *speed, pf_str key, struct pf_error *err) {
    struct pf_store_read *reads = calloc((size_t)speed->count, sizeof *reads);
    if (!reads) PF_FAIL(err, PF_NO_MEMORY, "no memory for %lld reads", (long long)speed->count);
    for (int64_t i = 0; i < speed->count; i++) {
        int64_t at = speed_place(speed, i);
        reads[i] = (struct pf_store_read){
            .key = key, .offset = at, .length = speed->bytes, .to = speed->buffer + at, .fd = -1};
    }
    enum pf_code code = pf_store_read_many(store, reads, (size_t)speed->count, NULL, NULL, err);
    free(reads);
    return code;
}

static enum pf_code run(struct pf_store *store, const struct speed *speed, struct pf_error *err) {
    pf_str key = pf_str_from_cstr(speed->key);
    if (speed_is(speed, "read")) return read_ranges(store, speed, key, err);
    for (int64_t i = 0; i < speed->count; i++) {
        struct pf_store_read whole = {.key = key, .length = speed->size, .to = speed->buffer, .fd = -1};
        if (speed_is(speed, "write")) {
            PF_TRY(pf_store_put(store, key, pf_str_from(speed->buffer, (size_t)speed->size), err));
        } else {
            PF_TRY(pf_store_read_many(store, &whole, 1, NULL, NULL, err));
        }
    }
    return PF_OK;
}

int main(int argc, char **argv) {
    struct speed speed;
    struct pf_error err = {0};
    struct pf_store *store = NULL;
    struct pf_store_options options = {0};
    char url[256];
    if (!speed_open(argc, argv, &speed)) return 2;
    snprintf(url, sizeof url, "s3://%s", speed.bucket);
    options.s3.endpoint = pf_str_from_cstr(speed.endpoint);
    options.s3.ca_path = pf_str_from_cstr(speed.ca_path);
    options.s3.in_flight = (int)speed.parallel;
    options.s3.part_bytes = SPEED_PART_BYTES;
    enum pf_code code = pf_store_open(pf_str_from_cstr(url), &options, &store, &err);
    speed_begin(&speed);
    if (code == PF_OK) code = run(store, &speed, &err);
    struct pf_store_counters counters = {0};
    if (store) pf_store_count(store, &counters);
    int status = code == PF_OK ? speed_end(&speed, counters.requests) : 1;
    if (code != PF_OK) fprintf(stderr, "store_speed: %s\n", err.message);
    pf_store_close(store);
    free(speed.buffer);
    return status;
}
