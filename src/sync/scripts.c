/* SPDX-License-Identifier: MIT */
/* Keys of query Q, all of them "<prefix>:{Q}:" and:
 *
 *   q         hash     state (open, cancelled), coord (end of the coordinator's lease), owner (its id), max, ttl,
 *                      tokens (how many of its tokens lie in the ready list)
 *   stages    hash     stage -> payload                       tasks    hash  stage:task -> payload
 *   attempts  hash     stage:task -> latest attempt           fails    hash  stage:task -> failures so far
 *   pending   list     refs to be claimed                     running  zset  ref -> end of its lease
 *   owners    hash     ref -> worker                          done     hash  stage:task -> attempt:worker that won
 *   events    stream   what the coordinator reads             vals     set   names of small values, each in v:<name>
 *   record    string   outlives the rest
 *
 * A ref is stage:task:attempt. "<prefix>:ready" is the list of tokens that workers wait on: a token is the id of a
 * query that has work. Each query has at most MAX_TOKENS there and gets a new one at the end whenever one is used, so
 * queries take turns. Tokens are hints: a lost one delays, EXPIRE and COORDINATE put it back; one too many is dropped
 * by CLAIM.
 *
 * Invariants. 1: a ref is claimed at most once (it must be the latest attempt, and not running). 2: a stage:task in
 * `done` is never queued again, unless AGAIN removed it. 3: a ref leaves `running` in the script that publishes, fails
 * or loses it, so each attempt is accounted for once. Because of these every script but CLAIM may run twice. */
#include "sync/scripts.h"

#include <openssl/sha.h>

/* In front of every script. ARGV[1], ARGV[2]: ready list and query id, for those that wake workers. */
static const char prelude[] =
    "local MAX_TOKENS = 64\n"
    "local q, b\n"
    "local call = redis.call\n"
    "local function use(base) b = base; q = base..'q' end\n"
    "local clock = call('TIME')\n"
    "local now = clock[1] * 1000 + math.floor(clock[2] / 1000)\n"
    "local all = {'q','stages','tasks','attempts','fails','pending','running','owners','done','events','vals'}\n"
    "local function state() return call('HGET', q, 'state') end\n"
    "local function keep(name)\n"
    "  if call('PTTL', b..name) == -1 then call('PEXPIRE', b..name, call('HGET', q, 'ttl')) end\n"
    "end\n"
    "local function wake(ready, id)\n"
    "  local want = math.min(call('LLEN', b..'pending'), MAX_TOKENS)\n"
    "  local have = tonumber(call('HGET', q, 'tokens'))\n"
    "  for i = have + 1, want do call('RPUSH', ready, id) end\n"
    "  if want > have then call('HSET', q, 'tokens', want) end\n"
    "end\n"
    "local function event(...)\n"
    "  call('XADD', b..'events', '*', ...)\n"
    "  keep('events')\n"
    "end\n"
    "local function queue(task, attempt)\n"
    "  call('HSET', b..'attempts', task, attempt)\n"
    "  call('LPUSH', b..'pending', task..':'..attempt)\n"
    "  keep('pending')\n"
    "end\n"
    /* Takes a ref out of `running`; nil if it was not there. */
    "local function leave(ref)\n"
    "  local worker = call('HGET', b..'owners', ref)\n"
    "  if call('ZREM', b..'running', ref) == 0 then return nil end\n"
    "  call('HDEL', b..'owners', ref)\n"
    "  return worker or ''\n"
    "end\n"
    /* One more failure of a task: '1' if it was the last that is allowed, else '0' and the next attempt is queued. */
    "local function settle(task, attempt, may_retry)\n"
    "  local fails = call('HINCRBY', b..'fails', task, 1)\n"
    "  keep('fails')\n"
    "  if not may_retry or fails >= tonumber(call('HGET', q, 'max')) then return '1' end\n"
    "  if call('HGET', b..'attempts', task) == attempt then queue(task, attempt + 1) end\n"
    "  return '0'\n"
    "end\n"
    "local function drop()\n"
    "  local names = call('SMEMBERS', b..'vals')\n"
    "  for i = 1, #names do call('UNLINK', b..'v:'..names[i]) end\n"
    "  for i = 1, #all do call('UNLINK', b..all[i]) end\n"
    "end\n"
    "if KEYS[1] then use(string.sub(KEYS[1], 1, -2)) end\n";

