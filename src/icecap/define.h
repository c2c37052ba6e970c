/* SPDX-License-Identifier: MIT */
/* The parts of CREATE TABLE and ALTER TABLE: columns, partitions, sort orders, properties. Parsed here; made into
 * the JSON that the REST protocol has for them, which the catalog takes from everybody. Pure. */
#ifndef PF_ICECAP_DEFINE_H
#define PF_ICECAP_DEFINE_H

#include "base/json.h"
#include "iceberg/iceberg.h"
#include "icecap/head.h"

struct define_column {
    pf_str name, type; /* SQL, as DuckDB prints it */
    bool is_required;
    pf_str default_sql; /* empty: none */
};

/* name TYPE [NOT NULL] [NULL] [DEFAULT expression] */
enum pf_code define_parse_column(struct head *head, struct define_column *out_column, struct pf_error *err)
    PF_MUST_CHECK;
/* A type, up to a comma, a parenthesis or what may follow a type. */
enum pf_code define_parse_type(struct head *head, pf_str *out_type, struct pf_error *err) PF_MUST_CHECK;

/* One of PARTITIONED BY or SORTED BY: a column, or a transform of one. */
struct define_term {
    const pf_str *path; /* of names: a field of a struct has several */
    size_t path_count;
    pf_str transform; /* "identity", "bucket[16]" */
    bool is_descending, is_nulls_first;
};
struct define_terms {
    struct define_term *items;
    size_t count;
};
/* (a, year(b), bucket(16, c), truncate(4, d)); `is_sorted`: each may have ASC, DESC, NULLS FIRST, NULLS LAST. */
enum pf_code define_parse_terms(struct head *head, bool is_sorted, struct define_terms *out_terms, struct pf_error *err)
    PF_MUST_CHECK;

struct define_properties {
    struct pf_property *items;
    size_t count;
};
/* ('key' = 'value', "key" = 3, key = true) */
enum pf_code define_parse_properties(struct head *head, struct define_properties *out_properties, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- JSON ---- */

/* The fields of a partition spec or write order; `schema`: the ids. PF_INVALID for a column that is not there, or a
 * transform that does not take it. */
enum pf_code define_put_partition_fields(struct pf_json_out *out, const struct define_terms *terms,
                                         const struct pf_iceberg_schema *schema, struct pf_error *err) PF_MUST_CHECK;
enum pf_code define_put_sort_fields(struct pf_json_out *out, const struct define_terms *terms,
                                    const struct pf_iceberg_schema *schema, struct pf_error *err) PF_MUST_CHECK;

struct define_table {
    const struct define_column *columns;
    size_t column_count;
    struct define_terms partitions, order;
    struct define_properties properties;
};
/* A CreateTableRequest. */
enum pf_code define_table_request(const struct define_table *table, pf_str name, struct pf_arena *arena,
                                  pf_json **out_request, struct pf_error *err) PF_MUST_CHECK;

#endif
