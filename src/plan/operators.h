/* SPDX-License-Identifier: MIT */
/* The tree of a plan: operators, expressions, SQL types, as plain data. Part of plan/plan.h.
 *
 * Made by the planner, read-only once made: a changed plan shares the subtrees that stayed the same.
 * A PF_EXPR_COLUMN counts the output columns of the operator's child; in a join's residual, those of the left child
 * and then those of the right child. */
#ifndef PF_PLAN_OPERATORS_H
#define PF_PLAN_OPERATORS_H

#include "base/arena.h"

struct pf_buf;
struct pf_dataset;

/* ---- types ---- */

struct pf_sql_type {
    pf_str id;           /* DuckDB's: "DECIMAL", "LIST" */
    pf_str sql;          /* as a cast names it: "DECIMAL(15,2)", "INTEGER[]" */
    int width, scale;    /* of DECIMAL */
    pf_str *field_names; /* of STRUCT */
    uint32_t field_count;
    pf_str null_sql; /* an expression of this type that is NULL, where no cast names the type; see pf_sql_type_null */
};
/* SQL that is NULL and has this type. */
pf_str pf_sql_type_null(const struct pf_sql_type *type, struct pf_arena *arena);
bool pf_sql_type_equal(const struct pf_sql_type *a, const struct pf_sql_type *b);
int pf_sql_type_bytes(const struct pf_sql_type *type); /* what a value takes on average, for estimates */

/* ---- expressions ---- */

#define PF_EXPRS(X)                                                                                                    \
    X(COLUMN)   /* column */                                                                                           \
    X(CONSTANT) /* text, is_null; sql for nested types */                                                              \
    X(COMPARE)  /* name: the operator; 2 args */                                                                       \
    X(AND)                                                                                                             \
    X(OR)                                                                                                              \
    X(NOT)                                                                                                             \
    X(IS_NULL)                                                                                                         \
    X(IS_NOT_NULL)                                                                                                     \
    X(IN) /* args[0] in the rest; is_negated */                                                                        \
    X(COALESCE)                                                                                                        \
    X(TRY)                                                                                                             \
    X(CAST)       /* is_try */                                                                                         \
    X(CASE)       /* when, then, when, then, ..., else */                                                              \
    X(BETWEEN)    /* input, lower, upper */                                                                            \
    X(FUNCTION)   /* name; perhaps a lambda */                                                                         \
    X(AGGREGATE)  /* name, is_distinct, filter, sorts */                                                               \
    X(WINDOW)     /* window */                                                                                         \
    X(UNNEST)     /* args[0] */                                                                                        \
    X(LAMBDA_REF) /* column: 0 is the lambda's last parameter; captures follow the parameters */                       \
    X(TEMPLATE)   /* name: SQL text in which {0}, {1} ... stand for args; made by the planner */

enum pf_expr_kind {
#define X(name) PF_EXPR_##name,
    PF_EXPRS(X)
#undef X
        PF_EXPR_KIND_COUNT
};
const char *pf_expr_kind_name(enum pf_expr_kind kind);

struct pf_sort {
    const struct pf_expr *expr;
    bool is_descending, nulls_first;
};

struct pf_window {
    const struct pf_expr **partitions;
    uint32_t partition_count;
    struct pf_sort *sorts;
    uint32_t sort_count;
    struct pf_sort *arg_sorts; /* list(x ORDER BY y) OVER (...) */
    uint32_t arg_sort_count;
    pf_str start, end; /* "UNBOUNDED_PRECEDING", "EXPR_FOLLOWING_RANGE" ... as DuckDB names them */
    const struct pf_expr *start_expr, *end_expr;
    const struct pf_expr *offset, *fallback; /* of lag and lead */
    pf_str exclude;                          /* "TIES"; empty: nothing */
    bool ignore_nulls;
};

