/* SPDX-License-Identifier: MIT */
/* Keys of query Q, all of them "<prefix>:{Q}:" and:
 *
 *   q         hash     state (open, cancelled), coord (end of the coordinator's lease), owner (its id), max, ttl,
 *                      job (for another coordinator), steal (when refs of `laned` are free for all; none: no lanes)
 *   stages    hash     stage -> payload                       tasks    hash  stage:task -> payload
 *   attempts  hash     stage:task -> latest attempt           fails    hash  stage:task -> failures so far
 *   pending   list     refs to be claimed, by anybody         running  zset  ref -> end of its lease
 *   laned     zset     "worker ref": refs kept for the worker that has their data; all of one score, so in the order
 *                      of their text                          lanes    zset  worker -> how many of them are its own
 *   owners    hash     ref -> worker                          done     hash  stage:task -> attempt:worker that won
 *   claims    hash     worker -> nonce and ref of its latest claim
 *   starts    hash     ref -> when it was claimed             cuts     hash  stage -> how it is cut into tasks, in short
 *   events    stream   what the coordinator reads             vals     set   names of small values, each in v:<name>
 *   record    string   outlives the rest
 *
 * A ref is stage:task:attempt. What is not of one query is under "<prefix>:{all}:" and:
 *
 *   queries   set      ids of queries that began and did not end
 *   turns     list     ids of queries that may have pending tasks, each once; workers go round it
 *   marks     hash     id in turns -> its mark: a number that changes whenever the query gets work
 *   wakes     list     what idle workers wait on: "id mark", as many as there is new work, at most MAX_WAKES
 *   wakes:W   list     the same for worker W alone, which also waits on this one
 *
 * and workers are under "<prefix>:{workers}:". Each script touches the keys of one hash slot only, so a cluster may keep
 * them apart. What needs two slots is two steps, in this order:
 *
 *   more work    1. PUSH, SPECULATE, FAIL, EXPIRE           2. READY_ADD: Q into turns, new mark, wake workers
 *                    queue refs in {Q}
 *   claim        1. CLAIM in {Q}, with Q and mark from a hint       2. READY_NEXT: the hint for the next claim;
 *                                                                      takes Q out of turns if CLAIM found nothing
 *                                                                      and Q's mark is still the hint's
 *
 * So a query is never out of turns while it has work, but between the steps, or if the first step's caller dies there:
 * the coordinator repeats READY_ADD with its heartbeat and its look for lost tasks while anything is pending. The
 * other way round does no harm: a query in turns without work is dropped by the first claim. A busy worker sends both
 * steps of a claim at once; the hint is there when it claims again, so that a claim is one round trip and queries take
 * turns.
 *
 * Affinity: a worker takes what is kept for it, then what anybody may have, then, once the time of `steal` has come, of
 * what is kept for the worker that has most of it. Before that time CLAIM answers how long it is until then, and the
 * query stays in turns. The coordinator looks for what is left when it comes (EXPIRE), which wakes idle workers.
 *
 * Invariants. 1: a ref is claimed at most once (it must be the latest attempt, and not running). 2: a stage:task in
 * `done` is never queued again, unless PUSH removed it. 3: a ref leaves `running` in the script that publishes, fails
 * or loses it, so each attempt is accounted for once. 4: a claim that is repeated with its nonce gets the same ref, as
 * long as that runs. Because of these every script may run twice. 5: only the owner adds stages and ends the query, so
 * a coordinator that was taken for dead does no harm. */
#include "sync/scripts.h"

#include <openssl/sha.h>

/* In front of the scripts of a query, whose first key is q; the others are named after it, and given as keys too where
 * there is a cluster. */
