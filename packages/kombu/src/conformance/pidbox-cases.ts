import assert from "node:assert/strict";
import type { Connection } from "../connection.js";
import type { MailboxOptions } from "../pidbox/mailbox.js";
import type { PidboxNode } from "../pidbox/node.js";
import { Queue } from "../queue.js";
import { type BrokerUnderTest, type Case, type CaseBody, type Cases, needing } from "./broker-under-test.js";
import { rejectsWith, rejectsWithReason, until, whileTimePasses } from "./support.js";

/** What a node in these cases has been told. */
interface Told {
  readonly node: PidboxNode<unknown[]>;
  readonly told: unknown[];
  /** What went wrong, which is nothing unless a case says so. */
  readonly errors: unknown[];
}

/** A node that answers `ping`, remembers what it is told, and fails when asked to. */
async function listen(connection: Connection, name: string, options: MailboxOptions): Promise<Told> {
  const told: unknown[] = [];
  const errors: unknown[] = [];
  const node = connection.mailbox("ns", options).node<unknown[]>(name, {
    state: told,
    handlers: {
      ping: (_state, args) => ({ ok: "pong", ...args }),
      tell: (state, args) => void state.push(args),
      fail: () => {
        throw new RangeError("too much");
      },
    },
    onError: (error) => errors.push(error),
  });
  await node.listen();
  return { node, told, errors };
}

/** Where bindings are known to one connection alone, commands for all reach its nodes alone. */
async function nodesConnection(connection: Connection, broker: BrokerUnderTest): Promise<Connection> {
  return (await connection.manifest()).localBindings ? connection : broker.connect();
}

const ofAnyName = (run: CaseBody): Case => needing(["anyQueueName", "managesQueues"], run);

/** What holds for both types. */
function casesOf(type: "direct" | "fanout"): Cases {
  const options: MailboxOptions = { type };
  return {
    [`${type}: call() asks the nodes that it names, in other connections too`]: ofAnyName(
      async (connection, broker) => {
        const mailbox = connection.mailbox("ns", options);
        for (const name of ["one", "two", "three"]) await listen(broker.connect(), name, options);
        const replies = await whileTimePasses(broker, mailbox.call(["one", "three"], "ping", { n: 1 }));
        assert.deepEqual(
          Object.assign({}, ...replies),
          Object.fromEntries(["one", "three"].map((name) => [name, { ok: "pong", n: 1 }])),
        );
      },
    ),

    [`${type}: cast() tells the nodes that it names, abcast() all or those that fit`]: ofAnyName(
      async (connection, broker) => {
        const nodes = await nodesConnection(connection, broker);
        const [one, two] = [await listen(nodes, "one", options), await listen(nodes, "two", options)];
        const mailbox = connection.mailbox("ns", options);
        const after = async (casting: Promise<void>, told: number) => {
          await casting;
          const all = until(() => one.told.length + two.told.length === told, "what was told");
          await whileTimePasses(broker, all);
        };
        await after(mailbox.cast(["one"], "tell", { n: 1 }), 1);
        await after(mailbox.abcast("tell", { n: 2 }), 3);
        await after(mailbox.abcast("tell", { n: 3 }, { pattern: "t[!x]?" }), 4);
        await after(mailbox.abcast("tell", { n: 4 }, { pattern: "o|x", matcher: "pcre" }), 5);
        assert.deepEqual(
          [one.told, two.told],
          [
            [{ n: 1 }, { n: 2 }, { n: 4 }],
            [{ n: 2 }, { n: 3 }],
          ],
        );
        assert.deepEqual([...one.errors, ...two.errors], []);
      },
    ),

    [`${type}: multiCall() asks all, and ends at its limit`]: ofAnyName(async (connection, broker) => {
      const nodes = await nodesConnection(connection, broker);
      await listen(nodes, "one", options);
      await listen(nodes, "two", options);
      const mailbox = connection.mailbox("ns", options);
      const seen: unknown[] = [];
      const asking = { limit: 2, timeoutMs: 60_000, onReply: (reply: unknown) => seen.push(reply) };
      const replies = await whileTimePasses(broker, mailbox.multiCall("ping", {}, asking));
      assert.deepEqual(Object.keys(Object.assign({}, ...replies)).sort(), ["one", "two"]);
      assert.deepEqual(seen, replies);
    }),
  };
}

