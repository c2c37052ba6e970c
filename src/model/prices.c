/* SPDX-License-Identifier: MIT */
#include "model/model.h"

/* List prices change: this is the only place that has them. Data transfer within a region is free; a Redis on nodes
 * has no price by use. */
static const struct pf_price_row prices[PF_PRICE_COUNT] = {
    [PF_PRICE_FUNCTION_GB_S] = {"function", "GB s", 0.0000133334, "AWS Lambda, arm64, first tier"},
    [PF_PRICE_INVOCATION] = {"invocation", "request", 0.20e-6, "AWS Lambda"},
    [PF_PRICE_S3_PUT] = {"s3_put", "request", 0.005e-3, "Amazon S3 Standard"},
    [PF_PRICE_S3_GET] = {"s3_get", "request", 0.0004e-3, "Amazon S3 Standard"},
    [PF_PRICE_REDIS_KB] = {"redis", "KB", 0.0023e-6, "ElastiCache Serverless for Valkey: one ECPU a KB"},
};

const struct pf_price_row *pf_price(enum pf_price price) {
    return &prices[price];
}

int64_t pf_price_worth_bytes(enum pf_price request) {
    return (int64_t)(prices[request].dollars / (2 * prices[PF_PRICE_REDIS_KB].dollars) * 1000);
}

double pf_usage_dollars(const struct pf_usage *usage) {
    return usage->gb_s * prices[PF_PRICE_FUNCTION_GB_S].dollars +
           usage->invocations * prices[PF_PRICE_INVOCATION].dollars + usage->puts * prices[PF_PRICE_S3_PUT].dollars +
           usage->gets * prices[PF_PRICE_S3_GET].dollars + usage->redis_kb * prices[PF_PRICE_REDIS_KB].dollars;
}

void pf_usage_add(struct pf_usage *sum, const struct pf_usage *more) {
    sum->gb_s += more->gb_s;
    sum->invocations += more->invocations;
    sum->puts += more->puts;
    sum->gets += more->gets;
    sum->redis_kb += more->redis_kb;
}
