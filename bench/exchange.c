/* SPDX-License-Identifier: MIT */
/* How fast rows pass from one stage to the next: MB/s of writing and reading, on one thread and on all cores.
 *
 *     exchange_bench [FOLDER]                       default: /dev/shm/puffindb-bench
 *     exchange_bench FOLDER codecs FILE.parquet     objects of a store, in memory, with each codec
 *
 * Rows like TPC-H's lineitem, 9 columns, by 1, 16 and 64 partitions. "make rows" is the time of the same statement
 * without the exchange, which is taken off. Files are written anew each round. */
#include "exchange/exchange.h"
#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char TABLE[] =
    "CREATE TABLE rows AS SELECT range AS orderkey, (range * 7) % 200000 AS partkey, (range * 13) % 10000 AS suppkey, "
    "(range % 50)::DECIMAL(15,2) AS quantity, (range % 100000)::DECIMAL(15,2) AS price, 0.05::DECIMAL(15,2) AS "
    "discount, "
    "DATE '1992-01-01' + (range % 2500)::INTEGER AS shipdate, 'comment number ' || (range % 77777) || ' xyz' AS "
    "comment, "
    "CASE WHEN range % 2 = 0 THEN 'A' ELSE 'N' END AS flag FROM range(3000000)";

enum { ROUNDS = 5 };

struct setup {
    struct pf_exchange *exchange;
    struct pf_session *session;
    struct pf_arena *arena;
};

static enum pf_code timed_run(struct setup *setup, pf_str sql, int64_t *best_ns, struct pf_error *err) {
    int64_t start_ns = pf_clock_mono_ns();
    PF_TRY(pf_session_run(setup->session, sql, err));
    int64_t ns = pf_clock_mono_ns() - start_ns;
    if (!*best_ns || ns < *best_ns) *best_ns = ns;
    return PF_OK;
}

static enum pf_code measure_round(struct setup *setup, pf_str select, int partitions, int64_t *write_ns,
                                  int64_t *read_ns, int64_t *size_bytes, struct pf_error *err) {
    struct pf_exchange_output output;
    pf_str path, name = PF_STR("bench");
    PF_TRY(pf_exchange_begin_output(setup->exchange, name, PF_STR("bench/0/0.0"), setup->arena, &path, err));
    pf_str copy = pf_arena_printf(
        setup->arena, "COPY (%.*s) TO '%.*s' (FORMAT exchange, OUTPUT 'bench', PARTITIONS %d, PER_THREAD_OUTPUT true)",
        PF_STR_ARG(select), PF_STR_ARG(path), partitions);
    PF_TRY(timed_run(setup, copy, write_ns, err));
    PF_TRY(pf_exchange_take_output(setup->exchange, name, setup->arena, &output, err));
    struct pf_exchange_input input = {.name = name, .outputs = &output, .output_count = 1};
    PF_TRY(pf_exchange_bind_input(setup->exchange, &input, err));
    enum pf_code code =
        timed_run(setup, PF_STR("SELECT any_value(COLUMNS(*)) FROM exchange_read('bench')"), read_ns, err);
    pf_exchange_unbind_input(setup->exchange, name);
    *size_bytes = output.size_bytes;
    PF_TRY(code);
    return pf_exchange_remove_files(setup->exchange, PF_STR("bench"), err);
}

static enum pf_code measure(struct setup *setup, int threads, int partitions, struct pf_error *err) {
    pf_str select =
        partitions > 1
            ? pf_arena_printf(setup->arena, "SELECT (hash(orderkey) %% %d)::USMALLINT, * FROM rows", partitions)
            : PF_STR("SELECT * FROM rows");
    int64_t make_ns = 0, write_ns = 0, read_ns = 0, size_bytes = 0;
    pf_str without = pf_arena_printf(setup->arena, "SELECT any_value(COLUMNS(*)) FROM (%.*s)", PF_STR_ARG(select));
    for (int i = 0; i < ROUNDS; i++) {
        PF_TRY(timed_run(setup, without, &make_ns, err));
        PF_TRY(measure_round(setup, select, partitions, &write_ns, &read_ns, &size_bytes, err));
    }
    double megabytes = (double)size_bytes / 1e6, own_ns = (double)(write_ns > make_ns ? write_ns - make_ns : 1);
    printf("%7d %10d %8.1f %9.1f %8.1f %8.1f %11.0f %10.0f %16.0f\n", threads, partitions, megabytes,
           (double)make_ns / 1e6, (double)write_ns / 1e6, (double)read_ns / 1e6, megabytes * 1e9 / own_ns,
           megabytes * 1e9 / (double)read_ns, megabytes * 1e9 / (double)(write_ns + read_ns) / threads);
    return PF_OK;
}

static enum pf_code run_threads(const char *folder, int threads, struct pf_error *err) {
    struct pf_exchange_options options;
    struct pf_engine_options engine_options = {.threads = threads};
    struct pf_engine *engine;
    struct setup setup = {.arena = pf_arena_new(NULL, "bench")};
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(folder);
    PF_TRY(pf_exchange_open(&options, &setup.exchange, err));
    PF_TRY(pf_engine_open(&engine_options, &engine, err));
    PF_TRY(pf_exchange_register(setup.exchange, engine, err));
    PF_TRY(pf_session_open(engine, &setup.session, err));
    PF_TRY(pf_session_run(setup.session, pf_str_from_cstr(TABLE), err));
    static const int PARTITIONS[] = {1, 16, 64};
    for (size_t i = 0; i < sizeof PARTITIONS / sizeof *PARTITIONS; i++)
        PF_TRY(measure(&setup, threads, PARTITIONS[i], err));
    pf_session_close(setup.session);
    pf_engine_close(engine);
    pf_exchange_close(setup.exchange);
    pf_arena_free(setup.arena);
    return PF_OK;
}

