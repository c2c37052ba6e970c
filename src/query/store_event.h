/* SPDX-License-Identifier: MIT */
/* The options of the store on their way from the coordinator to its workers. Credentials do not travel: a worker finds
 * its own, as the coordinator did. */
#ifndef PF_QUERY_STORE_EVENT_H
#define PF_QUERY_STORE_EVENT_H

#include "base/json.h"
#include "store/store.h"

void store_options_to_json(const struct pf_store_options *options, struct pf_json_out *out);
/* Views into the document. */
void store_options_from_json(pf_json *object, struct pf_store_options *out_options);

#endif