static const char *const sources[SCRIPT_COUNT] = {
    /* coordinator, lease, max, ttl */
    [SCRIPT_BEGIN] = "if state() then return call('HGET', q, 'owner') == ARGV[1] and 'ok' or 'exists' end\n"
                     "call('HSET', q, 'state', 'open', 'owner', ARGV[1], 'coord', now + ARGV[2], 'max', ARGV[3],\n"
                     "     'ttl', ARGV[4], 'tokens', 0)\n"
                     "call('PEXPIRE', q, ARGV[4])\n"
                     "return 'ok'\n",
    /* stage, payload */
    [SCRIPT_STAGE] = "local s = state()\n"
                     "if s == 'open' then call('HSET', b..'stages', ARGV[1], ARGV[2]) keep('stages') end\n"
                     "return s\n",
    /* ready, id, stage, first task, payload… */
    [SCRIPT_PUSH] = "local s = state()\n"
                    "if s ~= 'open' then return s end\n"
                    "for i = 5, #ARGV do\n"
                    "  local task = ARGV[3]..':'..(ARGV[4] + i - 5)\n"
                    "  if call('HSETNX', b..'attempts', task, 1) == 1 then\n"
                    "    call('HSET', b..'tasks', task, ARGV[i])\n"
                    "    call('RPUSH', b..'pending', task..':1')\n"
                    "  end\n"
                    "end\n"
                    "keep('attempts') keep('tasks') keep('pending')\n"
                    "wake(ARGV[1], ARGV[2])\n"
                    "return s\n",
    /* ready, id, stage:task, rerun? */
    [SCRIPT_AGAIN] = "local s, task = state(), ARGV[3]\n"
                     "if s ~= 'open' then return s end\n"
                     "local latest = call('HGET', b..'attempts', task)\n"
                     "if not latest then return 'unknown' end\n"
                     "if ARGV[4] == '1' then\n"
                     "  if call('HDEL', b..'done', task) == 0 then return s end\n"
                     "elseif call('HEXISTS', b..'done', task) == 1\n"
                     "    or not call('ZSCORE', b..'running', task..':'..latest) then\n"
                     "  return s\n"
                     "end\n"
                     "queue(task, latest + 1)\n"
                     "wake(ARGV[1], ARGV[2])\n"
                     "return s\n",
    /* ready, id of the token at hand or '', prefix, worker, lease */
    [SCRIPT_CLAIM] = "local function take(id)\n"
                     "  local m = call('HMGET', q, 'state', 'coord', 'tokens')\n"
                     "  if not m[1] then return nil end\n"
                     "  call('HSET', q, 'tokens', math.max(0, m[3] - 1))\n"
                     "  if m[1] ~= 'open' or tonumber(m[2]) < now then return nil end\n"
                     "  while true do\n"
                     "    local ref = call('LPOP', b..'pending')\n"
                     "    if not ref then return nil end\n"
                     "    local stage, task, attempt = string.match(ref, '^(%d+):(%d+):(%d+)$')\n"
                     "    local st = stage..':'..task\n"
                     "    if call('HEXISTS', b..'done', st) == 0 and call('HGET', b..'attempts', st) == attempt\n"
                     "        and not call('ZSCORE', b..'running', ref) then\n"
                     "      call('ZADD', b..'running', now + ARGV[5], ref)\n"
                     "      call('HSET', b..'owners', ref, ARGV[4])\n"
                     "      keep('running') keep('owners')\n"
                     "      wake(ARGV[1], id)\n"
                     "      return {id, stage, task, attempt, call('HGET', b..'tasks', st)}\n"
                     "    end\n"
                     "  end\n"
                     "end\n"
                     "local id = ARGV[2]\n"
                     "for i = 1, 1000 do\n"
                     "  if id == '' then id = call('LPOP', ARGV[1]) end\n"
                     "  if not id then return {} end\n"
                     "  use(ARGV[3]..':{'..id..'}:')\n"
                     "  local claim = take(id)\n"
                     "  if claim then return claim end\n"
                     "  id = ''\n"
                     "end\n"
                     "return {}\n",
    /* stage:task, attempt, lease */
    [SCRIPT_HEARTBEAT] = "local ref = ARGV[1]..':'..ARGV[2]\n"
                         "if state() ~= 'open' or not call('ZSCORE', b..'running', ref)\n"
                         "    or call('HEXISTS', b..'done', ARGV[1]) == 1 then return 'over' end\n"
                         "call('ZADD', b..'running', now + ARGV[3], ref)\n"
                         "return 'ok'\n",
    /* stage:task, attempt, worker, payload */
    [SCRIPT_PUBLISH] = "leave(ARGV[1]..':'..ARGV[2])\n"
                       "if state() ~= 'open' then return 'over' end\n"
                       "local mine = ARGV[2]..':'..ARGV[3]\n"
                       "if call('HSETNX', b..'done', ARGV[1], mine) == 0 then\n"
                       "  return call('HGET', b..'done', ARGV[1]) == mine and 'ok' or 'lost'\n"
                       "end\n"
                       "keep('done')\n"
                       "event('k', 'D', 't', ARGV[1], 'a', ARGV[2], 'w', ARGV[3], 'p', ARGV[4])\n"
                       "return 'ok'\n",
    /* ready, id, stage:task, attempt, worker, code, message, retryable? */
    [SCRIPT_FAIL] = "if not leave(ARGV[3]..':'..ARGV[4]) then return 'lost' end\n"
                    "if state() ~= 'open' or call('HEXISTS', b..'done', ARGV[3]) == 1 then return 'over' end\n"
                    "local final = settle(ARGV[3], ARGV[4], ARGV[8] == '1')\n"
                    "event('k', 'F', 't', ARGV[3], 'a', ARGV[4], 'w', ARGV[5], 'c', ARGV[6], 'm', ARGV[7],\n"
                    "      'f', final)\n"
                    "wake(ARGV[1], ARGV[2])\n"
                    "return 'ok'\n",
    /* ready, id, worker or '' for those whose lease ran out */
    [SCRIPT_EXPIRE] = "if state() ~= 'open' then return 0 end\n"
                      "local refs = {}\n"
                      "if ARGV[3] == '' then\n"
                      "  refs = call('ZRANGEBYSCORE', b..'running', '-inf', now, 'LIMIT', 0, 1000)\n"
                      "else\n"
                      "  local owners = call('HGETALL', b..'owners')\n"
                      "  for i = 1, #owners, 2 do\n"
                      "    if owners[i + 1] == ARGV[3] then refs[#refs + 1] = owners[i] end\n"
                      "  end\n"
                      "end\n"
                      "local lost = 0\n"
                      "for i = 1, #refs do\n"
                      "  local worker = leave(refs[i])\n"
                      "  local task, attempt = string.match(refs[i], '^(%d+:%d+):(%d+)$')\n"
                      "  if worker and call('HEXISTS', b..'done', task) == 0 then\n"
                      "    event('k', 'L', 't', task, 'a', attempt, 'w', worker, 'f', settle(task, attempt, true))\n"
                      "    lost = lost + 1\n"
                      "  end\n"
                      "end\n"
                      "if call('LLEN', ARGV[1]) == 0 then call('HSET', q, 'tokens', 0) end\n"
                      "wake(ARGV[1], ARGV[2])\n"
                      "return lost\n",
    [SCRIPT_CANCEL] = "local s = state()\n"
                      "if s == 'open' then\n"
                      "  call('HSET', q, 'state', 'cancelled')\n"
                      "  call('UNLINK', b..'pending')\n"
                      "  event('k', 'C')\n"
                      "end\n"
                      "return s\n",
    [SCRIPT_END] = "drop()\n"
                   "return 'ok'\n",
    /* ready, id, coordinator, lease */
    [SCRIPT_COORDINATE] = "local m = call('HMGET', q, 'state', 'owner', 'coord', 'ttl')\n"
                          "if not m[1] then return m[1] end\n"
                          "if m[2] ~= ARGV[3] and tonumber(m[3]) >= now then return 'taken' end\n"
                          "call('HSET', q, 'owner', ARGV[3], 'coord', now + ARGV[4])\n"
                          "for i = 1, #all do call('PEXPIRE', b..all[i], m[4]) end\n"
                          "call('PEXPIRE', b..'record', m[4])\n"
                          "if m[1] == 'open' then wake(ARGV[1], ARGV[2]) end\n"
                          "return m[1]\n",
    /* grace */
    [SCRIPT_SWEEP] = "local over = call('HGET', q, 'coord')\n"
                     "if over and over + ARGV[1] >= now then return 'alive' end\n"
                     "drop()\n"
                     "return 'gone'\n",
    /* KEYS: zset worker -> end of its life, hash worker -> facts. ARGV: worker, ttl, must it be there?, facts */
    [SCRIPT_WORKER_PUT] = "local over = call('ZSCORE', KEYS[1], ARGV[1])\n"
                          "if ARGV[3] == '1' and (not over or tonumber(over) < now) then return 'gone' end\n"
                          "call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])\n"
                          "if ARGV[3] == '0' then call('HSET', KEYS[2], ARGV[1], ARGV[4]) end\n"
                          "return 'ok'\n",
    [SCRIPT_WORKER_LIST] = "local dead = call('ZRANGEBYSCORE', KEYS[1], '-inf', '('..now)\n"
                           "for i = 1, #dead do\n"
                           "  call('ZREM', KEYS[1], dead[i])\n"
                           "  call('HDEL', KEYS[2], dead[i])\n"
                           "end\n"
                           "local found = call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')\n"
                           "local list = {}\n"
                           "for i = 1, #found, 2 do\n"
                           "  list[#list + 1] = found[i]\n"
                           "  list[#list + 1] = call('HGET', KEYS[2], found[i]) or ''\n"
                           "  list[#list + 1] = string.format('%.0f', found[i + 1] - now)\n"
                           "end\n"
                           "return list\n",
    [SCRIPT_WORKER_COUNT] = "return call('ZCOUNT', KEYS[1], now, '+inf')\n",
};

struct sync_script_text *scripts_build(struct pf_arena *arena) {
    static const char digits[] = "0123456789abcdef";
    struct sync_script_text *texts = PF_ARENA_ARRAY(arena, struct sync_script_text, SCRIPT_COUNT);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        unsigned char digest[SHA_DIGEST_LENGTH];
        texts[i].source = pf_arena_printf(arena, "%s%s", prelude, sources[i]);
        SHA1((const unsigned char *)texts[i].source.ptr, texts[i].source.len, digest);
        for (int j = 0; j < SHA_DIGEST_LENGTH; j++) {
            texts[i].sha[2 * j] = digits[digest[j] >> 4];
            texts[i].sha[2 * j + 1] = digits[digest[j] & 15];
        }
    }
    return texts;
}
