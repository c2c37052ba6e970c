/* SPDX-License-Identifier: MIT */
#include "roles/bench_data.h"

#include "base/file.h"
#include "base/process.h"

#include <sys/wait.h>
#include <unistd.h>

enum { MAX_QUERY_BYTES = 1 << 20, MAKE_LAKE_MS = 3600 * 1000 };

const char *const tpch_tables[TPCH_TABLE_COUNT] = {"region", "nation",   "supplier", "customer",
                                                   "part",   "partsupp", "orders",   "lineitem"};

/* The first that exists of: beside an installed program, in the source tree it was built in, in the current folder. */
static pf_str find_beside_program(const char *installed, const char *in_tree, struct pf_arena *arena) {
    pf_str folder = program_folder(arena);
    pf_str places[] = {
        pf_arena_printf(arena, "%.*s/../share/puffindb/%s", PF_STR_ARG(folder), installed),
        pf_arena_printf(arena, "%.*s/../../../%s", PF_STR_ARG(folder), in_tree),
        pf_arena_printf(arena, "%s", in_tree),
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i].ptr, R_OK) == 0) return places[i];
    }
    return PF_STR_EMPTY;
}

static enum pf_code make_data(pf_str scale, struct pf_arena *arena, pf_str *out_folder, struct pf_error *err) {
    pf_str tool = find_beside_program("make_lake", "tools/make_lake", arena), text;
    pid_t pid;
    int status = 1;
    if (tool.len == 0) PF_FAIL(err, PF_NOT_FOUND, "no data: name a folder of Parquet files with --data");
    pf_str answer = pf_arena_printf(arena, "/tmp/puffindb-bench-%d", (int)getpid());
    const char *argv[] = {tool.ptr, "tpch", "--sf", scale.ptr, NULL};
    PF_TRY(pf_process_spawn(&(struct pf_process_options){.argv = argv, .stdout_path = answer.ptr}, &pid, err));
    if (!pf_process_wait(pid, MAKE_LAKE_MS, &status)) pf_process_stop(pid, 1000);
    enum pf_code code = pf_file_read(answer.ptr, 4096, arena, &text, err);
    unlink(answer.ptr);
    PF_TRY(code);
    if (status != 0) PF_FAIL(err, PF_REMOTE, "tools/make_lake could not make the data; name a folder with --data");
    *out_folder = pf_arena_str(arena, pf_str_trim(text));
    return PF_OK;
}

enum pf_code find_bench_data(const struct pf_config *config, struct pf_arena *arena, pf_str *out_folder,
                             struct pf_error *err) {
    pf_str folder = pf_config_text(config, PF_CONFIG_DATA), scale = pf_config_text(config, PF_CONFIG_SF);
    double factor;
    if (!pf_str_to_f64(scale, &factor) || !(factor > 0)) {
        PF_FAIL(err, PF_INVALID, "--sf '%.*s': expected a number above 0, as in 0.1 or 10", PF_STR_ARG(scale));
    }
    if (folder.len == 0) return make_data(scale, arena, out_folder, err);
    *out_folder = folder;
    return PF_OK;
}

enum pf_code find_bench_table(pf_str folder, const char *table, struct pf_arena *arena, pf_str *out_pattern,
                              struct pf_error *err) {
    pf_str file = pf_arena_printf(arena, "%.*s/%s.parquet", PF_STR_ARG(folder), table);
    pf_str inside = pf_arena_printf(arena, "%.*s/%s", PF_STR_ARG(folder), table);
    if (access(file.ptr, R_OK) == 0) return *out_pattern = file, PF_OK;
    if (access(inside.ptr, R_OK) != 0) {
        PF_FAIL(err, PF_NOT_FOUND, "no %s.parquet and no folder %s in '%.*s'", table, table, PF_STR_ARG(folder));
    }
    *out_pattern = pf_arena_printf(arena, "%.*s/*.parquet", PF_STR_ARG(inside));
    return PF_OK;
}

enum pf_code read_bench_query(const struct pf_config *config, int number, struct pf_arena *arena, pf_str *out_sql,
                              struct pf_error *err) {
    pf_str folder = pf_config_text(config, PF_CONFIG_QUERY_DIR), sql;
    if (folder.len == 0) folder = find_beside_program("tpch", "bench/tpch", arena);
    if (folder.len == 0) PF_FAIL(err, PF_NOT_FOUND, "no queries: name the folder of q01.sql … with --query-dir");
    pf_str path = pf_arena_printf(arena, "%.*s/q%02d.sql", PF_STR_ARG(folder), number);
    PF_TRY(pf_file_read(path.ptr, MAX_QUERY_BYTES, arena, &sql, err));
    sql = pf_str_trim(sql);
    while (pf_str_ends_with(sql, PF_STR(";"))) sql.len--;
    *out_sql = sql;
    return PF_OK;
}

static bool read_number(pf_str text, int64_t *out_number) {
    return pf_str_to_i64(text, out_number) && *out_number >= 1 && *out_number <= TPCH_QUERY_COUNT;
}

enum pf_code read_query_list(pf_str text, bool wanted[TPCH_QUERY_COUNT + 1], struct pf_error *err) {
    pf_str part;
    for (int i = 0; i <= TPCH_QUERY_COUNT; i++) wanted[i] = text.len == 0;
    while (text.len && pf_str_next(&text, ',', &part)) {
        size_t dash = pf_str_find_char(part, '-', 0);
        int64_t first, last;
        bool is_good = read_number(pf_str_slice(part, 0, dash), &first);
        last = is_good ? first : 0;
        if (is_good && dash != SIZE_MAX) is_good = read_number(pf_str_slice(part, dash + 1, part.len), &last);
        if (!is_good || last < first) {
            PF_FAIL(err, PF_INVALID, "--queries: '%.*s' is neither a number from 1 to %d nor a range", PF_STR_ARG(part),
                    TPCH_QUERY_COUNT);
        }
        for (int64_t i = first; i <= last; i++) wanted[i] = true;
    }
    return PF_OK;
}
