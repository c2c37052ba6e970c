/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <openssl/sha.h>

pf_str pf_digest_hex(pf_str bytes, char text[PF_DIGEST_CHARS]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)(bytes.len ? bytes.ptr : ""), bytes.len, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    return pf_str_from(text, PF_DIGEST_CHARS);
}

bool pf_digest_is_hex(pf_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
    }
    return text.len == PF_DIGEST_CHARS;
}
