/* SPDX-License-Identifier: MIT */
/* Compression of Avro blocks and of gzipped metadata: whole buffers, never more than a maximum. */
#ifndef PF_ICEBERG_CODEC_H
#define PF_ICEBERG_CODEC_H

#include "base/buf.h"
#include "iceberg/iceberg.h"

enum codec { CODEC_NULL, CODEC_DEFLATE, CODEC_SNAPPY, CODEC_ZSTANDARD, CODEC_GZIP };

/* Avro's names; the empty name is null. PF_UNSUPPORTED for others (bzip2, xz). */
enum pf_code codec_from_name(pf_str name, enum codec *out_codec, struct pf_error *err) PF_MUST_CHECK;

/* Appends to `out`, whose maximum is the limit. */
enum pf_code codec_decompress_into(enum codec codec, pf_str bytes, struct pf_buf *out, struct pf_error *err)
    PF_MUST_CHECK;
/* CODEC_NULL gives the input itself. PF_CORRUPT, or PF_TOO_LARGE over `max_bytes`. */
enum pf_code codec_decompress(enum codec codec, pf_str bytes, size_t max_bytes, struct pf_arena *arena,
                              pf_str *out_bytes, struct pf_error *err) PF_MUST_CHECK;

/* Raw deflate (Avro), appended to `out`. */
enum pf_code codec_deflate(pf_str bytes, struct pf_buf *out, struct pf_error *err) PF_MUST_CHECK;

#endif
