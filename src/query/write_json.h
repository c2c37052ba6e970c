/* SPDX-License-Identifier: MIT */
/* What a task is to write, and what it wrote, in the messages between coordinator and worker. */
#ifndef PF_QUERY_WRITE_JSON_H
#define PF_QUERY_WRITE_JSON_H

#include "base/json.h"
#include "query/data_files.h"

void write_put(struct pf_json_out *out, const struct pf_write *write);
/* NULL without JSON. */
enum pf_code write_get(pf_json *json, struct pf_arena *arena, const struct pf_write **out_write, struct pf_error *err)
    PF_MUST_CHECK;

pf_str written_encode(const struct data_files *files, struct pf_arena *arena);
/* Appended to `files`. */
enum pf_code written_decode(pf_str json, struct pf_arena *arena, struct data_files *files, struct pf_error *err)
    PF_MUST_CHECK;

#endif
