/* SPDX-License-Identifier: MIT */
/* Conditions that hold for whole files, told without reading them. */
#ifndef PF_ICECAP_WHOLE_FILES_H
#define PF_ICECAP_WHOLE_FILES_H

#include "icecap/places.h"
#include "icecap/target.h"

/* `*out_is_known`: the condition is about identity partition columns only; the files of `out_found` that have a row are
 * those for which it holds. */
enum pf_code whole_files_find(struct icecap_call *call, const struct target *target, const struct places *places,
                              pf_str alias, pf_str where_sql, struct places *out_found, bool *out_is_known,
                              struct pf_error *err) PF_MUST_CHECK;

#endif