struct pf_expr {
    enum pf_expr_kind kind;
    const struct pf_sql_type *type;
    const struct pf_expr **args;
    uint32_t arg_count;
    uint32_t column;
    pf_str name;
    pf_str text, sql; /* CONSTANT */
    pf_str alias;     /* how the user or DuckDB calls it; may be empty */
    bool is_null, is_negated, is_try, is_distinct, lower_inclusive, upper_inclusive, is_operator;
    bool is_unread;               /* AGGREGATE: stands where a call was whose value nobody reads */
    const struct pf_expr *filter; /* AGGREGATE, WINDOW */
    struct pf_sort *sorts;        /* AGGREGATE */
    uint32_t sort_count;
    const struct pf_window *window;
    const struct pf_expr *lambda; /* body; args: list, perhaps the initial value, captures */
    uint32_t lambda_parameter_count;
    bool lambda_has_initial;
};

/* ---- operators ---- */

#define PF_OPS(X)                                                                                                      \
    X(SCAN)           /* scan_name, column_names */                                                                    \
    X(DATASET)        /* dataset, dataset_columns: the output of a stage */                                            \
    X(VALUES)         /* exprs, row by row */                                                                          \
    X(EMPTY)          /* no rows */                                                                                    \
    X(ONE_ROW)        /* one row, no columns */                                                                        \
    X(TABLE_FUNCTION) /* scan_name(exprs), column_names; with a child: once per row of it */                           \
    X(FILTER)         /* exprs: all must be true */                                                                    \
    X(PROJECT)        /* exprs */                                                                                      \
    X(AGGREGATE)      /* groups, exprs, grouping sets */                                                               \
    X(DISTINCT)       /* of all columns, or the first row (sorts) of each value of exprs */                            \
    X(WINDOW)         /* the child's columns, then exprs */                                                            \
    X(UNNEST)         /* the child's columns, then exprs */                                                            \
    X(ORDER)          /* sorts */                                                                                      \
    X(LIMIT)          /* limit, offset; with sorts: the first rows in that order */                                    \
    X(SAMPLE)         /* sample_text */                                                                                \
    X(JOIN)           /* join */                                                                                       \
    X(UNION)          /* all rows of all children */                                                                   \
    X(INTERSECT)      /* is_all */                                                                                     \
    X(EXCEPT)         /* is_all */                                                                                     \
    X(CTE)            /* children: definition, body; cte_index */                                                      \
    X(RECURSIVE)      /* children: start, step; cte_index; exprs: columns of USING KEY */                              \
    X(CTE_REF)        /* cte_index */

enum pf_op_kind {
#define X(name) PF_OP_##name,
    PF_OPS(X)
#undef X
        PF_OP_KIND_COUNT
};
const char *pf_op_kind_name(enum pf_op_kind kind); /* "SCAN" */

#define PF_JOINS(X)                                                                                                    \
    X(INNER, "JOIN")                                                                                                   \
    X(LEFT, "LEFT JOIN")                                                                                               \
    X(RIGHT, "RIGHT JOIN")                                                                                             \
    X(FULL, "FULL JOIN")                                                                                               \
    X(SEMI, "SEMI JOIN")                                                                                               \
    X(ANTI, "ANTI JOIN")                                                                                               \
    X(RIGHT_SEMI, "SEMI JOIN") /* rows of the right child */                                                           \
    X(RIGHT_ANTI, "ANTI JOIN")                                                                                         \
    X(MARK, "MARK JOIN")     /* the left child's columns and a three-valued BOOLEAN */                                 \
    X(SINGLE, "SINGLE JOIN") /* like LEFT, but a second match is an error */                                           \
    X(POSITIONAL, "POSITIONAL JOIN")

enum pf_join_kind {
#define X(name, sql) PF_JOIN_##name,
    PF_JOINS(X)
#undef X
        PF_JOIN_KIND_COUNT
};
const char *pf_join_kind_name(enum pf_join_kind kind); /* "RIGHT_SEMI" */
const char *pf_join_kind_sql(enum pf_join_kind kind);

struct pf_join_condition {
    const struct pf_expr *left, *right; /* over the left, the right child's columns */
    pf_str op;                          /* "=", "IS NOT DISTINCT FROM", "<" ... */
};

struct pf_join {
    enum pf_join_kind kind;
    bool is_asof;
    struct pf_join_condition *conditions; /* none and no residual: a cross product */
    uint32_t condition_count;
    const struct pf_expr *residual; /* NULL: none */
};

