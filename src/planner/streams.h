/* SPDX-License-Identifier: MIT */
/* Cutting a plan into stages: what the cutter's files share. The story is in next_stages.c. */
#ifndef PF_PLANNER_STREAMS_H
#define PF_PLANNER_STREAMS_H

#include "planner/emit_sql.h"
#include "planner/planner.h"

enum { MAX_KEY_SETS = 8, MAX_ALTERNATIVES = 64 };

/* One way to run a stream as tasks. Neither driving nor aligned inputs: one task that reads everything. */
struct alternative {
    int driving_id; /* a leaf; 0: none */
    int *aligned_ids;
    uint32_t aligned_count;
    int *split_ids; /* of these: those of which a task may read a share of a partition (pf_input.may_split) */
    uint32_t split_count;
    struct branch_choice *choices; /* which branch of each union above several inputs */
    uint32_t choice_count;
};

struct key_set {
    const struct pf_expr **exprs; /* over the operator's output */
    uint32_t count;
};

/* What a subtree is for those above it. */
struct stream {
    bool is_blocked; /* stages must run first; nothing below counts */
    bool is_pinned;  /* reads the working table of a recursive CTE: stays in that fragment */
    bool is_volatile;
    bool is_light; /* filters and projections of a leaf, or a union of such */
    struct alternative *alternatives;
    uint32_t alternative_count;
    int partition_count;                   /* of its aligned inputs; 0: none */
    struct key_set key_sets[MAX_KEY_SETS]; /* each says: rows are in partition hash(exprs) % partition_count */
    uint32_t key_set_count;
    double rows, planned_rows;        /* planned: what it was before anything was known exactly */
    double scan_bytes, dataset_bytes; /* of all inputs */
};

/* Definitions of CTEs around the operator being looked at. */
struct cte_scope {
    int cte_index;
    const struct pf_op *definition; /* NULL: the working table of a recursive CTE */
    struct stream stream;
    const struct cte_scope *outer;
};

struct cutter {
    struct pf_arena *arena;
    const struct pf_planner_options *options;
    const struct cte_scope *scopes;
    int next_stage_id, next_op_id;
    struct pf_stage *stages;
    size_t stage_count, stage_capacity;
};

/* next_stages.c */
enum pf_code flow(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out_stream,
                  struct pf_error *err) PF_MUST_CHECK;

/* streams.c */
bool stream_is_whole(const struct stream *stream);
void stream_make_whole(struct cutter *cutter, struct stream *stream);           /* allowed for every ready stream */
bool stream_is_cheap(const struct cutter *cutter, const struct stream *stream); /* small enough for one place */
bool stream_can_be_read_whole(const struct cutter *cutter, const struct stream *stream); /* by every task */
void stream_drop_keys(struct stream *stream);
void stream_add_keys(struct stream *stream, const struct pf_expr **exprs, uint32_t count);
/* Whether rows that agree in `exprs` are in one partition. */
bool stream_is_partitioned_by(const struct stream *stream, const struct pf_expr *const *exprs, uint32_t count);
/* Rewrites the key sets: column c of the child becomes columns[c] (NULL: gone). */
void stream_map_keys(struct cutter *cutter, struct stream *stream, const struct pf_expr *const *columns,
                     uint32_t column_count);
/* From here on rows of a partition must be together. */
void stream_drop_splits(struct cutter *cutter, struct stream *stream);
struct alternative *new_alternative(struct cutter *cutter, struct stream *stream);

/* estimate.c */
double estimate_rows(const struct pf_op *op, const struct stream *children, double *out_planned);
double row_bytes(const struct pf_op *op, const bool *need);
int choose_partition_count(const struct cutter *cutter, double size_bytes);

/* cut_stages.c: a ready stream becomes one stage per alternative. */
struct cut {
    const struct pf_op *op; /* what the stages compute; may be made up (a partial aggregate) */
    const struct stream *stream;
    const bool *need;
    enum pf_exchange_kind exchange;
    const struct pf_expr **keys; /* REPARTITION: over the output of `op` */
    uint32_t key_count;
    int partition_count;
    double rows;
    double planned_rows;               /* of the operator, before anything was known; 0: it is made up, as `rows` */
    bool is_gathered;                  /* its rows must meet in one place */
    const struct pf_expr **value_keys; /* columns of `op` whose values will be worth knowing */
    uint32_t value_key_count;
    const char *reason; /* why; NULL: it is only natural (a sort, a limit) */
    const char *title;  /* what is done last: "partial aggregate"; NULL: nothing special */
};
/* `*out_leaf` stands for the rows of `op`: a DATASET, or a UNION of them. The stages wait for finish_cut. */
enum pf_code cut_stages(struct cutter *cutter, const struct cut *cut, const struct pf_op **out_leaf,
                        size_t *out_first_stage, struct pf_error *err) PF_MUST_CHECK;
