/* SPDX-License-Identifier: MIT */
/* Reading json_serialize_plan: what the reader's files share. */
#ifndef PF_PLANNER_READ_DUCKDB_JSON_H
#define PF_PLANNER_READ_DUCKDB_JSON_H

#include "base/json.h"
#include "plan/plan.h"

enum { MAX_NESTING = 200, MAX_COLUMNS = 20000, FIRST_DELIM_CTE = 1 << 24 };

/* A delim join being read: its DELIM_GETs read the keys from this CTE. */
struct delim_scope {
    int keys_cte;
    uint32_t column_count; /* the widest DELIM_GET seen */
    struct delim_scope *outer;
};

struct reader {
    struct pf_arena *arena;
    const struct pf_table_facts *facts;
    size_t fact_count;
    int depth; /* of operators or expressions being read; at most MAX_NESTING */
    bool is_in_lambda;
    int next_op_id, next_cte;
    struct delim_scope *delims;
    const double *estimates; /* by pre-order position; NULL: none */
    size_t estimate_count, position;
    /* While the expressions of an operator are read: tells columns given by binding (rare) from each other. */
    int64_t binding_table;
};

/* read_types.c */
pf_json *get_value(pf_json *object, const char *key); /* NULL for null, too */
enum pf_code read_type(struct reader *reader, pf_json *json, const struct pf_sql_type **out_type, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_types(struct reader *reader, pf_json *list, const struct pf_sql_type ***out_types,
                        uint32_t *out_count, struct pf_error *err) PF_MUST_CHECK;
pf_str quote_name(struct pf_arena *arena, pf_str name);   /* "a ""b""" */
pf_str quote_string(struct pf_arena *arena, pf_str text); /* 'it''s' */

/* read_constants.c: {type, is_null, value} */
enum pf_code read_constant(struct reader *reader, pf_json *json, struct pf_expr *out_expr, struct pf_error *err)
    PF_MUST_CHECK;

/* read_expressions.c */
enum pf_code read_expr(struct reader *reader, pf_json *json, const struct pf_expr **out_expr, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_exprs(struct reader *reader, pf_json *list, const struct pf_expr ***out_exprs, uint32_t *out_count,
                        struct pf_error *err) PF_MUST_CHECK;
enum pf_code read_sorts(struct reader *reader, pf_json *list, struct pf_sort **out_sorts, uint32_t *out_count,
                        struct pf_error *err) PF_MUST_CHECK;
pf_str comparison_sql(pf_str duckdb_type); /* COMPARE_EQUAL -> "="; empty: not one */

/* read_functions.c: arguments that DuckDB's binder moved into function_data, lambdas */
enum pf_code read_function(struct reader *reader, pf_json *json, struct pf_expr *out_expr, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_aggregate(struct reader *reader, pf_json *json, struct pf_expr *out_expr, struct pf_error *err)
    PF_MUST_CHECK;

/* read_operators.c, read_scans.c, read_joins.c */
enum pf_code read_operator(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_get(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) PF_MUST_CHECK;
enum pf_code read_join(struct reader *reader, pf_json *json, pf_str kind, struct pf_op **out_op, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_delim_get(struct reader *reader, struct pf_op **out_op, struct pf_error *err) PF_MUST_CHECK;
struct pf_op *reader_new_op(struct reader *reader, enum pf_op_kind kind, uint32_t child_count, uint32_t column_count);
/* A projection of some columns of `child`. */
struct pf_op *reader_project(struct reader *reader, const struct pf_op *child, const uint32_t *columns, uint32_t count);
/* Whether every column an operator's expressions name exists in its children. */
enum pf_code check_columns(const struct pf_op *op, struct pf_error *err) PF_MUST_CHECK;

#endif
