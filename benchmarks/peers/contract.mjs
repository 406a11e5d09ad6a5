// What every contender is to the benchmarks: one command line, and one line of JSON as its answer.
//
//   node peers/NAME.mjs --role publish|receive|both|flood --url URL [--queue Q] [--messages N] [--warmup N] [--payload BYTES]
//     [--inflight K] [--prefetch P] [--batch B] [--concurrency C] [--variant V] [--latency N --rate R]
//
// `publish` sends, each message awaited, K at a time; `receive` takes and acknowledges; each in a process of its own, as in real life.
// `both` does one after the other, for brokers that live in the process. `flood` does both at once until it is told to end.
// A contender gives `open(options)`, which resolves with
//   prepare()                       the queue is there, and empty
//   publish(message)                resolves when the broker has it
//   publishMany(messages)           the same for a batch, where --batch asks for it
//   receive(onMessage, onSettled)   calls onMessage for each message and onSettled(count) when so many are acknowledged
//   close()
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";

const DEFAULTS = {
  role: "both",
  url: "",
  queue: "bench",
  messages: 2000,
  warmup: 0,
  payload: 1024,
  inflight: 1,
  prefetch: 1,
  batch: 0,
  concurrency: 1,
  variant: "",
  latency: 0,
  rate: 50,
};

/** Text that does not compress well, to cut bodies from. */
const TEXT = randomBytes(100_000).toString("base64");
const TEXT_STARTS = 50_000;

const ROLES = { publish, receive, both, flood };

/** Does what the command line asks for, prints the figures and ends the process, whatever timers a client leaves behind. */
export async function runContender(open) {
  const options = readOptions();
  const contender = await open(options);
  const figures = await ROLES[options.role](contender, options);
  await contender.close();
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
}

/** Milliseconds of the machine's clock that never goes back: the same in all of its processes, Python's too. */
export function monotonicMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A value such that this share of all is below it. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function readOptions() {
  const options = Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, value]) => [name, { type: "string", default: String(value) }]),
  );
  const { values } = parseArgs({ options });
  return Object.fromEntries(
    Object.entries(values).map(([name, text]) => [
      name,
      typeof DEFAULTS[name] === "number" ? Number(text) : text,
    ]),
  );
}

/** An object whose JSON is so many bytes long, with its number and the time. */
function message(i, bytes) {
  const body = { i, t: monotonicMs(), d: "" };
  const missing = bytes - JSON.stringify(body).length;
  const start = (i * 61) % TEXT_STARTS;
  if (missing > 0) body.d = TEXT.slice(start, start + missing);
  return body;
}

/** Calls `work` with 0 to count - 1, so many at a time. */
async function pump(count, inflight, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(inflight, count) }, worker));
}

async function publish(contender, options) {
  if (options.latency > 0) return publishAtRate(contender, options);
  await contender.prepare();
  await publishAll(contender, options, options.warmup);
  const startMs = performance.now();
  const count = options.messages - options.warmup;
  await publishAll(contender, options, count);
  return { publish_per_s: perSecond(count, startMs) };
}

/** Bodies are made here for all contenders alike; making one takes a microsecond. */
async function publishAll(contender, { batch, inflight, payload }, count) {
  if (batch === 0) return pump(count, inflight, (i) => contender.publish(message(i, payload)));
  await pump(Math.ceil(count / batch), inflight, (b) => {
    const size = Math.min(batch, count - b * batch);
    return contender.publishMany(Array.from({ length: size }, (_, i) => message(b * batch + i, payload)));
  });
}

/** Messages a second that go ahead of the measured ones, so that these meet programs that have been at work for a while. */
const AHEAD_RATE = 1000;

/** And how long is waited behind them, so that the measured ones do not stand in their row. */
const AHEAD_REST_MS = 1000;

/** At an even pace, whatever becomes of earlier ones. The queue is the receiver's to prepare, who is there first. */
async function publishAtRate(contender, { latency, warmup, rate, payload }) {
  const sent = [];
  const send = async (count, perSecond) => {
    const startMs = performance.now();
    for (let i = 0; i < count; i++) {
      await sleepUntil(startMs + (i * 1000) / perSecond);
      sent.push(contender.publish(message(sent.length, payload)));
    }
  };
  await send(warmup, Math.max(rate, AHEAD_RATE));
  await Promise.all(sent);
  await sleepUntil(performance.now() + AHEAD_REST_MS);
  await send(latency - warmup, rate);
  await Promise.all(sent);
  return { published: latency };
}

async function sleepUntil(atMs) {
  const ms = atMs - performance.now();
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

async function receive(contender, options) {
  if (options.latency > 0) return receiveAtRate(contender, options);
  const { messages, warmup } = options;
  let startMs = performance.now();
  await receiveAll(contender, messages, (_, index) => {
    if (index === warmup) startMs = performance.now();
  });
  return { receive_per_s: perSecond(messages - warmup, startMs) };
}

/** Resolves when so many messages are acknowledged. */
async function receiveAll(contender, count, onMessage, onReady = () => {}) {
  let received = 0;
  let settled = 0;
  let finish;
  const all = new Promise((resolve) => {
    finish = resolve;
  });
  const onSettled = (more = 1) => {
    settled += more;
    if (settled >= count) finish();
  };
  await contender.receive((body) => onMessage(body, received++), onSettled, count);
  onReady();
  await all;
}

async function receiveAtRate(contender, { latency, warmup }) {
  const tookMs = [];
  await contender.prepare();
  const onMessage = ({ t }, index) => {
    if (index >= warmup) tookMs.push(monotonicMs() - t);
  };
  await receiveAll(contender, latency, onMessage, () => process.stdout.write("ready\n"));
  return { p50_ms: quantile(tookMs, 0.5), p99_ms: quantile(tookMs, 0.99) };
}

async function both(contender, options) {
  return { ...(await publish(contender, options)), ...(await receive(contender, options)) };
}

/** The noise of a busy neighbour: as fast as it can, until SIGTERM. */
async function flood(contender, { inflight, payload }) {
  const told = new Promise((resolve) => process.once("SIGTERM", resolve));
  const startMs = performance.now();
  let settled = 0;
  let isEnding = false;
  await contender.prepare();
  await contender.receive(
    () => {},
    (more = 1) => {
      settled += more;
    },
    Number.POSITIVE_INFINITY,
  );
  process.stdout.write("ready\n");
  const publishing = Promise.all(
    Array.from({ length: inflight }, async (_, i) => {
      while (!isEnding) await contender.publish(message(i, payload));
    }),
  );
  await told;
  isEnding = true;
  await publishing;
  return { flood_per_s: perSecond(settled, startMs) };
}

function perSecond(count, startMs) {
  return count / ((performance.now() - startMs) / 1000);
}
