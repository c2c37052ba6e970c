/* SPDX-License-Identifier: MIT */
#include "sync/connection.h"

pf_str reply_text(const valkeyReply *reply) {
    bool is_text = reply && (reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_STATUS ||
                             reply->type == VALKEY_REPLY_ERROR);
    return is_text ? pf_str_from(reply->str, reply->len) : PF_STR_EMPTY;
}

int64_t reply_number(const valkeyReply *reply) {
    if (!reply) return 0;
    if (reply->type == VALKEY_REPLY_INTEGER) return reply->integer;
    int64_t number = 0;
    pf_str_to_i64(reply_text(reply), &number);
    return number;
}

bool reply_is(const valkeyReply *reply, const char *text) {
    return pf_str_equal(reply_text(reply), pf_str_from_cstr(text));
}

bool reply_is_nil(const valkeyReply *reply) {
    return !reply || reply->type == VALKEY_REPLY_NIL;
}

const valkeyReply *reply_element(const valkeyReply *reply, size_t index) {
    return reply && index < reply->elements ? reply->element[index] : NULL;
}

/* By the first word of the error. */
static const struct error_word {
    const char *word;
    enum reply_fate fate;
    enum pf_code code;
    const char *mend;
} error_words[] = {
    {"MOVED ", REPLY_IS_REDIRECT, PF_REMOTE, ""},
    {"ASK ", REPLY_IS_REDIRECT, PF_REMOTE, ""},
    {"NOSCRIPT", REPLY_NEEDS_SCRIPTS, PF_REMOTE, ""},
    {"TRYAGAIN", REPLY_IS_NOT_YET, PF_REMOTE, "; a slot of the cluster is being moved"},
    {"CLUSTERDOWN", REPLY_IS_NOT_YET, PF_REMOTE, "; see `redis-cli --cluster check`"},
    {"LOADING", REPLY_IS_NOT_YET, PF_REMOTE, ""},
    {"BUSY ", REPLY_IS_NOT_YET, PF_THROTTLED, ""},
    {"NOREPLICAS", REPLY_IS_NOT_YET, PF_REMOTE, ""},
    {"READONLY", REPLY_IS_NOT_HERE, PF_REMOTE, "; this is a replica, name the primary"},
    {"MASTERDOWN", REPLY_IS_NOT_HERE, PF_REMOTE, ""},
    {"UNBLOCKED", REPLY_IS_NOT_HERE, PF_REMOTE, ""},
    {"ERR max number of clients", REPLY_IS_NOT_HERE, PF_THROTTLED, "; raise its maxclients"},
    /* A slot is leaving in the middle of a script, which may run twice. */
    {"ERR Script attempted to access a non local key", REPLY_IS_NOT_YET, PF_REMOTE, ""},
    {"ERR Script attempted to execute a", REPLY_IS_NOT_YET, PF_REMOTE, ""},
    {"OOM", REPLY_IS_FINAL, PF_NO_MEMORY, "; Redis is at its memory limit"},
    {"NOAUTH", REPLY_IS_FINAL, PF_DENIED, "; check user and password in the URL"},
    {"WRONGPASS", REPLY_IS_FINAL, PF_DENIED, "; check user and password in the URL"},
    {"ERR AUTH", REPLY_IS_FINAL, PF_DENIED, "; take the password out of the URL, or set one there"},
    {"NOPERM", REPLY_IS_FINAL, PF_DENIED, "; docs/redis.md lists the rights that a user needs"},
    {"MISCONF", REPLY_IS_FINAL, PF_REMOTE, ""},
};

static const struct error_word *find_error(pf_str text) {
    for (size_t i = 0; i < sizeof error_words / sizeof *error_words; i++) {
        if (pf_str_starts_with(text, pf_str_from_cstr(error_words[i].word))) return &error_words[i];
    }
    return NULL;
}

enum reply_fate reply_fate(const valkeyReply *reply) {
    if (reply->type != VALKEY_REPLY_ERROR) return REPLY_IS_FINAL;
    const struct error_word *found = find_error(reply_text(reply));
    return found ? found->fate : REPLY_IS_FINAL;
}

enum pf_code reply_fail(pf_str text, pf_str label, const char *what, struct pf_error *err) {
    const struct error_word *found = find_error(text);
    PF_FAIL(err, found ? found->code : PF_BUG, "%s on %.*s: %.*s%s", what, PF_STR_ARG(label), PF_STR_ARG(text),
            found ? found->mend : "");
}

enum pf_code check_id(pf_str id, const char *what, struct pf_error *err) {
    bool is_fine = id.len > 0 && id.len <= MAX_ID_BYTES;
    for (size_t i = 0; is_fine && i < id.len; i++) {
        char c = id.ptr[i];
        is_fine = c > ' ' && c < 0x7f && c != '{' && c != '}';
    }
    if (!is_fine) PF_FAIL(err, PF_INVALID, "'%.*s' is not a %s", PF_STR_ARG(pf_str_slice(id, 0, 80)), what);
    return PF_OK;
}
