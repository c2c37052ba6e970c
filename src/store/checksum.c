/* SPDX-License-Identifier: MIT */
#include "store/checksum.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

/* Reflected polynomials. CRC64NVME is the one of the NVMe specification (also "CRC-64/Rocksoft"). */
#define POLYNOMIAL_32C 0x82f63b78u
#define POLYNOMIAL_64NVME 0x9a6c9329ac4bc9b5ull

enum { SLICES = 8 };

/* Slicing by 8: table k is what a byte does when k bytes follow it in the word. */
static uint32_t table_32[SLICES][256];
static uint64_t table_64[SLICES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t a = i;
        uint64_t b = i;
        for (int bit = 0; bit < 8; bit++) {
            a = (a >> 1) ^ (a & 1 ? POLYNOMIAL_32C : 0);
            b = (b >> 1) ^ (b & 1 ? POLYNOMIAL_64NVME : 0);
        }
        table_32[0][i] = a;
        table_64[0][i] = b;
    }
    for (int k = 1; k < SLICES; k++) {
        for (int i = 0; i < 256; i++) {
            table_32[k][i] = (table_32[k - 1][i] >> 8) ^ table_32[0][table_32[k - 1][i] & 255];
            table_64[k][i] = (table_64[k - 1][i] >> 8) ^ table_64[0][table_64[k - 1][i] & 255];
        }
    }
}

static uint64_t load_little_endian(const unsigned char *bytes) {
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) word = word << 8 | bytes[i];
    return word;
}

static uint32_t crc32c_by_table(const unsigned char *bytes, size_t count, uint32_t crc) {
    pthread_once(&tables_once, make_tables);
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word = load_little_endian(bytes) ^ crc;
        crc = 0;
        for (int k = 0; k < SLICES; k++) crc ^= table_32[7 - k][word >> (8 * k) & 255];
    }
    for (; count; count--) crc = (crc >> 8) ^ table_32[0][(crc ^ *bytes++) & 255];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_instruction(const unsigned char *bytes, size_t count,
                                                                        uint32_t crc) {
    uint64_t wide = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; count; count--) crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}
#endif

/* `crc` and what comes back are the inner state: all ones before the first byte, inverted after the last. */
static uint32_t add_crc32c(uint32_t crc, pf_str bytes) {
    const unsigned char *start = (const unsigned char *)bytes.ptr;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction(start, bytes.len, crc);
#endif
    return crc32c_by_table(start, bytes.len, crc);
}

static uint64_t add_crc64nvme(uint64_t crc, pf_str text) {
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t count = text.len;
    pthread_once(&tables_once, make_tables);
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word = load_little_endian(bytes) ^ crc;
        crc = 0;
        for (int k = 0; k < SLICES; k++) crc ^= table_64[7 - k][word >> (8 * k) & 255];
    }
    for (; count; count--) crc = (crc >> 8) ^ table_64[0][(crc ^ *bytes++) & 255];
    return crc;
}

uint32_t checksum_crc32c(pf_str bytes) {
    return ~add_crc32c(~0u, bytes);
}

uint64_t checksum_crc64nvme(pf_str bytes) {
    return ~add_crc64nvme(~0ull, bytes);
}

static void hash_sha256(const pf_str *pieces, size_t count, unsigned char *out_raw) {
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_done = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    for (size_t i = 0; i < count && is_done; i++) is_done = EVP_DigestUpdate(hash, pieces[i].ptr, pieces[i].len);
    is_done = is_done && EVP_DigestFinal_ex(hash, out_raw, NULL);
    EVP_MD_CTX_free(hash);
    assert(is_done); /* it fails only where memory does */
}

pf_str checksum_sha256_hex(const pf_str *pieces, size_t count, struct pf_arena *arena) {
    unsigned char raw[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH];
    hash_sha256(pieces, count, raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        text[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    return pf_arena_str(arena, pf_str_from(text, sizeof text));
}

static const struct {
    const char *name, *header, *element;
} NAMES[] = {
    [PF_S3_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C"},
    [PF_S3_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME"},
    [PF_S3_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256"},
    [PF_S3_NO_CHECKSUM] = {"", "", ""},
};

pf_str checksum_name(enum pf_s3_checksum kind) {
    return pf_str_from_cstr(NAMES[kind].name);
}
pf_str checksum_header(enum pf_s3_checksum kind) {
    return pf_str_from_cstr(NAMES[kind].header);
}
pf_str checksum_element(enum pf_s3_checksum kind) {
    return pf_str_from_cstr(NAMES[kind].element);
}

pf_str checksum_print(enum pf_s3_checksum kind, pf_str bytes, struct pf_arena *arena) {
    return checksum_print_pieces(kind, &bytes, 1, arena);
}

pf_str checksum_print_pieces(enum pf_s3_checksum kind, const pf_str *pieces, size_t count, struct pf_arena *arena) {
    unsigned char raw[SHA256_DIGEST_LENGTH], text[64];
    int size = 0;
    uint32_t crc32 = ~0u;
    uint64_t number = 0, crc64 = ~0ull;
    switch (kind) {
    case PF_S3_CRC32C:
        for (size_t i = 0; i < count; i++) crc32 = add_crc32c(crc32, pieces[i]);
        number = ~crc32, size = 4;
        break;
    case PF_S3_CRC64NVME:
        for (size_t i = 0; i < count; i++) crc64 = add_crc64nvme(crc64, pieces[i]);
        number = ~crc64, size = 8;
        break;
    case PF_S3_SHA256: hash_sha256(pieces, count, raw); break;
    case PF_S3_NO_CHECKSUM: return PF_STR_EMPTY;
    }
    for (int i = 0; i < size; i++) raw[i] = (unsigned char)(number >> (8 * (size - 1 - i)));
    if (!size) size = SHA256_DIGEST_LENGTH;
    int length = EVP_EncodeBlock(text, raw, size);
    return pf_arena_str(arena, pf_str_from((const char *)text, (size_t)length));
}