static const char prelude[] =
    "local q = KEYS[1]\n"
    "local b = string.sub(q, 1, -2)\n"
    "local call = redis.call\n"
    "local clock = call('TIME')\n"
    "local now = clock[1] * 1000 + math.floor(clock[2] / 1000)\n"
    "local function state() return call('HGET', q, 'state') end\n"
    "local function keep(name)\n"
    "  if call('PTTL', b..name) == -1 then call('PEXPIRE', b..name, call('HGET', q, 'ttl')) end\n"
    "end\n"
    "local function left() return call('LLEN', b..'pending') + call('ZCARD', b..'laned') end\n"
    "local function event(...)\n"
    "  call('XADD', b..'events', '*', ...)\n"
    "  keep('events')\n"
    "end\n"
    "local function queue(task, attempt)\n"
    "  call('HSET', b..'attempts', task, attempt)\n"
    "  call('LPUSH', b..'pending', task..':'..attempt)\n"
    "  keep('pending')\n"
    "end\n"
    "local function age(ref) return now - (call('HGET', b..'starts', ref) or now) end\n"
    /* Takes a ref out of `running`; nil if it was not there. */
    "local function leave(ref)\n"
    "  local worker = call('HGET', b..'owners', ref)\n"
    "  if call('ZREM', b..'running', ref) == 0 then return nil end\n"
    "  call('HDEL', b..'owners', ref)\n"
    "  call('HDEL', b..'starts', ref)\n"
    "  return worker or ''\n"
    "end\n"
    "local function is_foreign(owner) return owner ~= '' and call('HGET', q, 'owner') ~= owner end\n"
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
    "end\n";

/* In front of those of all queries; KEYS: turns, marks, wakes. */
static const char ready_prelude[] = "local MAX_WAKES = 1024\n"
                                    "local OWN_WAKE_MS = 10000\n"
                                    "local call = redis.call\n"
                                    "local turns, marks, wakes = KEYS[1], KEYS[2], KEYS[3]\n"
                                    "local function drop(id)\n"
                                    "  call('HDEL', marks, id)\n"
                                    "  call('LREM', turns, 0, id)\n"
                                    "end\n";

/* In front of those about workers; KEYS: zset worker -> end of its life, hash worker -> facts. */
static const char worker_prelude[] = "local call = redis.call\n"
                                     "local clock = call('TIME')\n"
                                     "local now = clock[1] * 1000 + math.floor(clock[2] / 1000)\n";

