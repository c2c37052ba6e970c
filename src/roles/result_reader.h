/* SPDX-License-Identifier: MIT */
/* Takes a JSON result apart while it arrives: {"columns":[…],"rows":[[…],…],"stats":{…}}.
 *
 * Rows are handed on one by one as text, so that a result of any size needs the memory of one row. */
#ifndef PF_ROLES_RESULT_READER_H
#define PF_ROLES_RESULT_READER_H

#include "base/arena.h"
#include "base/buf.h"

struct result_reader {
    /* `text` is only valid during the call. */
    void (*on_member)(void *context, pf_str key, pf_str text); /* all but rows */
    void (*on_row)(void *context, pf_str text);
    void *context;
    /* private */
    struct pf_buf value, key;
    int depth, value_depth;
    bool in_string, is_escaped, is_value, is_after_colon, in_rows, is_over;
};

void result_reader_init(struct result_reader *reader, size_t max_value_bytes);
void result_reader_clear(struct result_reader *reader);
/* PF_REMOTE if it isn't such JSON, PF_TOO_LARGE for a row over the maximum. */
enum pf_code result_reader_feed(struct result_reader *reader, pf_str bytes, struct pf_error *err) PF_MUST_CHECK;
static inline bool result_reader_is_over(const struct result_reader *reader) {
    return reader->is_over;
}

/* Cuts the text of one JSON array into the texts of its elements. */
size_t split_json_array(pf_str array, struct pf_arena *arena, pf_str **out_elements);

#endif
