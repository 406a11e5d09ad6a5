import { manualClock } from "@pullqueue/core";
import { isKombuError, type Pooled, ResourcePool } from "@pullqueue/kombu";
import fc from "fast-check";
import { expect, test } from "vitest";
import { settled } from "./support.js";

/** What a pool ought to be: who has which resource, who waits in which order, what is idle with the last one at the end. */
interface Model {
  limit: number;
  readonly held: { readonly user: number; readonly resource: number; kept: boolean }[];
  readonly waiting: number[];
  idle: number[];
  made: number;
  readonly closed: Set<number>;
  users: number;
}

interface Real {
  readonly pool: ResourcePool<number>;
  readonly got: Map<number, Pooled<number>>;
  readonly stops: Map<number, AbortController>;
  readonly refused: Map<number, unknown>;
  readonly closed: Set<number>;
}

type Command = fc.AsyncCommand<Model, Real>;

/** Opening and closing take a turn of the event loop, as with sockets. */
const turn = () => new Promise(setImmediate);

function realPool(limit: number): Real {
  const closed = new Set<number>();
  let made = 0;
  const pool = new ResourcePool<number>(
    {
      ...{ name: "number", clock: manualClock() },
      create: async () => {
        const resource = made++;
        await turn();
        return resource;
      },
      close: async (resource) => {
        await turn();
        if (closed.has(resource)) throw new Error(`${resource} is closed twice`);
        closed.add(resource);
      },
    },
    { limit },
  );
  return { pool, got: new Map(), stops: new Map(), refused: new Map(), closed };
}

const sizeOf = ({ held, idle }: Model) => held.length + idle.length;

/** Hands out what is free to those who wait longest. */
function grant(model: Model): void {
  while (model.waiting.length > 0 && model.held.length < model.limit) {
    const resource = model.idle.pop() ?? model.made++;
    model.held.push({ user: model.waiting.shift()!, resource, kept: true });
  }
}

function giveBack(model: Model, index: number, broken: boolean): void {
  const isOver = sizeOf(model) > model.limit;
  const [{ resource, kept }] = model.held.splice(index, 1) as [Model["held"][number]];
  if (broken || !kept || isOver) model.closed.add(resource);
  else model.idle.push(resource);
  grant(model);
}

function closeIdle(model: Model, count: number): void {
  for (const resource of model.idle.splice(0, count)) model.closed.add(resource);
}

function compare(model: Model, { pool, got, closed }: Real): void {
  expect({ size: pool.size, inUse: pool.inUse, waiting: pool.waiting }).toEqual({
    ...{ size: sizeOf(model), inUse: model.held.length, waiting: model.waiting.length },
  });
  for (const { user, resource } of model.held)
    expect([user, got.get(user)?.resource]).toEqual([user, resource]);
  for (const user of model.waiting) expect(got.has(user)).toBe(false);
  expect([...closed].sort()).toEqual([...model.closed].sort());
}

function command(
  name: string,
  run: (model: Model, real: Real) => Promise<void>,
  check = (_model: Readonly<Model>) => true,
): Command {
  return {
    check,
    toString: () => name,
    async run(model, real) {
      await run(model, real);
      await settled();
      compare(model, real);
    },
  };
}

const acquire = (waits: boolean) =>
  command(waits ? "acquire" : "acquire without waiting", async (model, real) => {
    const user = model.users++;
    const stop = new AbortController();
    real.stops.set(user, stop);
    const refuse = (error: unknown) => void real.refused.set(user, error);
    const isFree = model.held.length < model.limit;
    if (isFree || waits) model.waiting.push(user);
    grant(model);
    void real.pool
      .acquire({ signal: stop.signal, ...(waits ? {} : { timeoutMs: 0 }) })
      .then((held) => real.got.set(user, held), refuse);
    await settled();
    expect(isKombuError(real.refused.get(user), "resource_exhausted")).toBe(!isFree && !waits);
  });

const end = (pick: number, how: "release" | "replace") =>
  command(
    `${how} ${pick}`,
    async (model, { got }) => {
      const index = pick % model.held.length;
      const { user } = model.held[index]!;
      giveBack(model, index, how === "replace");
      await got.get(user)![how]();
    },
    ({ held }) => held.length > 0,
  );

const abort = (pick: number) =>
  command(
    `abort ${pick}`,
    async (model, { stops, refused }) => {
      const [user] = model.waiting.splice(pick % model.waiting.length, 1);
      const reason = new Error("enough");
      stops.get(user!)!.abort(reason);
      await settled();
      expect(refused.get(user!)).toBe(reason);
    },
    ({ waiting }) => waiting.length > 0,
  );

const resize = (limit: number, options: { readonly force: boolean; readonly reset: boolean }) =>
  command(`resize to ${limit} ${JSON.stringify(options)}`, async (model, { pool }) => {
    const isRefused = model.held.length > limit && !options.force;
    const resized = pool.resize(limit, options);
    if (isRefused) return await expect(resized).rejects.toMatchObject({ code: "precondition_failed" });
    model.limit = limit;
    if (options.reset) for (const held of model.held) held.kept = false;
    const surplus = Math.max(0, sizeOf(model) - limit);
    // Those being closed count until they are, so that who waits gets in only then: nothing is idle while somebody waits.
    closeIdle(model, options.reset ? model.idle.length : Math.min(surplus, model.idle.length));
    grant(model);
    await resized;
  });

const forceCloseAll = command("forceCloseAll", async (model, { pool }) => {
  closeIdle(model, model.idle.length);
  for (const { resource } of model.held.splice(0)) model.closed.add(resource);
  grant(model);
  await pool.forceCloseAll({ closePool: false });
});

const pick = fc.nat({ max: 20 });
const commands = fc.commands(
  [
    fc.boolean().map(acquire),
    fc.constant(true).map(acquire),
    fc
      .tuple(pick, fc.constantFrom<"release" | "replace">("release", "release", "replace"))
      .map(([index, how]) => end(index, how)),
    pick.map(abort),
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.record({ force: fc.boolean(), reset: fc.boolean() }))
      .map(([limit, options]) => resize(limit, options)),
    fc.constant(forceCloseAll),
  ],
  { maxCommands: 60 },
);

test("ResourcePool does what its model does, whatever its users do", async () => {
  const runs = fc.asyncProperty(fc.integer({ min: 1, max: 4 }), commands, async (limit, list) => {
    const model: Model = { limit, held: [], waiting: [], idle: [], made: 0, closed: new Set(), users: 0 };
    const real = realPool(limit);
    await fc.asyncModelRun(() => ({ model, real }), list);
    const { pool, got, closed } = real;
    const closing = pool.close();
    for (const held of got.values()) await held.release();
    await closing;
    expect([pool.size, pool.waiting, closed.size]).toEqual([0, 0, model.made]);
  });
  await fc.assert(runs, { numRuns: 300 });
}, 60_000);