static const char *const sources[SCRIPT_COUNT] = {
    /* coordinator, lease, max, ttl, job */
    [SCRIPT_BEGIN] = "if state() then return call('HGET', q, 'owner') == ARGV[1] and 'ok' or 'exists' end\n"
                     "call('HSET', q, 'state', 'open', 'owner', ARGV[1], 'coord', now + ARGV[2], 'max', ARGV[3],\n"
                     "     'ttl', ARGV[4], 'job', ARGV[5])\n"
                     "call('PEXPIRE', q, ARGV[4])\n"
                     "return 'ok'\n",
    /* stage, payload, owner, mark, replace? */
    [SCRIPT_STAGE] = "local s = state()\n"
                     "if s ~= 'open' then return s end\n"
                     "if is_foreign(ARGV[3]) then return 'taken' end\n"
                     "if ARGV[5] == '0' then\n"
                     "  local mark = call('HGET', b..'cuts', ARGV[1])\n"
                     "  if mark and mark ~= ARGV[4] then return 'differs' end\n"
                     "end\n"
                     "call('HSET', b..'stages', ARGV[1], ARGV[2])\n"
                     "call('HSET', b..'cuts', ARGV[1], ARGV[4])\n"
                     "keep('stages') keep('cuts')\n"
                     "return s\n",
    /* owner, first attempt, stage, mark, first task, until lanes may be robbed, also those that were queued before?,
     * {worker or '', payload or ''}…
     * Of those that were, one that was done does not wait, but for an attempt that came too late, which the next one
     * makes stale: no need to look through the list. */
    [SCRIPT_PUSH] = "local function rerun(task)\n"
                    "  local latest = call('HGET', b..'attempts', task)\n"
                    "  local ref = task..':'..latest\n"
                    "  local was_done = call('HDEL', b..'done', task) == 1\n"
                    "  if call('ZSCORE', b..'running', ref) then return end\n"
                    "  if was_done or not call('LPOS', b..'pending', ref) then queue(task, latest + 1) end\n"
                    "end\n"
                    "local s = state()\n"
                    "if s ~= 'open' then return s end\n"
                    "if is_foreign(ARGV[1]) then return 'taken' end\n"
                    "if call('HGET', b..'cuts', ARGV[3]) ~= ARGV[4] then return 'differs' end\n"
                    "local task_id, is_laned = ARGV[5], false\n"
                    "for i = 8, #ARGV, 2 do\n"
                    "  local task, worker = ARGV[3]..':'..task_id, ARGV[i]\n"
                    "  task_id = task_id + 1\n"
                    "  if ARGV[i + 1] == '' then\n"
                    "  elseif call('HSETNX', b..'attempts', task, ARGV[2]) == 1 then\n"
                    "    call('HSET', b..'tasks', task, ARGV[i + 1])\n"
                    "    if worker == '' then\n"
                    "      call('RPUSH', b..'pending', task..':'..ARGV[2])\n"
                    "    else\n"
                    "      call('ZADD', b..'laned', 0, worker..' '..task..':'..ARGV[2])\n"
                    "      call('ZINCRBY', b..'lanes', 1, worker)\n"
                    "      is_laned = true\n"
                    "    end\n"
                    "  elseif ARGV[7] == '1' then\n"
                    "    rerun(task)\n"
                    "  end\n"
                    "end\n"
                    "if is_laned then\n"
                    "  call('HSET', q, 'steal', now + ARGV[6])\n"
                    "  keep('laned') keep('lanes')\n"
                    "end\n"
                    "keep('attempts') keep('tasks') keep('pending')\n"
                    "return s\n",
    /* stage:task */
    [SCRIPT_SPECULATE] = "local s, task = state(), ARGV[1]\n"
                         "if s ~= 'open' then return s end\n"
                         "local latest = call('HGET', b..'attempts', task)\n"
                         "if not latest then return 'unknown' end\n"
                         "if call('HEXISTS', b..'done', task) == 0\n"
                         "    and call('ZSCORE', b..'running', task..':'..latest) then\n"
                         "  queue(task, latest + 1)\n"
                         "end\n"
                         "return s\n",
    /* worker, lease, nonce. Answers stage, task, attempt and payload; or the ms until there may be something; or
     * nothing. */
    [SCRIPT_CLAIM] =
        "local m = call('HMGET', q, 'state', 'coord', 'steal')\n"
        "if m[1] ~= 'open' or tonumber(m[2]) < now then return {} end\n"
        "local function answer(ref)\n"
        "  local stage, task, attempt = string.match(ref, '^(%d+):(%d+):(%d+)$')\n"
        "  return {stage, task, attempt, call('HGET', b..'tasks', stage..':'..task)}\n"
        "end\n"
        "local last = call('HGET', b..'claims', ARGV[1])\n"
        "local nonce, mine = string.match(last or '', '^(%S+) (%S+)$')\n"
        "if nonce == ARGV[3] and call('HGET', b..'owners', mine) == ARGV[1] then return answer(mine) end\n"
        "local function take_from(worker, command, from, to)\n"
        "  local found = call(command, b..'laned', from, to, 'LIMIT', 0, 1)[1]\n"
        "  if not found then return nil end\n"
        "  call('ZREM', b..'laned', found)\n"
        "  if tonumber(call('ZINCRBY', b..'lanes', -1, worker)) <= 0 then call('ZREM', b..'lanes', worker) end\n"
        "  return string.sub(found, #worker + 2)\n"
        "end\n"
        "local function steal()\n"
        "  local worker = call('ZREVRANGE', b..'lanes', 0, 0)[1]\n"
        "  return worker and take_from(worker, 'ZREVRANGEBYLEX', '('..worker..'!', '['..worker..' ')\n"
        "end\n"
        "local function next_ref()\n"
        "  if not m[3] then return call('LPOP', b..'pending') end\n"
        "  local ref = take_from(ARGV[1], 'ZRANGEBYLEX', '['..ARGV[1]..' ', '('..ARGV[1]..'!')\n"
        "      or call('LPOP', b..'pending')\n"
        "  if not ref and now >= tonumber(m[3]) then ref = steal() end\n"
        "  return ref\n"
        "end\n"
        "while true do\n"
        "  local ref = next_ref()\n"
        "  if not ref then\n"
        "    if m[3] and call('EXISTS', b..'laned') == 1 then return {math.max(1, m[3] - now)} end\n"
        "    return {}\n"
        "  end\n"
        "  local st, attempt = string.match(ref, '^(%d+:%d+):(%d+)$')\n"
        "  if call('HEXISTS', b..'done', st) == 0 and call('HGET', b..'attempts', st) == attempt\n"
        "      and not call('ZSCORE', b..'running', ref) then\n"
        "    call('ZADD', b..'running', now + ARGV[2], ref)\n"
        "    call('HSET', b..'owners', ref, ARGV[1])\n"
        "    call('HSET', b..'starts', ref, now)\n"
        "    if call('HSET', b..'claims', ARGV[1], ARGV[3]..' '..ref) == 1 then keep('claims') end\n"
        /* These three come and go together; a key that was just made has no time to live yet. */
        "    if call('HLEN', b..'owners') == 1 then keep('running') keep('owners') keep('starts') end\n"
        "    return answer(ref)\n"
        "  end\n"
        "end\n",
    /* stage:task, attempt, lease */
    [SCRIPT_HEARTBEAT] = "local ref = ARGV[1]..':'..ARGV[2]\n"
                         "if state() ~= 'open' or not call('ZSCORE', b..'running', ref)\n"
                         "    or call('HEXISTS', b..'done', ARGV[1]) == 1 then return 'over' end\n"
                         "call('ZADD', b..'running', now + ARGV[3], ref)\n"
                         "return 'ok'\n",
    /* stage:task, attempt, worker, payload */
    [SCRIPT_PUBLISH] = "local took = age(ARGV[1]..':'..ARGV[2])\n"
                       "leave(ARGV[1]..':'..ARGV[2])\n"
                       "if state() ~= 'open' then return 'over' end\n"
                       "local mine = ARGV[2]..':'..ARGV[3]\n"
                       "if call('HSETNX', b..'done', ARGV[1], mine) == 0 then\n"
                       "  return call('HGET', b..'done', ARGV[1]) == mine and 'ok' or 'lost'\n"
                       "end\n"
                       "keep('done')\n"
                       "event('k', 'D', 't', ARGV[1], 'a', ARGV[2], 'w', ARGV[3], 'p', ARGV[4], 'u', took)\n"
                       "return 'ok'\n",
    /* stage:task, attempt, worker, code, message, retryable? Answers how many tasks are pending then. */
    [SCRIPT_FAIL] = "if not leave(ARGV[1]..':'..ARGV[2]) then return {'lost', left()} end\n"
                    "if state() ~= 'open' or call('HEXISTS', b..'done', ARGV[1]) == 1 then return {'over', 0} end\n"
                    "local final = settle(ARGV[1], ARGV[2], ARGV[6] == '1')\n"
                    "event('k', 'F', 't', ARGV[1], 'a', ARGV[2], 'w', ARGV[3], 'c', ARGV[4], 'm', ARGV[5],\n"
                    "      'f', final)\n"
                    "return {'ok', left()}\n",
    /* worker or '' for those whose lease ran out. Answers how many were lost and how many are pending then. */
    [SCRIPT_EXPIRE] = "if state() ~= 'open' then return {0, 0} end\n"
                      "local refs = {}\n"
                      "if ARGV[1] == '' then\n"
                      "  refs = call('ZRANGEBYSCORE', b..'running', '-inf', now, 'LIMIT', 0, 1000)\n"
                      "else\n"
                      "  local owners = call('HGETALL', b..'owners')\n"
                      "  for i = 1, #owners, 2 do\n"
                      "    if owners[i + 1] == ARGV[1] then refs[#refs + 1] = owners[i] end\n"
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
                      "return {lost, left()}\n",
    [SCRIPT_CANCEL] = "local s = state()\n"
                      "if s == 'open' then\n"
                      "  call('HSET', q, 'state', 'cancelled')\n"
                      "  call('UNLINK', b..'pending', b..'laned', b..'lanes')\n"
                      "  event('k', 'C')\n"
                      "end\n"
                      "return s\n",
    /* owner or '' */
    [SCRIPT_END] = "if state() and is_foreign(ARGV[1]) then return 'taken' end\n"
                   "drop()\n"
                   "return 'ok'\n",
    /* How many wait, then ref, age and worker of each that runs. */
    [SCRIPT_RUNNING] = "local list = {left()}\n"
                       "local refs = call('ZRANGE', b..'running', 0, 9999)\n"
                       "for i = 1, #refs do\n"
                       "  list[#list + 1] = refs[i]\n"
                       "  list[#list + 1] = age(refs[i])\n"
                       "  list[#list + 1] = call('HGET', b..'owners', refs[i]) or ''\n"
                       "end\n"
                       "return list\n",
    /* name, bytes, ttl. What comes after the end of the query would stay behind. */
    [SCRIPT_SMALL] = "local s = state()\n"
                     "if s ~= 'open' then return s end\n"
                     "call('SET', b..'v:'..ARGV[1], ARGV[2], 'PX', ARGV[3])\n"
                     "call('SADD', b..'vals', ARGV[1])\n"
                     "call('PEXPIRE', b..'vals', ARGV[3])\n"
                     "return s\n",
    /* coordinator, lease. Answers the state and how many tasks are pending. */
    [SCRIPT_COORDINATE] = "local m = call('HMGET', q, 'state', 'owner', 'coord', 'ttl')\n"
                          "if not m[1] then return {'gone', 0} end\n"
                          "if m[2] ~= ARGV[1] and tonumber(m[3]) >= now then return {'taken', 0} end\n"
                          "call('HSET', q, 'owner', ARGV[1], 'coord', now + ARGV[2])\n"
                          "for i = 1, #all do call('PEXPIRE', b..all[i], m[4]) end\n"
                          "call('PEXPIRE', b..'record', m[4])\n"
                          "return {m[1], left()}\n",
    [SCRIPT_LAPSED] = "local over = call('HGET', q, 'coord')\n"
                      "return over and tonumber(over) < now and 'lapsed' or 'alive'\n",
    /* grace */
    [SCRIPT_SWEEP] = "local over = call('HGET', q, 'coord')\n"
                     "if over and over + ARGV[1] >= now then return 'alive' end\n"
                     "drop()\n"
                     "return 'gone'\n",
    /* id, how many tasks anybody may take, workers to wake that have their own… */
    [SCRIPT_READY_ADD] = "local id, mark = ARGV[1], call('HINCRBY', marks, '', 1)\n"
                         "if call('HSET', marks, id, mark) == 1 then call('RPUSH', turns, id) end\n"
                         "for i = 3, #ARGV do\n"
                         "  local own = wakes..':'..ARGV[i]\n"
                         "  if call('RPUSH', own, id..' '..mark) > 1 then call('LPOP', own) end\n"
                         "  call('PEXPIRE', own, OWN_WAKE_MS)\n"
                         "end\n"
                         /* While there are wakes nobody waits for one. */
                         "for i = call('LLEN', wakes) + 1, math.min(ARGV[2], MAX_WAKES) do\n"
                         "  call('RPUSH', wakes, id..' '..mark)\n"
                         "end\n"
                         "return mark\n",
    /* id and mark of a query that had nothing, or '' */
    [SCRIPT_READY_NEXT] = "if ARGV[1] ~= '' and call('HGET', marks, ARGV[1]) == ARGV[2] then drop(ARGV[1]) end\n"
                          "while true do\n"
                          "  local id = call('LMOVE', turns, turns, 'LEFT', 'RIGHT')\n"
                          "  if not id then\n"
                          "    call('DEL', wakes)\n"
                          "    return {}\n"
                          "  end\n"
                          "  local mark = call('HGET', marks, id)\n"
                          "  if mark then return {id, mark} end\n"
                          "  drop(id)\n"
                          "end\n",
    /* id; KEYS[4]: queries. Answers whether it was still there. */
    [SCRIPT_READY_FORGET] = "drop(ARGV[1])\n"
                            "if call('EXISTS', turns) == 0 then call('DEL', wakes) end\n"
                            "return call('SREM', KEYS[4], ARGV[1])\n",
    /* worker, ttl, must it be there?, facts */
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
    /* KEYS: stream, number of the writer's last batch. ARGV: number, most entries, entries… Answers how many were
     * dropped at the other end. */
    [SCRIPT_LOG_APPEND] = "if call('GET', KEYS[2]) == ARGV[1] then return 0 end\n"
                          "local before = call('XLEN', KEYS[1])\n"
                          "for i = 3, #ARGV do call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'j', ARGV[i]) end\n"
                          "call('SET', KEYS[2], ARGV[1], 'PX', 3600000)\n"
                          "return before + #ARGV - 2 - call('XLEN', KEYS[1])\n",
    /* KEYS: values, names, last version. ARGV: a word of this call's own, then for each value name, expected version, 'put'
     * or 'drop', text. A value is "version word text". All are changed or none; a call that is repeated finds its word. */
    [SCRIPT_VALUES_CHANGE] = "for i = 2, #ARGV, 4 do\n"
                             "  local old = call('HGET', KEYS[1], ARGV[i])\n"
                             "  local version, word = '', ''\n"
                             "  if old then version, word = string.match(old, '^(%d+) (%S+) ') end\n"
                             "  if word ~= ARGV[1] then\n"
                             "    if ARGV[i + 2] == 'drop' and not old then return {'gone', ARGV[i]} end\n"
                             "    if version ~= ARGV[i + 1] then return {'changed', ARGV[i]} end\n"
                             "  end\n"
                             "end\n"
                             "local version = string.format('%.0f', call('INCR', KEYS[3]))\n"
                             "for i = 2, #ARGV, 4 do\n"
                             "  if ARGV[i + 2] == 'drop' then\n"
                             "    call('HDEL', KEYS[1], ARGV[i])\n"
                             "    call('ZREM', KEYS[2], ARGV[i])\n"
                             "  else\n"
                             "    call('HSET', KEYS[1], ARGV[i], version..' '..ARGV[1]..' '..ARGV[i + 3])\n"
                             "    call('ZADD', KEYS[2], 0, ARGV[i])\n"
                             "  end\n"
                             "end\n"
                             "return {'ok', version}\n",
};

