/* SPDX-License-Identifier: MIT */
/* Foreign bytes as an exchange object: its header, index, blocks and columns. Checksums are not compared, or nothing
 * behind them would ever be reached. Linked with all that is built, the exchange only is used. */
#include "support/fuzz.h"

#include "exchange/exchange.h"
#include "exchange/format.h"

#include <string.h>

/* What a reader does with a column: look at every byte it points to. */
static uint64_t touch(const struct format_view *view, uint64_t row_count) {
    uint64_t sum = 0, elements = 0;
    for (uint64_t i = 0; view->validity && i < (row_count + 63) / 64; i++) sum += view->validity[i];
    switch (format_layout_of(view->type)) {
    case LAYOUT_FIXED:
        for (uint64_t i = 0; i < row_count * view->type->value_bytes; i++) sum += (unsigned char)view->values[i];
        break;
    case LAYOUT_STRING:
        for (uint64_t i = 0; i < row_count; i++) elements += view->lengths[i];
        for (uint64_t i = 0; i < elements; i++) sum += (unsigned char)view->heap[i];
        break;
    case LAYOUT_LIST:
        for (uint64_t i = 0; i < row_count; i++) elements += view->lengths[i];
        sum += touch(&view->children[0], elements);
        break;
    case LAYOUT_ARRAY: sum += touch(&view->children[0], row_count * view->type->value_count); break;
    case LAYOUT_GROUP:
        for (uint32_t i = 0; i < view->child_count; i++) sum += touch(&view->children[i], row_count);
        break;
    case LAYOUT_NONE: break;
    }
    return sum;
}

static uint64_t read_blocks(pf_str bytes, pf_str schema, const struct format_entry *entries, size_t count,
                            struct pf_arena *arena) {
    struct format_source source = {.name = PF_STR("fuzz"), .skip_checksums = true};
    const struct pf_column *columns;
    size_t column_count;
    uint64_t sum = 0;
    if (format_schema_parse(schema, arena, &columns, &column_count, NULL) != PF_OK) return 0;
    struct format_view *views = PF_ARENA_ARRAY(arena, struct format_view, column_count);
    struct format_view **wanted = PF_ARENA_ARRAY(arena, struct format_view *, column_count);
    for (size_t i = 0; i < column_count; i++) {
        format_view_prepare(&views[i], columns[i].type, arena);
        if (i % 3 != 2) wanted[i] = &views[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct format_block block;
        pf_str stored;
        uint64_t size_bytes;
        pf_str part = pf_str_slice(bytes, entries[i].offset, entries[i].offset + entries[i].size_bytes);
        if (format_read_block(&source, part, &block, &stored, &size_bytes, NULL) != PF_OK) continue;
        if (format_read_columns(&source, stored, block.row_count, wanted, column_count, NULL) != PF_OK) continue;
        for (size_t k = 0; k < column_count; k++)
            if (wanted[k]) sum += touch(wanted[k], block.row_count);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    char *copy = pf_arena_alloc(arena, size); /* aligned, as a mapping is */
    if (size) memcpy(copy, data, size);
    pf_str bytes = pf_str_from(copy, size), schema;
    struct format_source source = {.name = PF_STR("fuzz"), .skip_checksums = true};
    const struct format_entry *entries;
    size_t count;
    int partitions;
    volatile uint64_t sum = 0;
    if (format_read_object(&source, bytes, arena, &schema, &partitions, &entries, &count, NULL) == PF_OK)
        sum += read_blocks(bytes, schema, entries, count, arena);
    struct pf_exchange_output output;
    (void)!pf_exchange_output_decode(bytes, arena, &output, NULL);
    (void)sum;
    pf_arena_free(arena);
    return 0;
}
