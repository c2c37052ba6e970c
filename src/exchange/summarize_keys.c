/* SPDX-License-Identifier: MIT */
#include "exchange/summarize_keys.h"

#include "base/buf.h"
#include "exchange/format.h"

#include <string.h>

bool key_summary_suits(const struct pf_type *type) {
    switch (type->id) {
    case PF_TYPE_TINYINT:
    case PF_TYPE_SMALLINT:
    case PF_TYPE_INTEGER:
    case PF_TYPE_BIGINT:
    case PF_TYPE_UTINYINT:
    case PF_TYPE_USMALLINT:
    case PF_TYPE_UINTEGER:
    case PF_TYPE_DATE:
    case PF_TYPE_TIMESTAMP:
    case PF_TYPE_VARCHAR: return true;
    case PF_TYPE_DECIMAL: return type->value_bytes <= 8;
    default: return false;
    }
}

void key_summary_prepare(struct key_summary *summary, int column, const struct pf_type *type, struct pf_arena *arena) {
    *summary = (struct key_summary){.type = type, .arena = arena};
    summary->keys = (struct pf_exchange_keys){.column = column,
                                              .is_text = type->id == PF_TYPE_VARCHAR,
                                              .is_known = key_summary_suits(type),
                                              .is_listed = key_summary_suits(type),
                                              .min = INT64_MAX,
                                              .max = INT64_MIN};
}

/* ---- the list ---- */

static uint32_t first_slot(uint64_t hash) {
    return (uint32_t)(hash * 0x9e3779b97f4a7c15ull >> 54); /* of 1,024 */
}

/* The slot of the value, or the free one where it goes. */
static uint32_t find_number(const struct key_summary *summary, int64_t value) {
    uint32_t slot = first_slot((uint64_t)value);
    while (summary->slots[slot] && summary->keys.numbers[summary->slots[slot] - 1] != value)
        slot = (slot + 1) % SUMMARY_SLOTS;
    return slot;
}

static uint32_t find_text(const struct key_summary *summary, pf_str text) {
    uint32_t slot = first_slot(format_checksum(NULL, 0, text.ptr, text.len));
    while (summary->slots[slot] && !pf_str_equal(summary->keys.texts[summary->slots[slot] - 1], text))
        slot = (slot + 1) % SUMMARY_SLOTS;
    return slot;
}

static bool has_room(struct key_summary *summary) {
    if (summary->keys.value_count < PF_EXCHANGE_MAX_KEY_VALUES) return true;
    summary->keys.is_listed = false;
    if (summary->keys.is_text) summary->keys.is_known = false;
    return false;
}

static void list_number(struct key_summary *summary, int64_t value) {
    if (!summary->keys.numbers)
        summary->keys.numbers = PF_ARENA_ARRAY(summary->arena, int64_t, PF_EXCHANGE_MAX_KEY_VALUES);
    uint32_t slot = find_number(summary, value);
    if (summary->slots[slot] || !has_room(summary)) return;
    summary->keys.numbers[summary->keys.value_count++] = value;
    summary->slots[slot] = (uint16_t)summary->keys.value_count;
}

static void list_text(struct key_summary *summary, pf_str text) {
    if (text.len > SUMMARY_MAX_TEXT_BYTES || memchr(text.len ? text.ptr : "", 0, text.len)) {
        summary->keys.is_known = false;
        return;
    }
    if (!summary->keys.texts) summary->keys.texts = PF_ARENA_ARRAY(summary->arena, pf_str, PF_EXCHANGE_MAX_KEY_VALUES);
    uint32_t slot = find_text(summary, text);
    if (summary->slots[slot] || !has_room(summary)) return;
    summary->keys.texts[summary->keys.value_count++] = pf_arena_str(summary->arena, text);
    summary->slots[slot] = (uint16_t)summary->keys.value_count;
}

static void take_number(struct key_summary *summary, int64_t value) {
    if (value < summary->keys.min) summary->keys.min = value;
    if (value > summary->keys.max) summary->keys.max = value;
    if (summary->keys.is_listed) list_number(summary, value);
}

/* ---- vectors ---- */

static bool is_unsigned(const struct pf_type *type) {
    return type->id == PF_TYPE_UTINYINT || type->id == PF_TYPE_USMALLINT || type->id == PF_TYPE_UINTEGER;
}

#define TAKE_ALL(type)                                                                                                 \
    for (uint64_t i = 0; i < row_count; i++)                                                                           \
        if (pf_vec_is_valid(vec, i)) take_number(summary, ((const type *)vec->data)[i]);                               \
    return

static void add_numbers(struct key_summary *summary, const struct pf_vec *vec, uint64_t row_count) {
    bool has_no_sign = is_unsigned(summary->type);
    switch (summary->type->value_bytes) {
    case 1:
        if (has_no_sign) {
            TAKE_ALL(uint8_t);
        }
        TAKE_ALL(int8_t);
    case 2:
        if (has_no_sign) {
            TAKE_ALL(uint16_t);
        }
        TAKE_ALL(int16_t);
    case 4:
        if (has_no_sign) {
            TAKE_ALL(uint32_t);
        }
        TAKE_ALL(int32_t);
    default: TAKE_ALL(int64_t);
    }
}

