/* SPDX-License-Identifier: MIT */
/* Messages that travel through Redis carry what they are and a checksum: one that was damaged on its way, or that
 * belongs to something else, is noticed, and not worked on. */
#ifndef PF_QUERY_SEAL_H
#define PF_QUERY_SEAL_H

#include "base/arena.h"

/* "<checksum> <label> <text>"; the label has no blanks. */
pf_str seal_message(pf_str label, pf_str text, struct pf_arena *arena);
/* The text, inside `sealed`. PF_REMOTE, which is worth another try, if it is damaged or has another label. */
enum pf_code unseal_message(pf_str label, pf_str sealed, pf_str *out_text, struct pf_error *err) PF_MUST_CHECK;

/* Of a stage's message, and of a task's message or result. */
pf_str stage_label(pf_str query_id, int stage_id, struct pf_arena *arena);
pf_str task_label(pf_str query_id, int stage_id, int task_id, struct pf_arena *arena);

#endif
