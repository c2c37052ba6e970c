/* SPDX-License-Identifier: MIT */
/* Rows as bytes: one table entry a format. */
#ifndef PF_API_FORMATS_H
#define PF_API_FORMATS_H

#include "base/buf.h"
#include "query/query.h"

/* What a writer knows about the result it writes. */
struct result_writer {
    const struct result_format *format;
    const struct pf_column *columns;
    size_t column_count;
    const pf_str *keys; /* names of the columns, made unique: JSON objects need that */
    pf_str query_id;
    uint64_t row_count; /* written so far */
};

/* An answer is head, body, tail: the body (begin, rows, finish) is the same whoever asks and however it was computed, so
 * it can be kept. */
struct result_format {
    const char *name, *content_type, *media_type; /* media_type: what Accept asks for */
    const char *bare_head, *bare_tail;            /* around a body that stands for itself, without query and stats */
    void (*head)(struct result_writer *writer, struct pf_buf *out);
    void (*begin)(struct result_writer *writer, struct pf_buf *out);
    void (*row)(struct result_writer *writer, const struct pf_chunk *chunk, uint64_t row, struct pf_buf *out);
    void (*finish)(struct result_writer *writer, struct pf_buf *out);
    void (*tail)(struct result_writer *writer, const struct pf_query_stats *stats, struct pf_buf *out);
    /* The last bytes when the query fails on the way; false: there is no way to say it, cut the connection. */
    bool (*fail)(struct result_writer *writer, pf_str error_json, struct pf_buf *out);
};

/* NULL if there is none of that name. */
const struct result_format *find_format(pf_str name);
/* The best of an Accept header that we have; NULL if it names none of ours (then JSON is as good as any). */
const struct result_format *choose_format(pf_str accept);

void begin_result(struct result_writer *writer, const struct result_format *format, const struct pf_column *columns,
                  size_t column_count, pf_str query_id, struct pf_arena *arena);

#endif
