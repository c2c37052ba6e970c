/* SPDX-License-Identifier: MIT */
/* Schemas and partition specs as JSON, and helpers that several files need. */
#ifndef PF_ICEBERG_SCHEMA_H
#define PF_ICEBERG_SCHEMA_H

#include "base/json.h"
#include "iceberg/iceberg.h"

/* Errors are PF_CORRUPT and name the place inside the document, e.g. "fields[2] 'a': type ...". */
enum pf_code schema_read_type(pf_json *json, struct pf_arena *arena, const struct pf_iceberg_type **out_type,
                              struct pf_error *err) PF_MUST_CHECK;
enum pf_code schema_read(pf_json *json, struct pf_arena *arena, struct pf_iceberg_schema *out_schema,
                         struct pf_error *err) PF_MUST_CHECK;
/* `json`: the array of partition fields. Missing field ids (v1) are given from 1000. */
enum pf_code schema_read_partition_fields(pf_json *json, struct pf_arena *arena, struct pf_partition_spec *spec,
                                          struct pf_error *err) PF_MUST_CHECK;
enum pf_code schema_read_transform(pf_json *json, struct pf_arena *arena, struct pf_transform *out_transform,
                                   struct pf_error *err) PF_MUST_CHECK;

void schema_write(const struct pf_iceberg_schema *schema, struct pf_json_out *out);
void schema_write_partition_fields(const struct pf_partition_spec *spec, struct pf_json_out *out);

/* A primitive type by its text ("int", "decimal(9,2)"); kind OTHER for names that aren't known. False: malformed. */
bool schema_parse_primitive(pf_str text, struct pf_iceberg_type *out_type);

bool schema_types_equal(const struct pf_iceberg_type *a, const struct pf_iceberg_type *b); /* ids too */
int schema_greatest_id(const struct pf_iceberg_schema *schema);                            /* at any depth */
/* The type of a partition field's source in the current or any other schema; NULL if it is gone. */
const struct pf_iceberg_type *schema_source_type(const struct pf_table_metadata *metadata, int source_id);

/* A field's initial default as a text literal of SQL, to be cast to its type. */
enum pf_code schema_default_text(const struct pf_iceberg_field *field, struct pf_arena *arena, pf_str *out_sql,
                                 struct pf_error *err) PF_MUST_CHECK;

/* A JSON value as text in the arena; empty for NULL. */
pf_str schema_json_text(pf_json *json, struct pf_arena *arena);

#endif