const char *const script_other_keys[SCRIPT_OTHER_KEYS] = {
    "stages", "tasks",  "attempts", "fails", "pending", "laned",  "lanes", "running",
    "owners", "claims", "starts",   "cuts",  "done",    "events", "vals",
};

bool script_is_of_query(enum sync_script script) {
    return script < SCRIPT_READY_ADD;
}

static const char *choose_prelude(enum sync_script script) {
    return script_is_of_query(script) ? prelude : script < SCRIPT_WORKER_PUT ? ready_prelude : worker_prelude;
}

/* "local all = {'q','stages',…}": the names of a query's keys. */
static pf_str list_keys(enum sync_script script, struct pf_arena *arena) {
    if (!script_is_of_query(script)) return PF_STR_EMPTY;
    pf_str list = PF_STR("local all = {'q'");
    for (int i = 0; i < SCRIPT_OTHER_KEYS; i++) {
        list = pf_arena_printf(arena, "%.*s,'%s'", PF_STR_ARG(list), script_other_keys[i]);
    }
    return pf_arena_printf(arena, "%.*s}\n", PF_STR_ARG(list));
}

struct sync_script_text *scripts_build(struct pf_arena *arena) {
    static const char digits[] = "0123456789abcdef";
    struct sync_script_text *texts = PF_ARENA_ARRAY(arena, struct sync_script_text, SCRIPT_COUNT);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        unsigned char digest[SHA_DIGEST_LENGTH];
        enum sync_script script = (enum sync_script)i;
        texts[i].source = pf_arena_printf(arena, "%.*s%s%s", PF_STR_ARG(list_keys(script, arena)),
                                          choose_prelude(script), sources[i]);
        SHA1((const unsigned char *)texts[i].source.ptr, texts[i].source.len, digest);
        for (int j = 0; j < SHA_DIGEST_LENGTH; j++) {
            texts[i].sha[2 * j] = digits[digest[j] >> 4];
            texts[i].sha[2 * j + 1] = digits[digest[j] & 15];
        }
    }
    return texts;
}