/** Remote control. */
export const pidboxCases: Cases = {
  ...casesOf("direct"),
  ...casesOf("fanout"),

  "multiCall() ends when its time is over, with what came": needing(
    ["anyQueueName", "managesQueues", "manualClock"],
    async (connection, broker) => {
      const mailbox = connection.mailbox("ns");
      assert.deepEqual(await whileTimePasses(broker, mailbox.multiCall("ping")), []);
      await listen(await nodesConnection(connection, broker), "one", {});
      const replies = await whileTimePasses(broker, mailbox.multiCall("ping", {}, { timeoutMs: 2_000 }));
      assert.deepEqual(replies, [{ one: { ok: "pong" } }]);
    },
  ),

  "a handler's error is a reply, and so is a command that nobody knows": ofAnyName(
    async (connection, broker) => {
      const { errors } = await listen(broker.connect(), "one", {});
      const mailbox = connection.mailbox("ns");
      const failed = await whileTimePasses(broker, mailbox.call(["one"], "fail"));
      assert.deepEqual(failed, [{ one: { error: "RangeError: too much" } }]);
      const [unknown] = await whileTimePasses(broker, mailbox.call(["one"], "constructor"));
      assert.match(String((unknown!.one as { error: unknown }).error), /no command "constructor"/);
      assert.equal(errors.length, 2);
      const told = await whileTimePasses(broker, mailbox.call(["one"], "tell"));
      assert.deepEqual(told, [{ one: null }]);
    },
  ),

  "an expired request is not run": needing(
    ["anyQueueName", "managesQueues", "manualClock"],
    async (connection, broker) => {
      const mailbox = connection.mailbox("ns", { type: "direct", queueDurable: true });
      const early = await listen(broker.connect(), "one", { queueDurable: true });
      await early.node.close();
      await mailbox.cast(["one"], "tell", { n: 1 });
      await broker.advance(30_000);
      const { told, errors } = await listen(broker.connect(), "one", { queueDurable: true });
      assert.deepEqual(await whileTimePasses(broker, mailbox.call(["one"], "ping")), [
        { one: { ok: "pong" } },
      ]);
      assert.deepEqual(told, []);
      assert.match(String(errors), /expired 29\d{3} ms ago/);
    },
  ),

  "clocks are sent along, and set beyond what comes in": ofAnyName(async (connection, broker) => {
    const mailbox = connection.mailbox("ns");
    for (let n = 0; n < 9; n++) mailbox.clock.forward();
    const other = broker.connect().mailbox("ns");
    await other.node("one", { handlers: { ping: () => "pong" } }).listen();
    await whileTimePasses(broker, mailbox.call(["one"], "ping"));
    assert.deepEqual([mailbox.clock.value, other.clock.value], [13, 12]);
  }),

  "close() ends waiting calls, removes the queues, and is refused afterwards": ofAnyName(
    async (connection, broker) => {
      const mailbox = connection.mailbox("ns");
      const calling = mailbox.multiCall("ping", {}, { timeoutMs: 600_000 });
      calling.catch(() => {});
      const { node } = await listen(broker.connect(), "one", {});
      await Promise.all([node.close(), node.close(), mailbox.close(), mailbox.close()]);
      await rejectsWith(calling, "closed");
      await rejectsWith(mailbox.call(["one"], "ping"), "closed");
      await rejectsWith(node.listen(), "closed");
      const channel = await broker.connect().channel();
      for (const name of ["one.ns.pidbox", `${mailbox.oid}.reply.ns.pidbox`]) {
        await until(async () => {
          try {
            await new Queue(name).bind(channel).declare({ passive: true });
            return false;
          } catch {
            return true;
          }
        }, `queue ${name} to be gone`);
      }
    },
  ),

  "call() ends with its signal's reason, and refuses what it does not understand": ofAnyName(
    async (connection) => {
      const mailbox = connection.mailbox("ns");
      const reason = new Error("enough");
      const stop = new AbortController();
      const calling = mailbox.call(["nobody"], "ping", {}, { signal: stop.signal });
      stop.abort(reason);
      await rejectsWithReason(calling, reason);
      await rejectsWith(mailbox.cast([], "shutdown"), "invalid_argument");
      await rejectsWith(mailbox.cast("all" as unknown as string[], "shutdown"), "invalid_argument");
      await rejectsWith(mailbox.multiCall("ping", {}, { limit: 0 }), "invalid_argument");
    },
  ),
};
