/* SPDX-License-Identifier: MIT */
/* Statements and fragments as SQL: entry points of the printer. */
#include "planner/emit_sql.h"

#include "planner/planner.h"
#include "planner/read_duckdb_json.h"

#include <string.h>

/* SELECT with the result's names; column order as in the plan. */
pf_str select_with_names(struct emitter *emitter, struct block *block, const pf_str *names) {
    if (block->distinct.len) block_wrap(emitter, block);
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, block->column_count);
    for (uint32_t i = 0; i < block->column_count; i++)
        columns[i] = pf_arena_printf(emitter->arena, "%.*s AS %.*s", PF_STR_ARG(block->columns[i]),
                                     PF_STR_ARG(quote_name(emitter->arena, names[i])));
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    pf_buf_put_str(&buf, block->with);
    pf_buf_printf(&buf, "SELECT ");
    pf_buf_put_str(&buf, join_texts(emitter->arena, columns, block->column_count, ", "));
    if (block->from.len) pf_buf_put_cstr(&buf, " FROM ");
    pf_buf_put_str(&buf, block->from);
    if (block->where.len) pf_buf_put_cstr(&buf, " WHERE ");
    pf_buf_put_str(&buf, block->where);
    pf_buf_put_str(&buf, block->tail);
    pf_str text = pf_arena_str(emitter->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

enum pf_code pf_planner_print_sql(const struct pf_plan *plan, struct pf_arena *arena, pf_str *out_sql,
                                  struct pf_error *err) {
    struct emitter emitter = {.arena = arena};
    bool *need = PF_ARENA_ARRAY(arena, bool, plan->root->column_count);
    memset(need, true, plan->root->column_count * sizeof *need);
    struct block block;
    PF_TRY(emit_op(&emitter, plan->root, need, &block, err));
    *out_sql = select_with_names(&emitter, &block, plan->column_names);
    return PF_OK;
}
