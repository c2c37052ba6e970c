/* SPDX-License-Identifier: MIT */
/* JSON documents: read with yyjson, written through pf_buf.
 *
 * Reading: pf_json_parse ties the document to an arena; values are views into it. The getters take a NULL or
 * wrongly typed value and give the fallback, so that optional fields need no branches; required fields go through
 * the pf_json_need_* calls, whose errors name the path.
 * Writing: struct pf_json_out keeps the commas. */
#ifndef PF_BASE_JSON_H
#define PF_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

#include <yyjson.h>

typedef yyjson_val pf_json;

/* `what` names the document in the error. Depth is limited by us (512), size by the caller. */
enum pf_code pf_json_parse(pf_str text, struct pf_arena *arena, const char *what, pf_json **out_root,
                           struct pf_error *err) PF_MUST_CHECK;

pf_json *pf_json_get(pf_json *object, const char *key); /* NULL if it isn't there */
pf_str pf_json_get_str(pf_json *object, const char *key, pf_str fallback);
int64_t pf_json_get_i64(pf_json *object, const char *key, int64_t fallback); /* integers, also as strings of digits */
double pf_json_get_f64(pf_json *object, const char *key, double fallback);
bool pf_json_get_bool(pf_json *object, const char *key, bool fallback);

pf_str pf_json_as_str(pf_json *value, pf_str fallback);
int64_t pf_json_as_i64(pf_json *value, int64_t fallback);

enum pf_code pf_json_need_str(pf_json *object, const char *key, const char *what, pf_str *out_value,
                              struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_json_need_i64(pf_json *object, const char *key, const char *what, int64_t *out_value,
                              struct pf_error *err) PF_MUST_CHECK;

/* Walks an array or an object; nothing for NULL or anything else:
 * for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) use(each.value); */
struct pf_json_each {
    pf_json *value; /* the current element */
    pf_str key;     /* its key, if an object is walked */
    size_t index, count;
    pf_json *next;
    bool is_object;
};
struct pf_json_each pf_json_each(pf_json *container);
bool pf_json_next(struct pf_json_each *each);
size_t pf_json_count(pf_json *container);

struct pf_json_out {
    struct pf_buf *buf;
    bool need_comma;
};

void pf_json_begin(struct pf_json_out *out, struct pf_buf *buf);
void pf_json_open_object(struct pf_json_out *out);
void pf_json_close_object(struct pf_json_out *out);
void pf_json_open_array(struct pf_json_out *out);
void pf_json_close_array(struct pf_json_out *out);
void pf_json_key(struct pf_json_out *out, const char *key); /* one of ours: nothing in it needs escaping */
void pf_json_put_key(struct pf_json_out *out, pf_str key);  /* any text */
void pf_json_put_str(struct pf_json_out *out, pf_str value);
void pf_json_put_i64(struct pf_json_out *out, int64_t value);
void pf_json_put_f64(struct pf_json_out *out, double value); /* NaN and infinities as strings */
void pf_json_put_bool(struct pf_json_out *out, bool value);
void pf_json_put_null(struct pf_json_out *out);
void pf_json_put_raw(struct pf_json_out *out, pf_str json); /* already JSON */
void pf_json_put_value(struct pf_json_out *out, pf_json *value);

void pf_json_field_str(struct pf_json_out *out, const char *key, pf_str value);
void pf_json_field_i64(struct pf_json_out *out, const char *key, int64_t value);
void pf_json_field_f64(struct pf_json_out *out, const char *key, double value);
void pf_json_field_bool(struct pf_json_out *out, const char *key, bool value);

#endif
