/* SPDX-License-Identifier: MIT */
/* Blocks: the parts of one SELECT, and how they become text or a subquery. */
#include "planner/emit_sql.h"

struct block *block_init(struct emitter *emitter, struct block *block, uint32_t column_count) {
    *block = (struct block){.column_count = column_count, .is_plain = true};
    block->columns = PF_ARENA_ARRAY(emitter->arena, pf_str, column_count);
    return block;
}

pf_str new_alias(struct emitter *emitter) {
    return pf_arena_printf(emitter->arena, "t%d", ++emitter->next_alias);
}

pf_str join_texts(struct pf_arena *arena, const pf_str *texts, uint32_t count, const char *separator) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    for (uint32_t i = 0, written = 0; i < count; i++) {
        if (!texts[i].len) continue;
        if (written++) pf_buf_put_cstr(&buf, separator);
        pf_buf_put_str(&buf, texts[i]);
    }
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

pf_str block_select(struct emitter *emitter, const struct block *block) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    pf_buf_put_str(&buf, block->with);
    pf_buf_put_cstr(&buf, "SELECT ");
    pf_buf_put_str(&buf, block->distinct);
    uint32_t written = 0;
    for (uint32_t i = 0; i < block->column_count; i++) {
        if (!block->columns[i].len) continue;
        if (written++) pf_buf_put_cstr(&buf, ", ");
        pf_buf_put_str(&buf, block->columns[i]);
        pf_buf_printf(&buf, " AS c%u", i);
    }
    if (!written) pf_buf_put_cstr(&buf, "1 AS nothing");
    if (block->from.len) pf_buf_printf(&buf, " FROM %.*s", PF_STR_ARG(block->from));
    if (block->where.len) pf_buf_printf(&buf, " WHERE %.*s", PF_STR_ARG(block->where));
    pf_buf_put_str(&buf, block->tail);
    pf_str text = pf_arena_str(emitter->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

void block_wrap(struct emitter *emitter, struct block *block) {
    pf_str alias = new_alias(emitter), select = block_select(emitter, block);
    struct block outer;
    block_init(emitter, &outer, block->column_count);
    outer.from = pf_arena_printf(emitter->arena, "(%.*s) AS %.*s", PF_STR_ARG(select), PF_STR_ARG(alias));
    for (uint32_t i = 0; i < block->column_count; i++)
        if (block->columns[i].len) outer.columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%u", PF_STR_ARG(alias), i);
    *block = outer;
}
