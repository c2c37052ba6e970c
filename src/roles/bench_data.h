/* SPDX-License-Identifier: MIT */
/* Files of the benchmark: data, and the text of its queries. */
#ifndef PF_ROLES_BENCH_DATA_H
#define PF_ROLES_BENCH_DATA_H

#include "roles/roles_internal.h"

enum { TPCH_TABLE_COUNT = 8, TPCH_QUERY_COUNT = 22 };
extern const char *const tpch_tables[TPCH_TABLE_COUNT];

/* --data, else a folder that tools/make_lake makes (once). */
enum pf_code find_bench_data(const struct pf_config *config, struct pf_arena *arena, pf_str *out_folder,
                             struct pf_error *err) PF_MUST_CHECK;
/* <folder>/<table>.parquet or <folder>/<table>/<any>.parquet, as a pattern. */
enum pf_code find_bench_table(pf_str folder, const char *table, struct pf_arena *arena, pf_str *out_pattern,
                              struct pf_error *err) PF_MUST_CHECK;
/* qNN.sql from --query-dir, else from where this program is installed or was built. */
enum pf_code read_bench_query(const struct pf_config *config, int number, struct pf_arena *arena, pf_str *out_sql,
                              struct pf_error *err) PF_MUST_CHECK;
/* "1,6" and "1-5"; empty: all. */
enum pf_code read_query_list(pf_str text, bool wanted[TPCH_QUERY_COUNT + 1], struct pf_error *err) PF_MUST_CHECK;

#endif