void finish_cut(struct cutter *cutter, size_t first_stage, int replaced_op_id, const struct pf_op *replacement);
/* cut_stages + finish_cut for an operator that is replaced by its own rows. */
enum pf_code cut_here(struct cutter *cutter, const struct cut *cut, struct pf_error *err) PF_MUST_CHECK;
enum pf_code gather(struct cutter *cutter, const struct pf_op *op, const struct stream *stream, const bool *need,
                    const char *reason, struct pf_error *err) PF_MUST_CHECK;
enum pf_code repartition(struct cutter *cutter, const struct pf_op *op, const struct stream *stream, const bool *need,
                         const struct pf_expr **keys, uint32_t key_count, int partition_count, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code make_fragment(struct cutter *cutter, const struct pf_op *op, const bool *need,
                           const struct alternative *alternative, struct emitter *out_emitter, struct block *out_block,
                           struct pf_error *err) PF_MUST_CHECK;
/* Why `op` runs in one place: what its inputs were gathered for, else the natural reason (a literal). */
struct pf_reason reason_for(struct pf_arena *arena, const struct pf_op *op, const char *natural);
struct pf_op *new_op(struct cutter *cutter, enum pf_op_kind kind, uint32_t child_count, uint32_t column_count);
/* The same operator over another child. */
struct pf_op *copy_op(struct cutter *cutter, const struct pf_op *op, const struct pf_op *child);

/* One function per operator: flow_aggregates.c (those that need the rows of a group together), flow_joins.c,
 * flow_sets.c (sets and CTEs). */
typedef enum pf_code flow_fn(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                             struct pf_error *err);
flow_fn flow_aggregate, flow_distinct, flow_sorted, flow_window, flow_sample, flow_join, flow_union, flow_set, flow_cte,
    flow_recursive, flow_cte_ref;
/* split_aggregate.c. One call of an aggregate: its parts in partial rows, their merges, the value from the merges. */
enum { MAX_PARTS = 3 };
struct call_split {
    const struct pf_expr *parts[MAX_PARTS];
    const struct pf_expr *merges[MAX_PARTS]; /* args[0] is column 0 for the first part, 1 for the second ... */
    uint32_t part_count;
    const char *final; /* template over the merges */
};
bool split_call(struct cutter *cutter, const struct pf_expr *call, bool has_groups, struct call_split *out_split);
const struct pf_expr *place_merge(struct cutter *cutter, const struct pf_expr *merge, const struct pf_op *below,
                                  const uint32_t *positions, uint32_t part_count);
const struct pf_expr *final_value(struct cutter *cutter, const struct pf_expr *call, const struct call_split *split,
                                  const uint32_t *positions);
/* rewrite_distinct.c: count(DISTINCT x) without groups -> count(x) over GROUP BY x. */
const struct pf_op *rewrite_distinct(struct cutter *cutter, const struct pf_op *op);
/* rewrite_windows.c: windows that share no PARTITION BY expression -> one operator each. */
const struct pf_op *rewrite_windows(struct cutter *cutter, const struct pf_op *op);
/* rewrite_disjunctions.c: (p AND q) OR (r AND s) above a join -> p OR r on one side, q OR s on the other. */
const struct pf_op *rewrite_disjunctions(struct cutter *cutter, const struct pf_op *op);

/* False if the aggregates can't be computed from partial ones. */
struct aggregate_split {
    struct pf_op *partial;       /* over the same child */
    const struct pf_expr **keys; /* over the partial's output */
    uint32_t key_count;
};
bool split_aggregate(struct cutter *cutter, const struct pf_op *op, struct aggregate_split *out_split);
/* What stands for `op` above the partial rows. */
const struct pf_op *merge_aggregate(struct cutter *cutter, const struct pf_op *op, const struct aggregate_split *split,
                                    const struct pf_op *leaf);

/* explain.c */
pf_str stage_title(struct cutter *cutter, const struct cut *cut, const struct alternative *alternative);

#endif
