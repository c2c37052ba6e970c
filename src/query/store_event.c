/* SPDX-License-Identifier: MIT */
#include "query/store_event.h"

void store_options_to_json(const struct pf_store_options *options, struct pf_json_out *out) {
    const struct pf_s3_options *s3 = &options->s3;
    pf_json_open_object(out);
    pf_json_field_str(out, "endpoint", s3->endpoint);
    pf_json_field_str(out, "region", s3->region);
    pf_json_field_str(out, "ca_path", s3->ca_path);
    pf_json_field_i64(out, "addressing", s3->addressing);
    pf_json_field_i64(out, "checksum", s3->checksum);
    pf_json_field_bool(out, "no_hedging", s3->no_hedging);
    pf_json_field_i64(out, "in_flight", s3->in_flight);
    pf_json_field_i64(out, "part_bytes", s3->part_bytes);
    pf_json_field_i64(out, "timeout_ms", s3->timeout_ms);
    pf_json_close_object(out);
}

void store_options_from_json(pf_json *object, struct pf_store_options *out_options) {
    int64_t addressing = pf_json_get_i64(object, "addressing", PF_S3_AUTO);
    int64_t checksum = pf_json_get_i64(object, "checksum", PF_S3_CRC32C);
    *out_options = (struct pf_store_options){
        .s3 = {
            .endpoint = pf_json_get_str(object, "endpoint", PF_STR_EMPTY),
            .region = pf_json_get_str(object, "region", PF_STR_EMPTY),
            .ca_path = pf_json_get_str(object, "ca_path", PF_STR_EMPTY),
            .addressing =
                addressing >= 0 && addressing <= PF_S3_VIRTUAL ? (enum pf_s3_addressing)addressing : PF_S3_AUTO,
            .checksum = checksum >= 0 && checksum <= PF_S3_NO_CHECKSUM ? (enum pf_s3_checksum)checksum : PF_S3_CRC32C,
            .no_hedging = pf_json_get_bool(object, "no_hedging", false),
            .in_flight = (int)pf_json_get_i64(object, "in_flight", 0),
            .part_bytes = pf_json_get_i64(object, "part_bytes", 0),
            .timeout_ms = pf_json_get_i64(object, "timeout_ms", 0),
        }};
}
