/* SPDX-License-Identifier: MIT */
/* Bodies inside events: as JSON text where that loses nothing, else in base64 (RFC 4648 section 4). */
#ifndef PF_FLEET_EVENT_BODY_H
#define PF_FLEET_EVENT_BODY_H

#include "base/buf.h"
#include "base/json.h"

/* Fields "body" and "isBase64Encoded" of an event or an answer. PF_INVALID: it isn't base64. */
enum pf_code event_body_read(pf_json *event, struct pf_arena *arena, pf_str *out_body, struct pf_error *err)
    PF_MUST_CHECK;
void event_body_put(struct pf_json_out *out, pf_str body);

#endif