void key_summary_add(struct key_summary *summary, const struct pf_vec *vec, uint64_t row_count) {
    if (!summary->keys.is_known) return;
    if (!summary->keys.is_text) {
        add_numbers(summary, vec, row_count);
        return;
    }
    const union pf_string *strings = vec->data;
    for (uint64_t i = 0; i < row_count && summary->keys.is_known; i++)
        if (pf_vec_is_valid(vec, i)) list_text(summary, pf_string_view(&strings[i]));
}

void key_summary_merge(struct key_summary *summary, const struct pf_exchange_keys *other) {
    struct pf_exchange_keys *keys = &summary->keys;
    keys->is_known = keys->is_known && other->is_known && keys->is_text == other->is_text;
    if (!keys->is_known) return;
    keys->is_listed = keys->is_listed && other->is_listed;
    if (other->min < keys->min) keys->min = other->min;
    if (other->max > keys->max) keys->max = other->max;
    for (size_t i = 0; i < other->value_count && keys->is_listed; i++) {
        if (keys->is_text)
            list_text(summary, other->texts[i]);
        else
            list_number(summary, other->numbers[i]);
    }
}

/* ---- as text ---- */

/* Infinite dates and times are numbers at the ends, of which statistics of files know nothing. */
static bool is_finite(const struct pf_type *type, int64_t value) {
    if (type->id == PF_TYPE_DATE) return value > -INT32_MAX && value < INT32_MAX;
    if (type->id == PF_TYPE_TIMESTAMP) return value > -INT64_MAX && value < INT64_MAX;
    return true;
}

static pf_str number_text(const struct pf_type *type, int64_t value, struct pf_arena *arena) {
    union {
        int8_t bytes1;
        int16_t bytes2;
        int32_t bytes4;
        int64_t bytes8;
    } data;
    switch (type->value_bytes) {
    case 1: data.bytes1 = (int8_t)value; break;
    case 2: data.bytes2 = (int16_t)value; break;
    case 4: data.bytes4 = (int32_t)value; break;
    default: data.bytes8 = value; break;
    }
    struct pf_vec vec = {.type = type, .data = &data, .size = 1};
    struct pf_buf buf;
    pf_buf_init(&buf, 256);
    pf_vec_print(&vec, 0, &buf);
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

static const struct pf_exchange_keys *find_keys(const struct pf_exchange_output *output, int column) {
    for (size_t i = 0; i < output->key_count; i++)
        if (output->keys[i].column == column) return &output->keys[i];
    return NULL;
}

static void print_keys(const struct key_summary *summary, struct pf_arena *arena, struct pf_exchange_key_texts *out) {
    const struct pf_exchange_keys *keys = &summary->keys;
    const struct pf_type *type = summary->type;
    *out = (struct pf_exchange_key_texts){.column = keys->column, .type = pf_arena_str(arena, type->sql)};
    bool has_range = !keys->is_text && keys->min <= keys->max;
    if (has_range && (!is_finite(type, keys->min) || !is_finite(type, keys->max))) return;
    if (has_range) {
        out->min = number_text(type, keys->min, arena);
        out->max = number_text(type, keys->max, arena);
    }
    if (!keys->is_listed) return;
    out->is_listed = true;
    out->values = PF_ARENA_ARRAY(arena, pf_str, keys->value_count);
    out->value_count = keys->value_count;
    for (size_t i = 0; i < keys->value_count; i++)
        out->values[i] =
            keys->is_text ? pf_arena_str(arena, keys->texts[i]) : number_text(type, keys->numbers[i], arena);
}

bool pf_exchange_merge_keys(const struct pf_exchange_output *outputs, size_t output_count, int column,
                            struct pf_arena *arena, struct pf_exchange_key_texts *out_texts) {
    struct pf_arena *scratch = pf_arena_new(arena, "keys");
    struct key_summary *summary = PF_ARENA_NEW(scratch, struct key_summary);
    const struct pf_column *columns;
    size_t column_count;
    struct pf_error err;
    bool is_known = output_count > 0 &&
                    format_schema_parse(outputs[0].schema, scratch, &columns, &column_count, &err) == PF_OK &&
                    column >= 0 && (size_t)column < column_count && key_summary_suits(columns[column].type);
    if (is_known) key_summary_prepare(summary, column, columns[column].type, scratch);
    for (size_t i = 0; i < output_count && is_known; i++) {
        const struct pf_exchange_keys *keys = find_keys(&outputs[i], column);
        if (keys) key_summary_merge(summary, keys);
        is_known = (keys || !outputs[i].rows) && summary->keys.is_known;
    }
    if (is_known) print_keys(summary, arena, out_texts);
    pf_arena_free(scratch);
    return is_known && (out_texts->is_listed || out_texts->min.len);
}
