/* SPDX-License-Identifier: MIT */
/* Rows are kept as the JSON they came in: `head` holds the first half of what may be shown, `tail` is a ring of the
 * last half. Cells are cut out and measured when the table is printed. */
#include "roles/result_table.h"

#include "base/json.h"
#include "roles/result_reader.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { MIN_CELL = 6, MAX_CELL_BYTES = 1 << 20 };

struct column {
    pf_str name, type;
    bool is_right; /* numbers */
    size_t width;
    bool is_hidden;
};

struct result_table {
    struct pf_arena *arena;
    struct column *columns;
    size_t column_count;
    char **head, **tail; /* copies, from malloc */
    size_t half, next_in_tail;
    int64_t row_count;
};

struct result_table *result_table_new(size_t max_rows) {
    struct pf_arena *arena = pf_arena_new(NULL, "table");
    struct result_table *table = PF_ARENA_NEW(arena, struct result_table);
    table->arena = arena;
    table->half = max_rows > 2 ? max_rows / 2 : 1;
    table->head = PF_ARENA_ARRAY(arena, char *, table->half);
    table->tail = PF_ARENA_ARRAY(arena, char *, table->half);
    return table;
}

struct result_table *result_table_free(struct result_table *table) {
    if (!table) return NULL;
    for (size_t i = 0; i < table->half; i++) {
        free(table->head[i]);
        free(table->tail[i]);
    }
    pf_arena_free(table->arena);
    return NULL;
}

static bool is_numeric(pf_str type) {
    static const char *const names[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",
                                        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
                                        "FLOAT",    "DOUBLE",    "BIGNUM"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (pf_str_equal(type, pf_str_from_cstr(names[i]))) return true;
    }
    return pf_str_starts_with(type, PF_STR("DECIMAL(")) && pf_str_ends_with(type, PF_STR(")"));
}

enum pf_code result_table_set_columns(struct result_table *table, pf_str columns_json, struct pf_error *err) {
    pf_json *columns;
    PF_TRY(pf_json_parse(columns_json, table->arena, "columns of the result", &columns, err));
    table->columns = PF_ARENA_ARRAY(table->arena, struct column, pf_json_count(columns));
    for (struct pf_json_each each = pf_json_each(columns); pf_json_next(&each);) {
        struct column *column = &table->columns[table->column_count++];
        column->name = pf_json_get_str(each.value, "name", PF_STR_EMPTY);
        column->type = pf_json_get_str(each.value, "type", PF_STR_EMPTY);
        column->is_right = is_numeric(column->type);
    }
    return PF_OK;
}

static char *copy_of(pf_str text) {
    char *copy = malloc(text.len + 1);
    if (!copy) abort();
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return copy;
}

void result_table_add(struct result_table *table, pf_str row_json) {
    bool is_head = (size_t)table->row_count < table->half;
    char **slot = is_head ? &table->head[table->row_count] : &table->tail[table->next_in_tail];
    if (!is_head && ++table->next_in_tail == table->half) table->next_in_tail = 0;
    table->row_count++;
    free(*slot);
    *slot = copy_of(row_json);
}

int64_t result_table_row_count(const struct result_table *table) {
    return table->row_count;
}

/* ---- text in cells ---- */

/* One character: its bytes and how many cells it takes. Bytes that are no UTF-8 take one cell each. */
static size_t next_char(pf_str text, size_t *out_cells) {
    wchar_t wide;
    mbstate_t state = {0};
    size_t length = mbrtowc(&wide, text.ptr, text.len, &state);
    if (length == 0 || length > text.len) {
        *out_cells = 1;
        return 1;
    }
    int cells = wcwidth(wide);
    *out_cells = cells < 0 ? 1 : (size_t)cells;
    return length;
}

size_t text_width(pf_str text) {
    size_t width = 0, cells;
    while (text.len) {
        size_t length = next_char(text, &cells);
        width += cells;
        text = pf_str_slice(text, length, text.len);
    }
    return width;
}

/* Control characters would move the cursor, or worse: they are shown, not sent. */
static pf_str printable(struct pf_arena *arena, pf_str text) {
    size_t i = 0;
    while (i < text.len && (unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f) i++;
    if (i == text.len) return text;
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_CELL_BYTES * 4);
    for (i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *named = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : NULL;
        if (named) {
            pf_buf_put_cstr(&buf, named);
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            pf_buf_printf(&buf, "\\x%02x", (unsigned)(unsigned char)c);
        } else {
            pf_buf_put_char(&buf, c);
        }
    }
    pf_str copy = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return copy;
}

