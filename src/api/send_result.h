/* SPDX-License-Identifier: MIT */
/* Answers from the result cache: as rows to who asked the query, as an immutable object to who knows its address. */
#ifndef PF_API_SEND_RESULT_H
#define PF_API_SEND_RESULT_H

#include "api/api_internal.h"
#include "api/read_request.h"

/* Both fill the response and release the result, when the answer is out at the latest. `took_us`: for the stats. */
void send_result_rows(const struct api_call *call, const struct query_request *asked, struct pf_result *result,
                      int64_t took_us);
/* 303 to the address of the result. */
void send_result_redirect(const struct api_call *call, const struct query_request *asked, struct pf_result *result,
                          bool was_there);

#endif