/* ---- codecs ---- */

enum { MAX_OBJECTS = 4096 };
struct memory {
    struct pf_arena *arena;
    struct {
        pf_str key, bytes;
    } objects[MAX_OBJECTS];
    size_t count;
};

static enum pf_code put_object(void *context, pf_str key, const pf_str *pieces, size_t count, struct pf_error *err) {
    struct memory *memory = context;
    size_t size_bytes = 0, at = 0;
    if (memory->count == MAX_OBJECTS) PF_FAIL(err, PF_NO_MEMORY, "too many objects");
    for (size_t i = 0; i < count; i++) size_bytes += pieces[i].len;
    char *bytes = pf_arena_alloc(memory->arena, size_bytes);
    for (size_t i = 0; i < count; at += pieces[i++].len) memcpy(bytes + at, pieces[i].ptr, pieces[i].len);
    memory->objects[memory->count].key = pf_arena_str(memory->arena, key);
    memory->objects[memory->count++].bytes = pf_str_from(bytes, size_bytes);
    return PF_OK;
}

static enum pf_code get_objects(void *context, const struct pf_exchange_read *reads, size_t count,
                                const struct pf_exchange_watch *watch, struct pf_error *err) {
    const struct memory *memory = context;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < memory->count && !pf_str_equal(memory->objects[k].key, reads[i].key)) k++;
        if (k == memory->count) PF_FAIL(err, PF_NOT_FOUND, "no '%.*s'", PF_STR_ARG(reads[i].key));
        memcpy(reads[i].to, memory->objects[k].bytes.ptr + reads[i].offset, reads[i].size_bytes);
        if (watch->on_read) watch->on_read(watch->context, i);
    }
    return PF_OK;
}

static enum pf_code measure_codec(const char *folder, const char *file, enum pf_exchange_codec codec,
                                  struct pf_error *err) {
    static const char *const names[] = {"none", "lz4", "zstd"};
    struct pf_exchange_options options;
    struct pf_engine_options engine_options = {.threads = 1};
    struct pf_engine *engine;
    struct setup setup = {.arena = pf_arena_new(NULL, "bench")};
    struct memory *memory = PF_ARENA_NEW(setup.arena, struct memory);
    int64_t make_ns = 0, write_ns = 0, read_ns = 0, size_bytes = 0;
    memory->arena = setup.arena;
    pf_exchange_default_options(&options);
    options.scratch_directory = pf_str_from_cstr(folder);
    options.store = (struct pf_exchange_io){.context = memory, .put = put_object, .get = get_objects};
    options.codec = codec;
    PF_TRY(pf_exchange_open(&options, &setup.exchange, err));
    PF_TRY(pf_engine_open(&engine_options, &engine, err));
    PF_TRY(pf_exchange_register(setup.exchange, engine, err));
    PF_TRY(pf_session_open(engine, &setup.session, err));
    pf_str table = pf_arena_printf(setup.arena, "CREATE TABLE rows AS FROM '%s' LIMIT 3000000", file);
    PF_TRY(pf_session_run(setup.session, table, err));
    pf_str select = PF_STR("SELECT (hash(l_orderkey) % 16)::USMALLINT, * FROM rows");
    pf_str without = pf_arena_printf(setup.arena, "SELECT any_value(COLUMNS(*)) FROM (%.*s)", PF_STR_ARG(select));
    for (int i = 0; i < ROUNDS; i++) {
        memory->count = 0;
        PF_TRY(timed_run(&setup, without, &make_ns, err));
        PF_TRY(measure_round(&setup, select, 16, &write_ns, &read_ns, &size_bytes, err));
    }
    printf("%-6s %8.1f %9.1f %8.1f\n", names[codec], (double)size_bytes / 1e6, (double)(write_ns - make_ns) / 1e6,
           (double)read_ns / 1e6);
    pf_session_close(setup.session);
    pf_engine_close(engine);
    pf_exchange_close(setup.exchange);
    pf_arena_free(setup.arena);
    return PF_OK;
}

static enum pf_code measure_codecs(const char *folder, const char *file, struct pf_error *err) {
    printf("codec        MB  write ms  read ms\n");
    for (int codec = PF_CODEC_NONE; codec <= PF_CODEC_ZSTD; codec++)
        PF_TRY(measure_codec(folder, file, (enum pf_exchange_codec)codec, err));
    return PF_OK;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "/dev/shm/puffindb-bench";
    int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct pf_error err;
    bool has_codecs = argc > 3;
    if (!has_codecs)
        printf("threads partitions       MB  make ms write ms  read ms  write MB/s  read MB/s  both MB/s/core\n");
    enum pf_code code = has_codecs ? measure_codecs(folder, argv[3], &err) : run_threads(folder, 1, &err);
    if (code == PF_OK && cores > 1 && !has_codecs) code = run_threads(folder, cores, &err);
    if (code != PF_OK) fprintf(stderr, "%s\n", err.message);
    if (pf_file_remove_tree(folder, NULL) != PF_OK) fprintf(stderr, "%s is left behind\n", folder);
    return code == PF_OK ? 0 : 1;
}
