/* SPDX-License-Identifier: MIT */
/* What the coordinator tells a worker and what it hears back, as JSON.
 *
 * A stage is stored once: the fragment and what all its tasks share. A task says which part of each input is its own.
 * A result is the exchange's description of what was written, with counters. The same structs, without the JSON, run
 * the last fragment where the coordinator is. */
#ifndef PF_QUERY_TASK_H
#define PF_QUERY_TASK_H

#include "base/sql_tokens.h"
#include "plan/plan.h"
#include "query/query.h"

struct pf_write;

/* One column of a lake table: read it by name, as this type. */
struct task_column {
    pf_str name, type;
    int field_id; /* Iceberg's */
};

/* A file, or some of its rows: last_row -1 is the end. What follows is there where some of the rows are deleted. */
struct task_split {
    pf_str path; /* or the URI of an object: see task_files.h */
    int64_t first_row, last_row;
    int64_t size_bytes; /* of the file; 0: unknown */
    uint32_t *deletes;  /* positions in the task_deletes beside the splits */
    size_t delete_count;
    pf_str data_path;                      /* the file as the table's metadata names it */
    int64_t sequence_number, first_row_id; /* first_row_id -1: none */
    int scope;
    pf_str constants_json; /* {"<field id>": "text" | null}: of the partition, where files may leave it out */
    /* Not sent: set by describe_files where the input has a schema_json. */
    const pf_str *expressions; /* by its fields */
    pf_str signature;          /* the same for files that can be read together */
    pf_str held_as; /* a table that holds its columns in memory; empty: read the file. Not sent: the worker knows */
};

enum task_delete_kind { TASK_DELETE_POSITIONS, TASK_DELETE_VECTOR, TASK_DELETE_EQUALITY };
struct task_delete {
    enum task_delete_kind kind;
    pf_str path;
    int64_t offset, size_bytes, row_count; /* VECTOR: where it lies, how many rows it deletes */
    int64_t sequence_number;               /* EQUALITY: deletes rows of smaller ones */
    int scope;                             /* EQUALITY: in splits of this scope; 0: in all */
    int *field_ids;                        /* EQUALITY: ascending */
    size_t field_id_count;
};
struct task_deletes {
    struct task_delete *items;
    size_t count;
};

/* A column that equality deletes look at: how it is called where data files are read. */
struct task_key {
    int field_id;
    pf_str column, type;
};

struct stage_input {
    enum pf_input_kind kind;
    enum pf_input_role role;
    /* PF_INPUT_SCAN */
    pf_str read_options; /* goes behind the list of files in read_parquet(...); starts with a comma or is empty */
    struct task_column *columns;
    size_t column_count;
    struct task_split *splits; /* PF_ROLE_WHOLE: all there are */
    size_t split_count;
    struct task_deletes deletes; /* of `splits` */
    struct task_key *keys;
    size_t key_count;
    bool has_lineage; /* columns may be _row_id, _last_updated_sequence_number, _file_number and _pos */
    /* Not empty: every file is asked for its columns, which become those of this schema: the columns, then the keys. */
    pf_str schema_json, name_mapping;
    /* PF_INPUT_DATASET */
    pf_str outputs_json; /* array of strings: what each producer published */
    int partition_count;
};

struct stage_message {
    pf_str sql; /* with ${i} for the inputs */
    int partition_count;
    pf_str keys; /* columns of the output whose values are to be noted: "0,2"; empty: none */
    struct stage_input *inputs;
    size_t input_count;
    const struct pf_write *write; /* the rows become files; NULL: slices in the exchange */
};

struct task_input {
    struct task_split *splits; /* of a driving scan */
    size_t split_count;
    struct task_deletes deletes;          /* of `splits` */
    int first_partition, partition_count; /* of an aligned dataset */
    int first_output, output_count;       /* of a driving dataset: producers; count -1: all */
};

struct task_message {
    struct task_input *inputs; /* as many as the stage has */
    size_t input_count;
};

/* What came over the network for the files of a task, and what was there already. All 0 where files are files. */
struct task_reads {
    int64_t requests, received_bytes, hedges, retries, kept_bytes;
};

struct task_result {
    pf_str output_json; /* for pf_exchange_output_decode; of a stage that writes for written_decode */
    int64_t rows, bytes, wall_us;
    struct task_reads store_reads;
    struct pf_exchange_use exchange_reads; /* what was read; what was written is in the output */
    int reads, warm_reads; /* splits that the task read by itself; of them those that the worker had read before */
    pf_str worker;
};

pf_str stage_message_encode(const struct stage_message *message, struct pf_arena *arena);
enum pf_code stage_message_decode(pf_str json, struct pf_arena *arena, struct stage_message *out_message,
                                  struct pf_error *err) PF_MUST_CHECK;
pf_str task_message_encode(const struct task_message *message, struct pf_arena *arena);
enum pf_code task_message_decode(pf_str json, struct pf_arena *arena, struct task_message *out_message,
                                 struct pf_error *err) PF_MUST_CHECK;
pf_str task_result_encode(const struct task_result *result, struct pf_arena *arena);
enum pf_code task_result_decode(pf_str json, struct pf_arena *arena, struct task_result *out_result,
                                struct pf_error *err) PF_MUST_CHECK;

/* The fragment with its inputs in place. Dataset i is read as exchange_read('<input_prefix>.<i>').
 * PF_BUG for a place that names no input. */
enum pf_code task_render_sql(const struct stage_message *stage, const struct task_message *task, pf_str input_prefix,
                             struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) PF_MUST_CHECK;

#endif