static pf_str unquoted(struct pf_arena *arena, pf_str json) {
    pf_json *value;
    if (!pf_str_starts_with(json, PF_STR("\""))) return pf_str_equal(json, PF_STR("null")) ? PF_STR("NULL") : json;
    if (pf_json_parse(json, arena, "value", &value, NULL) != PF_OK) return json;
    return pf_json_as_str(value, json);
}

/* ---- layout ---- */

struct layout {
    const struct result_table *table;
    struct pf_arena *arena;
    struct column *columns;  /* with widths */
    pf_str **rows;           /* shown rows, a cell a column */
    size_t shown, gap_after; /* rows left out behind that many shown ones; SIZE_MAX: none */
    size_t hidden_columns;
    struct pf_buf *out;
};

/* Row `i` of those shown. Behind the first half the ring is read from its oldest row on. */
static const char *shown_row(const struct result_table *table, size_t i) {
    if (i < table->half) return table->head[i];
    bool is_ring_full = (size_t)table->row_count >= table->half * 2;
    size_t at = i - table->half + (is_ring_full ? table->next_in_tail : 0);
    return table->tail[at < table->half ? at : at - table->half];
}

static void cut_cells(struct layout *layout) {
    const struct result_table *table = layout->table;
    size_t all = (size_t)table->row_count;
    layout->shown = all < table->half * 2 ? all : table->half * 2;
    layout->gap_after = all > layout->shown ? table->half : SIZE_MAX;
    layout->rows = PF_ARENA_ARRAY(layout->arena, pf_str *, layout->shown);
    for (size_t i = 0; i < layout->shown; i++) {
        pf_str *cells;
        size_t count = split_json_array(pf_str_from_cstr(shown_row(table, i)), layout->arena, &cells);
        layout->rows[i] = PF_ARENA_ARRAY(layout->arena, pf_str, table->column_count);
        for (size_t c = 0; c < count && c < table->column_count; c++) {
            layout->rows[i][c] = printable(layout->arena, unquoted(layout->arena, cells[c]));
        }
    }
}

static void measure(struct layout *layout) {
    for (size_t c = 0; c < layout->table->column_count; c++) {
        struct column *column = &layout->columns[c];
        column->name = printable(layout->arena, column->name);
        size_t name_width = text_width(column->name), type_width = text_width(column->type);
        column->width = name_width > type_width ? name_width : type_width;
        for (size_t i = 0; i < layout->shown; i++) {
            size_t width = text_width(layout->rows[i][c]);
            if (width > column->width) column->width = width;
        }
    }
}

static size_t total_width(const struct layout *layout) {
    size_t total = layout->hidden_columns ? 5 : 1;
    for (size_t c = 0; c < layout->table->column_count; c++) {
        if (!layout->columns[c].is_hidden) total += layout->columns[c].width + 3;
    }
    return total;
}

static struct column *widest(const struct layout *layout) {
    struct column *widest = NULL;
    for (size_t c = 0; c < layout->table->column_count; c++) {
        struct column *column = &layout->columns[c];
        if (!column->is_hidden && (!widest || column->width > widest->width)) widest = column;
    }
    return widest;
}

/* First the widest columns give way, then columns in the middle are left out. */
static void fit(struct layout *layout, size_t screen) {
    size_t count = layout->table->column_count;
    while (screen && total_width(layout) > screen) {
        struct column *column = widest(layout);
        if (!column || column->width <= MIN_CELL) break;
        column->width--;
    }
    for (size_t step = 0; screen && total_width(layout) > screen && layout->hidden_columns + 2 < count; step++) {
        size_t middle = count / 2;
        size_t c = step % 2 ? middle - (step + 1) / 2 : middle + step / 2;
        if (c >= count) break;
        layout->columns[c].is_hidden = true;
        layout->hidden_columns++;
    }
}

/* ---- printing ---- */

static void put_times(struct pf_buf *out, const char *text, size_t times) {
    while (times--) pf_buf_put_cstr(out, text);
}

/* Cut to the width, with an ellipsis in the last cell. */
static void put_cut(struct pf_buf *out, pf_str text, size_t width, size_t *out_used) {
    size_t full = text_width(text), used = 0, cells;
    bool is_cut = full > width;
    size_t room = is_cut ? width - 1 : width;
    while (text.len) {
        size_t length = next_char(text, &cells);
        if (used + cells > room) break;
        pf_buf_put_str(out, pf_str_slice(text, 0, length));
        used += cells;
        text = pf_str_slice(text, length, text.len);
    }
    if (is_cut) pf_buf_put_cstr(out, "…");
    *out_used = used + is_cut;
}

