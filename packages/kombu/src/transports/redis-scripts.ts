import { createHash } from "node:crypto";
import type { RedisArgument, RedisClient } from "./redis-client.js";

/**
 * What must happen at once happens in a script: Redis runs nothing else in between, and writes it to its log as one. Scripts
 * name every key they touch in KEYS, queues as groups of `[delayed, expires, list of each step …]`.
 */
export interface RedisScript {
  readonly source: string;
  readonly sha: string;
}

function script(source: string): RedisScript {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** Runs a script by its hash, and whole where the server does not know it yet: after a restart it has forgotten all. */
export async function runScript(
  client: RedisClient,
  { source, sha }: RedisScript,
  keys: readonly RedisArgument[],
  given: readonly RedisArgument[],
): Promise<unknown> {
  // The client knows bytes by Node's class alone, and writes others as their numbers.
  const args = given.map((argument) =>
    argument instanceof Uint8Array
      ? Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)
      : argument,
  );
  try {
    return await client.callBuffer("EVALSHA", sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return client.callBuffer("EVAL", source, keys.length, ...keys, ...args);
  }
}

/** A queue's own time to live, kept beside its lists, so that every writer and reader applies it, not only the declarer. */
const TOUCH = `
local function touch(first, width)
  local ms = redis.call('GET', KEYS[first + 1])
  if not ms then return end
  for at = first, first + width - 1 do redis.call('PEXPIRE', KEYS[at], ms) end
end
`;

/**
 * Hands a message to a channel. KEYS: the mark of this publish. ARGV: how long marks stay (ms), the channel, its message.
 * Returns how many subscribers the channel had, -2 when it had the message before.
 */
export const PUBLISH = script(`
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return -2 end
local receivers = redis.call('PUBLISH', ARGV[2], ARGV[3])
if receivers == 0 then redis.call('DEL', KEYS[1]) end
return receivers
`);

/**
 * Puts copies of messages into queues. KEYS: for each the mark of the copy, then its queue's group. ARGV: width of a group; then for
 * each how long its mark stays (ms), place of its list within the group, when it is due or empty, the item. A mark that is there
 * says that the copy is too; it is made after that, because a script that fails takes nothing back.
 */
export const STORE = script(`${TOUCH}
local width = tonumber(ARGV[1])
local at = 2
for mark = 1, #KEYS, width + 1 do
  local group = mark + 1
  if redis.call('EXISTS', KEYS[mark]) == 0 then
    if ARGV[at + 2] == '' then
      redis.call('LPUSH', KEYS[group + tonumber(ARGV[at + 1])], ARGV[at + 3])
    else
      redis.call('ZADD', KEYS[group], ARGV[at + 2], ARGV[at + 3])
    end
    redis.call('SET', KEYS[mark], '1', 'PX', ARGV[at])
    touch(group, width)
  end
  at = at + 4
end
`);

/**
 * What is kept of a held message: `[envelope, "", queue]`, kombu's form. With the default exchange and the queue for a key,
 * whoever restores it gives it to this queue alone. What is no envelope is wrapped into one, because Python can restore
 * nothing else: a list of held messages with one that is no JSON would stop its consumers.
 */
const RECORD = `
local alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
local function base64(bytes)
  local text = bytes:gsub('..?.?', function(three)
    local a, b, c = three:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ''
    for shift = 3, 0, -1 do
      local at = math.floor(n / 64 ^ shift) % 64
      out = out .. alphabet:sub(at + 1, at + 1)
    end
    return out:sub(1, #three + 1) .. ('='):rep(3 - #three)
  end)
  return text
end
local function isText(item)
  -- Printable ASCII, as kombu writes: one greedy step is ten times as fast as looking for what is not.
  if item:match('^[ -~]*()') > #item then return true end
  if item:find('[%z\\1-\\8\\11\\12\\14-\\31]') then return false end
  if not item:find('[\\128-\\255]') then return true end
  local rest = item:gsub('[\\194-\\223][\\128-\\191]', '.'):gsub('\\224[\\160-\\191][\\128-\\191]', '.')
  rest = rest:gsub('[\\225-\\236\\238\\239][\\128-\\191][\\128-\\191]', '.'):gsub('\\237[\\128-\\159][\\128-\\191]', '.')
  rest = rest:gsub('\\240[\\144-\\191][\\128-\\191][\\128-\\191]', '.')
  rest = rest:gsub('[\\241-\\243][\\128-\\191][\\128-\\191][\\128-\\191]', '.')
  rest = rest:gsub('\\244[\\128-\\143][\\128-\\191][\\128-\\191]', '.')
  return not rest:find('[\\128-\\255]')
end
local function isEnvelope(item)
  if item:sub(1, 1) ~= '{' or not isText(item) then return false end
  local ok, value = pcall(cjson.decode, item)
  if not ok or type(value) ~= 'table' or type(value.properties) ~= 'table' then return false end
  local tag = value.properties.delivery_tag
  return type(tag) == 'string' or type(tag) == 'number'
end
local function record(item, field, queue)
  if isEnvelope(item) then return '[' .. item .. ', "", ' .. queue .. ']' end
  return '[{"body": "' .. base64(item) .. '", "content-encoding": "binary", "content-type": "application/data", ' ..
    '"headers": {"x-pullqueue-raw": true}, "properties": {"delivery_mode": 2, "delivery_info": {"exchange": "", ' ..
    '"routing_key": ' .. queue .. '}, "priority": 0, "body_encoding": "base64", "delivery_tag": "' .. field ..
    '"}}, "", ' .. queue .. ']'
end
`;

/**
 * Takes messages and records them as held. KEYS: hash and index of what is held, then a group for each queue, in turn. ARGV:
 * most messages, most bytes, what their fields begin with, their score, now and the score of expired leases (s), most delayed
 * ones to move, width of a group; the step of each list; the name of each queue as JSON; when nobody
 * waits for the answer any more, so that nothing is taken (s by the server's clock), or empty.
 * Returns: -1 alone when it is too late; otherwise whether leases have expired, the score of the next lease to expire and the time of the next delayed message (or
 * empty), then queue number (from 0) and item of each message.
 */
export const TAKE = script(`${TOUCH}${RECORD}
local unacked, index = KEYS[1], KEYS[2]
local max, bytesMax, token, score = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local now, expired, movesMax, width = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local steps = width - 2
local queues = (#KEYS - 2) / width
local latest = ARGV[#ARGV]
if latest ~= '' then
  local time = redis.call('TIME')
  if time[1] + time[2] / 1000000 > tonumber(latest) then return {-1} end
end
local nextDue = ''
for queue = 0, queues - 1 do
  local group = 3 + queue * width
  local due = redis.call('ZRANGEBYSCORE', KEYS[group], '-inf', now, 'LIMIT', 0, movesMax)
  for _, member in ipairs(due) do
    local step, item = member:match('^[^:]*:(%d+):(.*)$')
    local list = group + 2
    for at = 1, steps do if ARGV[8 + at] == step then list = group + 1 + at end end
    redis.call('LPUSH', KEYS[list], item)
    redis.call('ZREM', KEYS[group], member)
  end
  local first = redis.call('ZRANGE', KEYS[group], 0, 0, 'WITHSCORES')
  if first[2] and (nextDue == '' or tonumber(first[2]) < tonumber(nextDue)) then nextDue = first[2] end
  touch(group, width)
end
local taken, bytes, out = 0, 0, {}
for step = 1, steps do
  local goesOn = true
  while goesOn do
    goesOn = false
    for queue = 0, queues - 1 do
      if taken < max and bytes < bytesMax then
        local item = redis.call('RPOP', KEYS[3 + queue * width + 1 + step])
        if item then
          goesOn = true
          taken = taken + 1
          bytes = bytes + #item
          local field = token .. string.format('%04d', taken)
          redis.call('HSET', unacked, field, record(item, field, ARGV[8 + steps + 1 + queue]))
          redis.call('ZADD', index, score, field)
          out[#out + 1] = queue
          out[#out + 1] = item
        end
      end
    end
  end
end
local first = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
local isExpired = first[2] and tonumber(first[2]) <= tonumber(expired) and 1 or 0
return {isExpired, first[2] or '', nextDue, unpack(out)}
`);

/** KEYS: hash, index. ARGV: fields. Returns for each 1, or 0 when it is not held (any more). */
export const ACK = script(`
local held = {}
for at = 1, #ARGV do
  held[at] = redis.call('HDEL', KEYS[1], ARGV[at])
  redis.call('ZREM', KEYS[2], ARGV[at])
end
return held
`);

/** KEYS: hash, index. ARGV: field, score. Returns 1, or 0 when it is not held any more. */
export const EXTEND = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1
`);

/**
 * Puts a held message back. KEYS: hash, index, then a group for each queue that gets it. ARGV: field, the score it must still
 * have or empty, width of a group, LPUSH or RPUSH or when it is due; then for each queue place of its list and item.
 * Returns 1, or 0 when somebody else was first.
 */
export const RESTORE = script(`${TOUCH}
local field, seen, width, how = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if seen ~= '' and redis.call('ZSCORE', KEYS[2], field) ~= seen then return 0 end
redis.call('ZREM', KEYS[2], field)
if redis.call('HDEL', KEYS[1], field) == 0 then return 0 end
local group, at = 3, 5
while group <= #KEYS do
  if how == 'LPUSH' or how == 'RPUSH' then
    redis.call(how, KEYS[group + tonumber(ARGV[at])], ARGV[at + 1])
  else
    redis.call('ZADD', KEYS[group], how, ARGV[at + 1])
  end
  touch(group, width)
  group, at = group + width, at + 2
end
return 1
`);

/** KEYS: groups. ARGV: width of a group. Removes what waits and returns how many that were. */
export const PURGE = script(`
local width, count = tonumber(ARGV[1]), 0
for group = 1, #KEYS, width do
  count = count + redis.call('ZCARD', KEYS[group])
  redis.call('DEL', KEYS[group])
  for at = group + 2, group + width - 1 do
    count = count + redis.call('LLEN', KEYS[at])
    redis.call('DEL', KEYS[at])
  end
end
return count
`);
