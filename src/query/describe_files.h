/* SPDX-License-Identifier: MIT */
/* Files that have to be asked for their columns before they are read (stage_input.schema_json). */
#ifndef PF_QUERY_DESCRIBE_FILES_H
#define PF_QUERY_DESCRIBE_FILES_H

#include "engine/engine.h"
#include "query/task.h"

/* Copies of stage and task whose splits know their files' columns; without such inputs they are as they were. */
enum pf_code describe_files(struct pf_session *session, const struct stage_message *stage,
                            const struct task_message *task, struct pf_arena *arena, struct stage_message *out_stage,
                            struct task_message *out_task, struct pf_error *err) PF_MUST_CHECK;

#endif