enum align { LEFT, RIGHT, CENTRE };

static void put_cell(struct pf_buf *out, pf_str text, size_t width, enum align align) {
    size_t full = text_width(text), used;
    size_t blank = full < width ? width - full : 0;
    size_t before = align == RIGHT ? blank : align == CENTRE ? blank / 2 : 0;
    put_times(out, " ", before);
    put_cut(out, text, width, &used);
    put_times(out, " ", width - before - used);
}

static void put_line(const struct layout *layout, const char *left, const char *cross, const char *right) {
    pf_buf_put_cstr(layout->out, left);
    bool is_first = true, was_hidden = false;
    for (size_t c = 0; c < layout->table->column_count; c++) {
        if (layout->columns[c].is_hidden && was_hidden) continue;
        if (!is_first) pf_buf_put_cstr(layout->out, cross);
        put_times(layout->out, "─", layout->columns[c].is_hidden ? 3 : layout->columns[c].width + 2);
        was_hidden = layout->columns[c].is_hidden;
        is_first = false;
    }
    pf_buf_put_cstr(layout->out, right);
    pf_buf_put_char(layout->out, '\n');
}

/* `cells` NULL: the dots between the first and the last rows. */
static void put_row(const struct layout *layout, const pf_str *cells, bool is_header) {
    bool was_hidden = false;
    pf_buf_put_cstr(layout->out, "│");
    for (size_t c = 0; c < layout->table->column_count; c++) {
        const struct column *column = &layout->columns[c];
        if (column->is_hidden && was_hidden) continue;
        was_hidden = column->is_hidden;
        if (column->is_hidden) {
            pf_buf_put_cstr(layout->out, " … │");
            continue;
        }
        enum align align = is_header || !cells ? CENTRE : column->is_right ? RIGHT : LEFT;
        pf_buf_put_char(layout->out, ' ');
        put_cell(layout->out, cells ? cells[c] : PF_STR("·"), column->width, align);
        pf_buf_put_cstr(layout->out, " │");
    }
    pf_buf_put_char(layout->out, '\n');
}

static void put_header(const struct layout *layout) {
    pf_str *names = PF_ARENA_ARRAY(layout->arena, pf_str, layout->table->column_count);
    pf_str *types = PF_ARENA_ARRAY(layout->arena, pf_str, layout->table->column_count);
    for (size_t c = 0; c < layout->table->column_count; c++) {
        names[c] = layout->columns[c].name;
        types[c] = layout->columns[c].type;
    }
    put_row(layout, names, true);
    put_row(layout, types, true);
}

void result_table_print(const struct result_table *table, int width, pf_str footer, struct pf_buf *out) {
    struct pf_arena *arena = pf_arena_new(NULL, "layout");
    struct layout layout = {.table = table, .arena = arena, .out = out};
    layout.columns = PF_ARENA_ARRAY(arena, struct column, table->column_count);
    if (table->column_count) memcpy(layout.columns, table->columns, table->column_count * sizeof *table->columns);
    cut_cells(&layout);
    measure(&layout);
    fit(&layout, width > 0 ? (size_t)width : 0);
    if (table->column_count) {
        put_line(&layout, "┌", "┬", "┐");
        put_header(&layout);
        put_line(&layout, "├", "┼", "┤");
        for (size_t i = 0; i < layout.shown; i++) {
            if (i == layout.gap_after) put_row(&layout, NULL, false);
            put_row(&layout, layout.rows[i], false);
        }
        put_line(&layout, "└", "┴", "┘");
    }
    if (footer.len) {
        pf_buf_put_str(out, footer);
        pf_buf_put_char(out, '\n');
    }
    pf_arena_free(arena);
}

void result_table_print_lines(const struct result_table *table, struct pf_buf *out) {
    struct pf_arena *arena = pf_arena_new(NULL, "lines");
    size_t all = (size_t)table->row_count, shown = all < table->half * 2 ? all : table->half * 2;
    for (size_t i = 0; i < shown; i++) {
        pf_str *cells;
        size_t count = split_json_array(pf_str_from_cstr(shown_row(table, i)), arena, &cells);
        if (count) pf_buf_put_str(out, unquoted(arena, cells[count - 1]));
        pf_buf_put_char(out, '\n');
    }
    pf_arena_free(arena);
}
