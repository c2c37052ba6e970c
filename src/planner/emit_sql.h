/* SPDX-License-Identifier: MIT */
/* Printing SQL: what the emitter's files share.
 *
 * An operator is printed as a block: the parts of one SELECT. Operators above merge into it as long as that keeps the
 * meaning (a filter into WHERE, a join into FROM); otherwise the block becomes a subquery with an alias.
 * Every FROM item has an alias of its own and every column is named with it, so no name is ever ambiguous. */
#ifndef PF_PLANNER_EMIT_SQL_H
#define PF_PLANNER_EMIT_SQL_H

#include "base/buf.h"
#include "plan/plan.h"

enum { MAX_SQL_BYTES = 64 << 20 };

struct block {
    pf_str with;     /* "WITH ..." in front of the SELECT; empty: none */
    pf_str from;     /* empty: none */
    bool is_join;    /* `from` is more than one item */
    pf_str where;    /* conjuncts, without WHERE */
    pf_str tail;     /* GROUP BY, ORDER BY, LIMIT: what comes behind WHERE */
    pf_str distinct; /* "DISTINCT " or "DISTINCT ON (...) " */
    bool is_closed;  /* nothing more may be merged */
    pf_str *columns; /* SQL of each column of the operator; empty: nobody needs it */
    uint32_t column_count;
    bool is_plain; /* every column is a name */
};

/* A CTE in scope while its body is printed. */
struct cte_name {
    int cte_index;
    pf_str name;
    const bool *needed; /* its columns are called c0, c1 ... by their position */
    const struct cte_name *outer;
};

/* Which branch of a union a fragment runs. */
struct branch_choice {
    int op_id;
    uint32_t branch;
};

struct cte_scope;

struct emitter {
    struct pf_arena *arena;
    int next_alias, lambda_depth;
    const struct cte_name *ctes;
    const struct cte_scope *scopes; /* of a fragment: CTEs around it */

    bool is_fragment;       /* scans and datasets become ${i}; otherwise lake_scan('...') */
    int driving_id;         /* the leaf whose splits or producers the tasks divide; 0: none */
    const int *aligned_ids; /* leaves read partition by partition */
    uint32_t aligned_count;
    const int *split_ids; /* of these: may be read in shares */
    uint32_t split_count;
    const struct branch_choice *choices;
    uint32_t choice_count;
    struct pf_input *inputs;
    size_t input_count, input_capacity;
};

/* needs.c: `need` has one flag per output column of `op`. Sets the flags of child `i`'s columns. */
void need_child(const struct pf_op *op, uint32_t child, const bool *need, bool *child_need);
/* Adds what `body` reads of a CTE. */
void need_cte(const struct pf_op *body, const bool *need, int cte_index, bool *cte_need, struct pf_arena *arena);

/* emit_expressions.c: `columns` is the SQL of what COLUMN counts. */
enum pf_code emit_expr(struct emitter *emitter, const struct pf_expr *expr, const pf_str *columns,
                       uint32_t column_count, pf_str *out_sql, struct pf_error *err) PF_MUST_CHECK;
enum pf_code emit_sorts(struct emitter *emitter, const struct pf_sort *sorts, uint32_t count, const pf_str *columns,
                        uint32_t column_count, pf_str *out_sql, struct pf_error *err) PF_MUST_CHECK;

/* emit_calls.c: functions, aggregates, windows; for emit_expressions.c */
struct expr_printer {
    struct emitter *emitter;
    struct pf_buf *buf;
    const pf_str *columns;
    uint32_t column_count;
    const pf_str *lambda_columns; /* what LAMBDA_REF counts */
    uint32_t lambda_column_count;
};
enum pf_code print_expr(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) PF_MUST_CHECK;
enum pf_code print_exprs(struct expr_printer *printer, const struct pf_expr *const *exprs, uint32_t count,
                         struct pf_error *err) PF_MUST_CHECK;
enum pf_code print_sorts(struct expr_printer *printer, const struct pf_sort *sorts, uint32_t count,
                         struct pf_error *err) PF_MUST_CHECK;
enum pf_code print_function(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code print_aggregate(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code print_window(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) PF_MUST_CHECK;
/* emit_constants.c. `is_bare`: the place fixes the type well enough for a plain number. */
void print_constant(struct expr_printer *printer, const struct pf_expr *expr, bool is_bare);
/* Width and scale of the literal print_constant makes of a bare DECIMAL; false if it makes none. */
bool bare_decimal(const struct pf_expr *expr, int *out_width, int *out_scale);

/* emit_relations.c, emit_leaves.c, emit_joins.c */
enum pf_code emit_op(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *out_block,
                     struct pf_error *err) PF_MUST_CHECK;
enum pf_code emit_leaf(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *out_block,
                       struct pf_error *err) PF_MUST_CHECK;
enum pf_code emit_join(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *out_block,
                       struct pf_error *err) PF_MUST_CHECK;
/* For FILTER over SCAN: what may skip files of the scan's input, which emit_leaf has just added. */
void add_predicates(struct emitter *emitter, const struct pf_op *scan, const struct pf_op *filter,
                    struct pf_input *input);

/* emit_sql.c: the outermost SELECT */
pf_str select_with_names(struct emitter *emitter, struct block *block, const pf_str *names);

/* emit_blocks.c */
struct block *block_init(struct emitter *emitter, struct block *block, uint32_t column_count);
pf_str block_select(struct emitter *emitter, const struct block *block); /* columns named c0, c1 ... */
void block_wrap(struct emitter *emitter, struct block *block);           /* makes it open and plain */
pf_str new_alias(struct emitter *emitter);
pf_str join_texts(struct pf_arena *arena, const pf_str *texts, uint32_t count, const char *separator);

#endif
