/* SPDX-License-Identifier: MIT */
/* Types of a plan: plain data that the planner makes and the query runner reads. Read-only once made.
 *
 * Operators and expressions (struct pf_op, struct pf_expr) mirror DuckDB's bound logical plan; stages, fragments and
 * datasets are ours. What changes while a query runs is kept elsewhere (query/). */
#ifndef PF_PLAN_PLAN_H
#define PF_PLAN_PLAN_H

#include "base/arena.h"
#include "plan/operators.h"

/* Why something can't be spread over workers: an answer, not an error. */
struct pf_reason {
    pf_str why;      /* empty: no reason */
    bool is_natural; /* nothing is lost by it: there is little to do, or the result is put together */
};

/* ---- facts about tables ---- */

struct pf_table_facts {
    pf_str scan_name; /* as in lake_scan('...') */
    int64_t row_count, size_bytes;
    int file_count;
};

/* ---- predicates that skip files and row groups ---- */

enum pf_predicate_kind {
    PF_PREDICATE_EQ,
    PF_PREDICATE_NE,
    PF_PREDICATE_LT,
    PF_PREDICATE_LE,
    PF_PREDICATE_GT,
    PF_PREDICATE_GE,
    PF_PREDICATE_IN,
    PF_PREDICATE_IS_NULL,
    PF_PREDICATE_IS_NOT_NULL
};

/* A constant: its SQL type and its text as DuckDB casts it to VARCHAR ("1994-01-01", "0.05", "BUILDING"). */
struct pf_literal {
    pf_str type, text;
};

/* One conjunct `column kind values`. A row that does not satisfy it (NULL included, but for IS_NULL) is not in the
 * result, so a file in which no row can may be skipped. */
struct pf_predicate {
    pf_str column;
    enum pf_predicate_kind kind;
    struct pf_literal *values; /* one, several for IN, none for the NULL tests */
    size_t value_count;
};

/* ---- datasets ---- */

/* Which values a column of a dataset has, NULLs apart: what may skip files and rows of whatever is joined with it. */
struct pf_key_values {
    int column; /* of the stage's output */
    pf_str type;
    pf_str min, max; /* as literals; empty: not known */
    bool is_listed;  /* `values` are all there are; otherwise there were too many */
    pf_str *values;
    size_t value_count;
};

/* The output of a stage: partitions x producers. */
struct pf_dataset {
    int stage_id;
    int partition_count; /* 1: not partitioned */
    int64_t row_count, size_bytes;
    const int64_t *partition_rows;    /* may be NULL (EXPLAIN) */
    const int64_t *partition_bytes;   /* may be NULL (EXPLAIN) */
    const struct pf_key_values *keys; /* of the stage's key_columns, as far as they are known */
    size_t key_count;
    bool is_estimate;
};

/* ---- fragments, stages ---- */

enum pf_input_kind { PF_INPUT_SCAN, PF_INPUT_DATASET };

/* How the tasks of a stage share an input. */
enum pf_input_role {
    PF_ROLE_DRIVING, /* scan: the tasks divide the splits. dataset with one partition: they divide the producers */
    PF_ROLE_ALIGNED, /* dataset: task p reads partition p (or a range of them) of each aligned input */
    PF_ROLE_WHOLE    /* every task reads all of it */
};

struct pf_input {
    enum pf_input_kind kind;
    enum pf_input_role role;
    pf_str scan_name;                /* PF_INPUT_SCAN */
    struct pf_predicate *predicates; /* of a scan: for pruning; the fragment filters exactly by itself */
    size_t predicate_count;
    pf_str *columns; /* of a scan: what the fragment reads, for splits by bytes */
    size_t column_count;
    int stage_id; /* PF_INPUT_DATASET: who made it */
    /* PF_ROLE_ALIGNED: several tasks may share a partition of this input by its producers, as long as each reads all of
     * the partition of the other inputs. One input of a task only. */
    bool may_split;
};

/* SQL with a place for each input: ${0}, ${1} ... stand where a table reference goes (FROM ${0}). A scan input is
 * replaced by a table with the lake table's columns, a dataset input by one with the columns of the stage that made
 * it, in order and by name, its partition column left out. */
struct pf_fragment {
    pf_str sql;
    struct pf_input *inputs;
    size_t input_count;
    bool is_ordered; /* the order of its rows matters (last fragment with ORDER BY) */
};

enum pf_spread {
    PF_SPREAD_ONE,       /* one task: inputs are few or it must be */
    PF_SPREAD_SPLITS,    /* over the driving input */
    PF_SPREAD_PARTITIONS /* over the partitions of the aligned inputs; partition_count of them all is equal */
};

enum pf_exchange_kind {
    PF_EXCHANGE_GATHER,     /* one partition, read by one consumer */
    PF_EXCHANGE_BROADCAST,  /* one partition, read whole by every consumer */
    PF_EXCHANGE_REPARTITION /* by hash of keys */
};

/* Runs at least one task, over empty inputs if need be: its dataset's columns come from it, and the one row of an
 * aggregate without groups. */
struct pf_stage {
    int id;
    struct pf_fragment fragment; /* first column is the partition number (USMALLINT) if partition_count > 1 */
    enum pf_spread spread;
    int input_partition_count; /* PF_SPREAD_PARTITIONS */
    enum pf_exchange_kind exchange;
    int partition_count;
    pf_str keys_text;               /* for EXPLAIN: what is hashed */
    pf_str title;                   /* for EXPLAIN: e.g. "scan lineitem, partial aggregate" */
    struct pf_reason single_reason; /* why spread is ONE */
    int *key_columns; /* of the output, partition number left out: their values (pf_key_values) are worth knowing */
    size_t key_column_count;
    int64_t estimated_rows, estimated_bytes;
    int replaced_op_id;              /* for pf_planner_replace */
    const struct pf_op *replacement; /* for pf_planner_replace: holds the dataset leaf */
    int next_op_id;                  /* for pf_planner_replace */
};

#endif
