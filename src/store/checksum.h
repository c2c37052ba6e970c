/* SPDX-License-Identifier: MIT */
/* The checksums that S3 knows of objects, in the form of its headers (base64). */
#ifndef PF_STORE_CHECKSUM_H
#define PF_STORE_CHECKSUM_H

#include "store/store.h"

uint32_t checksum_crc32c(pf_str bytes);
uint64_t checksum_crc64nvme(pf_str bytes);

/* "CRC32C", "CRC64NVME", "SHA256"; empty for PF_S3_NO_CHECKSUM. */
pf_str checksum_name(enum pf_s3_checksum kind);
/* "x-amz-checksum-crc32c" */
pf_str checksum_header(enum pf_s3_checksum kind);
/* "ChecksumCRC32C": the element of CompleteMultipartUpload */
pf_str checksum_element(enum pf_s3_checksum kind);
/* Of pieces one behind the other. */
pf_str checksum_print_pieces(enum pf_s3_checksum kind, const pf_str *pieces, size_t count, struct pf_arena *arena);
pf_str checksum_sha256_hex(const pf_str *pieces, size_t count, struct pf_arena *arena);
pf_str checksum_print(enum pf_s3_checksum kind, pf_str bytes, struct pf_arena *arena);

#endif
