/* SPDX-License-Identifier: MIT */
#include "store/checksum.h"

#include "support/test.h"

/* Check values of the catalogue of parametrised CRC algorithms (CRC-32/ISCSI, CRC-64/NVME). */
TEST(computes_the_check_values) {
    CHECK_UINT(checksum_crc32c(PF_STR("123456789")), 0xe3069283u);
    CHECK_UINT(checksum_crc64nvme(PF_STR("123456789")), 0xae8b14860a799888u);
    CHECK_UINT(checksum_crc32c(PF_STR_EMPTY), 0);
    CHECK_UINT(checksum_crc64nvme(PF_STR_EMPTY), 0);
}

TEST(prints_checksums_as_s3_has_them) {
    CHECK_STR(checksum_print(PF_S3_CRC32C, PF_STR("123456789"), test->arena), "4waSgw==");
    CHECK_STR(checksum_print(PF_S3_CRC64NVME, PF_STR("123456789"), test->arena), "rosUhgp5mIg=");
    CHECK_STR(checksum_print(PF_S3_SHA256, PF_STR_EMPTY, test->arena), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    CHECK_STR(checksum_print(PF_S3_NO_CHECKSUM, PF_STR("x"), test->arena), "");
}

TEST(sums_up_pieces_as_the_whole) {
    pf_str pieces[] = {PF_STR("123"), PF_STR_EMPTY, PF_STR("45678"), PF_STR("9")};
    for (int kind = PF_S3_CRC32C; kind < PF_S3_NO_CHECKSUM; kind++) {
        CHECK_STR(
            checksum_print_pieces((enum pf_s3_checksum)kind, pieces, 4, test->arena),
            pf_arena_cstr(test->arena, checksum_print((enum pf_s3_checksum)kind, PF_STR("123456789"), test->arena)));
    }
    CHECK_STR(checksum_sha256_hex(pieces, 4, test->arena),
              "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
}