struct pf_limit {
    int64_t count, offset; /* count negative: no limit */
    double percent;        /* negative: none */
    const struct pf_expr *count_expr, *offset_expr;
};

struct pf_op {
    enum pf_op_kind kind;
    int id; /* unique in a plan */
    const struct pf_op **children;
    uint32_t child_count;
    const struct pf_sql_type **types; /* of the output columns */
    uint32_t column_count;
    double rows; /* estimate; exact for datasets */

    const struct pf_expr **exprs;
    uint32_t expr_count;
    struct pf_sort *sorts;
    uint32_t sort_count;

    pf_str scan_name;      /* SCAN: the parameter of lake_scan; TABLE_FUNCTION: the function */
    uint32_t arg_count;    /* TABLE_FUNCTION over a child: so many exprs are arguments, the rest comes out last */
    pf_str *column_names;  /* SCAN, TABLE_FUNCTION: of the output columns; empty: a row number or the like */
    pf_str column_aliases; /* TABLE_FUNCTION: quoted names of all it returns, used or not */
    double scan_rows, scan_bytes; /* SCAN: the whole table */

    const struct pf_expr **groups; /* AGGREGATE: first in the output */
    uint32_t group_count;
    uint64_t *grouping_sets; /* bit g: group g is in the set; no sets: plain GROUP BY of all groups */
    uint32_t grouping_set_count;
    uint64_t *grouping_functions; /* as grouping_sets, bits in *_order; last in the output */
    uint8_t (*grouping_orders)[64];
    uint8_t *grouping_lengths;
    uint32_t grouping_function_count;
    bool is_partial_merge; /* AGGREGATE: merges partial rows */

    struct pf_limit limit;
    const struct pf_join *join;
    bool is_all;
    bool has_own_keys; /* RECURSIVE: UNION instead of UNION ALL */
    int cte_index;
    pf_str sample_text; /* "reservoir(10 ROWS)" */

    const struct pf_dataset *dataset; /* DATASET; NULL until the stage has ended */
    int dataset_stage_id;
    int *dataset_columns;                /* output column -> column of the stage; -1: dropped, nobody reads it */
    const struct pf_expr **dataset_keys; /* over the output: what it is partitioned by */
    uint32_t dataset_key_count;
    bool dataset_is_gathered; /* its rows must meet in one place */
    pf_str dataset_reason;    /* why, where it isn't only natural */
};

struct pf_plan {
    const struct pf_op *root;
    int next_op_id;
    pf_str *column_names; /* of the result */
};

/* ---- helpers ---- */

bool pf_expr_equal(const struct pf_expr *a, const struct pf_expr *b); /* same value for the same row; not the alias */
/* Visits every expression an operator holds (not those below other expressions). */
void pf_op_visit_exprs(const struct pf_op *op, void (*visit)(void *context, const struct pf_expr *expr), void *context);
/* Calls `visit` for the expression and all below it, lambdas included. */
void pf_expr_walk(const struct pf_expr *expr, void (*visit)(void *context, const struct pf_expr *expr), void *context);
/* Replaces column c by columns[c]; NULL if one that occurs has no replacement. */
const struct pf_expr *pf_expr_substitute(const struct pf_expr *expr, const struct pf_expr *const *columns,
                                         uint32_t column_count, struct pf_arena *arena);
bool pf_expr_is_volatile(const struct pf_expr *expr); /* another value at each call: random() ... */

const struct pf_expr *pf_expr_column(struct pf_arena *arena, uint32_t column, const struct pf_sql_type *type);
const struct pf_expr *pf_expr_template(struct pf_arena *arena, const struct pf_sql_type *type, const char *sql,
                                       const struct pf_expr *const *args, uint32_t arg_count);
const struct pf_sql_type *pf_sql_type_simple(struct pf_arena *arena, const char *sql);

/* One line per operator, indented, with columns and estimates: for tests and people. */
void pf_op_print(const struct pf_op *op, struct pf_buf *out);
void pf_expr_print(const struct pf_expr *expr, struct pf_buf *out); /* columns as #0, #1 */

#endif
