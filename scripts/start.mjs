// npm start: a server on its embedded store, and the producer and the consumer of the README against it, until Ctrl-C.
// npm start -- --messages 20 ends by itself.
import { parseArgs } from "node:util";
import { prepare, ROOT, say } from "./prepare.mjs";

/** Where the demonstration keeps its tasks, relative to the repository; they outlive it. */
const STORE = process.env.PULLQUEUE_STORE ?? "sqlite:.pullqueue/demo.db";

/** A second signal within this time is the first one again, in milliseconds. */
const SAME_SIGNAL_MS = 500;

const messages = readMessages();
const stop = new AbortController();
let stoppedMs;
await prepare();
process.chdir(ROOT);
process.on("SIGINT", () => stopOrExit(130));
process.on("SIGTERM", () => stopOrExit(143));

// Only now: before `prepare` there is nothing to import.
const { runDemo } = await import("./demo.mjs");
const server = await listen();
say(`serving on ${server.url}, tasks in ${STORE}; Ctrl-C stops, and nothing is lost`);
say(`meanwhile, in another terminal: npx pullqueue stats demo --endpoint ${server.url}`);
let summary;
try {
  summary = await runDemo({ endpoint: server.url, messages, signal: stop.signal });
} finally {
  await server.close();
}
const { published, acknowledged, left } = summary;
process.stdout.write(`published ${published}, acknowledged ${acknowledged}, left ${left}\n`);

/** The first signal stops; a second one, by somebody who has no patience, ends. npm passes on what we have got already. */
function stopOrExit(exitCode) {
  const nowMs = performance.now();
  stoppedMs ??= nowMs;
  if (nowMs - stoppedMs > SAME_SIGNAL_MS) process.exit(exitCode);
  stop.abort();
}

/** The server on its usual port, or on a free one when somebody else has it. */
async function listen() {
  const { loadConfig, startServer } = await import("@pullqueue/server");
  const start = async (flags) =>
    startServer(await loadConfig({ flags: { store: STORE, logLevel: "warn", ...flags }, env: process.env }));
  try {
    return await start({});
  } catch (error) {
    if (error.cause?.code !== "EADDRINUSE") throw error;
    say("the usual port is taken, so a free one will do");
    return await start({ port: 0 });
  }
}

function readMessages() {
  try {
    const { values } = parseArgs({ options: { messages: { type: "string" } } });
    if (values.messages === undefined) return Number.POSITIVE_INFINITY;
    if (/^[1-9]\d{0,8}$/.test(values.messages)) return Number(values.messages);
    say(`--messages takes a whole number from 1 up, got ${JSON.stringify(values.messages)}`);
  } catch (error) {
    say(`${error.message}\nUsage: npm start -- [--messages N]`);
  }
  process.exit(2);
}
