import { start } from "./support/contenders.js";
import { processMeter } from "./support/cpu-time.js";
import { type Job, OURS, type Question } from "./support/question.js";

/** How long everybody is left alone after the start, in milliseconds: compilers and collectors come to rest. */
const SETTLE_MS = 3_000;

/** `messages` are seconds here: a waiting lease is asked for again every minute, and that belongs to it. */
async function measured({ value, messages: seconds, places }: Job) {
  const { url, pid } = await places.named("server on sqlite");
  const program = { path: "ours/idle-consumers.mjs", url: `${url.replace("http:", "appengine:")}/idle` };
  await using consumers = start(program, { consumers: value });
  await consumers.ready();
  await sleep(SETTLE_MS);
  const server = processMeter([pid!]);
  const client = processMeter([consumers.pid]);
  await sleep(seconds * 1000);
  const [ofServer, ofConsumers] = [100 * server.busyCores(), 100 * client.busyCores()];
  consumers.signal("SIGTERM");
  await consumers.figures();
  return { server: ofServer, consumers: ofConsumers, both: ofServer + ofConsumers };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What waiting costs. */
export const question: Question = {
  name: "idle",
  question: "What do consumers cost that wait for nothing?",
  text: [
    "Consumers of one program, each on an empty queue of its own, each with a waiting lease of its own at the server, 200 on each connection. Processor time is the kernel's, of the two",
    "processes whole.",
  ].join("\n"),
  parameter: "consumers",
  values: [100, 1000, 2000],
  quickValues: [1000],
  metrics: [
    { key: "both", title: "server and consumers together, % of one core", digits: 2 },
    { key: "server", title: "server, % of one core", digits: 2 },
    { key: "consumers", title: "the program with the consumers, % of one core", digits: 2 },
  ],
  contenders: [
    {
      name: OURS,
      about: "`consumer.run` over plain HTTP, the server with its defaults",
      places: ["server on sqlite"],
      measure: measured,
    },
  ],
  messages: () => 60,
  quickMessages: () => 10,
  goals: [
    {
      what: "a thousand idle consumers, server and consumers",
      metric: "both",
      value: 1000,
      most: 5,
      needsWholeRun: true,
      unit: "% of a core",
    },
  ],
};
