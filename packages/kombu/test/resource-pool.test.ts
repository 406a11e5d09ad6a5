import { getEventListeners } from "node:events";
import { isClosed, KombuError } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { deferred, poolOf } from "./number-pool.js";
import { settled } from "./support.js";

const exhausted = { code: "resource_exhausted" };

describe("ResourcePool.acquire()", () => {
  test("acquire() gives as many as the limit, and then says what to do", async () => {
    const { pool, counts } = poolOf({ limit: 2 });
    const [one, two] = [await pool.acquire(), await pool.acquire()];
    expect([one.resource, two.resource]).toEqual([0, 1]);
    const refusal = await pool.acquire({ timeoutMs: 0 }).catch((error: unknown) => error);
    expect(refusal).toMatchObject(exhausted);
    expect(String(refusal)).toMatch(
      /all 2 numbers of the pool are in use and none was asked to wait for.*release them sooner/,
    );
    expect(counts()).toEqual({ size: 2, inUse: 2, waiting: 0 });
    await one.release();
    expect((await pool.acquire({ timeoutMs: 0 })).resource).toBe(0);
  });

  test("acquire() uses first what came back last", async () => {
    const { pool } = poolOf({ limit: 3 });
    const all = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    for (const index of [0, 2, 1]) await all[index]!.release();
    const again = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    expect(again.map(({ resource }) => resource)).toEqual([1, 2, 0]);
  });

  test("acquire() lets users wait in a row: nobody who comes later is before them", async () => {
    const { pool, counts } = poolOf({ limit: 1 });
    const holder = await pool.acquire();
    const order: string[] = [];
    const users = ["first", "second"].map(async (name) => {
      await using _held = await pool.acquire();
      order.push(name);
    });
    expect(counts()).toEqual({ size: 1, inUse: 1, waiting: 2 });
    const released = holder.release();
    await expect(pool.acquire({ timeoutMs: 0 })).rejects.toMatchObject(exhausted);
    await Promise.all([released, ...users]);
    expect(order).toEqual(["first", "second"]);
    expect(counts()).toEqual({ size: 1, inUse: 0, waiting: 0 });
  });

  test("acquire() lets any number of users wait without Node's warning of a leak", async () => {
    const { pool } = poolOf({ limit: 1 });
    await pool.acquire();
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const waiting = Array.from({ length: 20 }, () => pool.acquire());
    const outcomes = Promise.allSettled(waiting);
    await pool.close({ timeoutMs: 0 });
    expect(new Set((await outcomes).map(({ status }) => status))).toEqual(new Set(["rejected"]));
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test("acquire() waits half a minute unless told otherwise, and then leaves the row", async () => {
    const { pool, clock, counts } = poolOf({ limit: 1 });
    const holder = await pool.acquire();
    const waiting = pool.acquire();
    let ended = false;
    const refused = expect(waiting.finally(() => (ended = true))).rejects.toMatchObject(exhausted);
    clock.advance(29_999);
    await settled();
    expect(ended).toBe(false);
    clock.advance(1);
    await refused;
    expect(counts()).toEqual({ size: 1, inUse: 1, waiting: 0 });
    await holder.release();
    expect((await pool.acquire({ timeoutMs: 0 })).resource).toBe(0);
  });

  test("acquire() ends with its signal's reason, before and while it waits, and leaves no listener", async () => {
    const { pool, counts } = poolOf({ limit: 1 });
    const gone = new Error("gone");
    await expect(pool.acquire({ signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
    const { signal } = new AbortController();
    const holder = await pool.acquire({ signal });
    const stop = new AbortController();
    const waiting = expect(pool.acquire({ signal: stop.signal })).rejects.toBe(gone);
    stop.abort(gone);
    await waiting;
    expect([getEventListeners(signal, "abort"), getEventListeners(stop.signal, "abort")]).toEqual([[], []]);
    await holder.release();
    expect(counts()).toEqual({ size: 1, inUse: 0, waiting: 0 });
  });

  test("acquire() that ends while its resource is being made leaves that for the next", async () => {
    const making = deferred<number>();
    const { pool, clock, counts } = poolOf({ limit: 1 }, { create: () => making.promise });
    const late = expect(pool.acquire({ timeoutMs: 10 })).rejects.toMatchObject({ code: "timeout" });
    clock.advance(10);
    await late;
    expect(counts()).toEqual({ size: 1, inUse: 0, waiting: 0 });
    await expect(pool.acquire({ timeoutMs: 0 })).rejects.toMatchObject(exhausted);
    const next = pool.acquire();
    making.resolve(7);
    expect((await next).resource).toBe(7);
  });

  test("acquire() that ends while its resource is being made keeps that one, and makes no second", async () => {
    const makings = [deferred<number>(), deferred<number>()];
    let made = 0;
    const { pool, closed, counts } = poolOf({ limit: 2 }, { create: () => makings[made++]!.promise });
    const stop = new AbortController();
    const given = pool.acquire({ signal: stop.signal });
    stop.abort("enough");
    await expect(given).rejects.toBe("enough");
    makings[0]!.resolve(7);
    await settled();
    expect([closed, counts()]).toEqual([[], { size: 1, inUse: 0, waiting: 0 }]);
    expect([(await pool.acquire({ timeoutMs: 0 })).resource, made]).toEqual([7, 1]);
  });

  test("a resource that is ready after its user has gone and a reset has come is closed", async () => {
    const making = deferred<number>();
    const { pool, closed, counts } = poolOf({ limit: 1 }, { create: () => making.promise });
    const stop = new AbortController();
    const given = pool.acquire({ signal: stop.signal });
    stop.abort("enough");
    await expect(given).rejects.toBe("enough");
    await pool.resize(1, { reset: true });
    making.resolve(7);
    await settled();
    expect([closed, counts()]).toEqual([[7], { size: 0, inUse: 0, waiting: 0 }]);
  });

  test("a resource that cannot be made after its user has gone leaves its slot to who waits", async () => {
    const making = deferred<number>();
    const creates = [() => making.promise, () => 8];
    const { pool, clock, counts } = poolOf({ limit: 1 }, { create: () => creates.shift()!() });
    const late = expect(pool.acquire({ timeoutMs: 10 })).rejects.toMatchObject({ code: "timeout" });
    clock.advance(10);
    await late;
    const next = pool.acquire();
    making.reject(new Error("unreachable"));
    expect((await next).resource).toBe(8);
    expect(counts()).toEqual({ size: 1, inUse: 1, waiting: 0 });
  });

  test("acquire() gives the slot back when a resource cannot be made or prepared", async () => {
    const failing = poolOf({ limit: 1 }, { create: () => Promise.reject(new Error("unreachable")) });
    await expect(failing.pool.acquire()).rejects.toThrow("unreachable");
    expect(failing.counts()).toEqual({ size: 0, inUse: 0, waiting: 0 });

    let isBad = true;
    const prepare = async () => {
      if (isBad) throw new Error("unprepared");
    };
    const { pool, closed } = poolOf({ limit: 1 }, { prepare });
    await expect(pool.acquire()).rejects.toThrow("unprepared");
    expect(closed).toEqual([0]);
    isBad = false;
    expect((await pool.acquire({ timeoutMs: 0 })).resource).toBe(1);
  });

  test("a resource is prepared when it has been made, and made when the broken one before it is closed", async () => {
    const events: string[] = [];
    const closing = deferred<void>();
    let isBroken = false;
    let made = 0;
    const { pool } = poolOf(
      { limit: 1 },
      {
        create: async () => {
          events.push(`make ${made}`);
          return made++;
        },
        prepare: async (resource) => void events.push(`prepare ${resource}`),
        isUsable: (resource) => !isBroken || resource !== 0,
        close: (resource) => {
          events.push(`close ${resource}`);
          return closing.promise;
        },
      },
    );
    await (await pool.acquire()).release();
    isBroken = true;
    const second = pool.acquire();
    await settled();
    expect(events).toEqual(["make 0", "prepare 0", "close 0"]);
    closing.resolve();
    expect((await second).resource).toBe(1);
    expect(events.slice(3)).toEqual(["make 1", "prepare 1"]);
  });

  test("acquire() passes over what has become unusable while it was idle", async () => {
    const broken = new Set<number>();
    const { pool, closed } = poolOf({ limit: 1 }, { isUsable: (resource) => !broken.has(resource) });
    await (await pool.acquire()).release();
    broken.add(0);
    expect((await pool.acquire()).resource).toBe(1);
    expect(closed).toEqual([0]);
  });

  test.each([{ limit: undefined }, { limit: 0 }])(
    "without a limit (%o) nothing waits and nothing is kept",
    async (options) => {
      const { pool, closed, counts } = poolOf(options);
      const all = await Promise.all(Array.from({ length: 100 }, () => pool.acquire({ timeoutMs: 0 })));
      expect([pool.limit, counts()]).toEqual([undefined, { size: 100, inUse: 100, waiting: 0 }]);
      for (const held of all) await held.release();
      expect([closed.length, pool.size]).toEqual([100, 0]);
    },
  );

  test("options that are not as they must be are refused", async () => {
    expect(() => poolOf({ limit: -1 })).toThrow(/whole number of resources/);
    const { pool } = poolOf({ limit: 1 });
    await expect(pool.acquire({ timeout: 1 } as never)).rejects.toThrow(/timeoutMs/);
  });
});

describe("ResourcePool: giving back", () => {
  test("release() twice gives back once, also after somebody else has it", async () => {
    const { pool, counts } = poolOf({ limit: 1 });
    const first = await pool.acquire();
    await first.release();
    const second = await pool.acquire();
    await first.release();
    await first.replace();
    expect(counts()).toEqual({ size: 1, inUse: 1, waiting: 0 });
    await expect(pool.acquire({ timeoutMs: 0 })).rejects.toMatchObject(exhausted);
    await second.release();
  });

  test("replace() closes what is broken, and who waits gets another", async () => {
    const close = async () => {
      throw new Error("it is too broken to be closed");
    };
    const { pool } = poolOf({ limit: 1 }, { close });
    const held = await pool.acquire();
    const next = pool.acquire();
    await held.replace();
    expect((await next).resource).toBe(1);
  });

  test("use() gives back, replaces after an error of the connection, and passes on what came", async () => {
    const { pool, closed } = poolOf({ limit: 1 });
    expect(await pool.use((resource) => `got ${resource}`)).toBe("got 0");
    const mistake = new Error("the work's own");
    await expect(pool.use(() => Promise.reject(mistake))).rejects.toBe(mistake);
    expect(closed).toEqual([]);
    const broken = new KombuError("unauthenticated", "the token has expired");
    await expect(pool.use(() => Promise.reject(broken))).rejects.toBe(broken);
    expect(closed).toEqual([0]);
    expect(await pool.use((resource) => resource)).toBe(1);
  });
});

describe("ResourcePool.close()", () => {
  test("close() ends those who wait, and waits for those who have one", async () => {
    const { pool, closed, counts } = poolOf({ limit: 2 });
    const [held, idle] = [await pool.acquire(), await pool.acquire()];
    const waiting = expect(pool.acquire()).rejects.toSatisfy(isClosed);
    await idle.release();
    const closing = pool.close();
    expect(pool.close()).toBe(closing);
    await waiting;
    await expect(pool.acquire()).rejects.toSatisfy(isClosed);
    await expect(pool.resize(1)).rejects.toSatisfy(isClosed);
    await held.release();
    await closing;
    expect([closed.sort(), counts()]).toEqual([[0, 1], { size: 0, inUse: 0, waiting: 0 }]);
  });

  test("close() waits no longer than its time for those who have one", async () => {
    const { pool, clock, closed } = poolOf({ limit: 2 });
    await pool.acquire();
    const closing = pool.close({ timeoutMs: 5_000 });
    await settled();
    clock.advance(4_999);
    await settled();
    expect(closed).toEqual([]);
    clock.advance(1);
    await closing;
    expect(closed).toEqual([0]);
  });

  test("close() closes everything though one cannot be closed, and says so", async () => {
    const closed: number[] = [];
    const close = async (resource: number) => {
      if (resource === 0) throw new Error("stuck");
      closed.push(resource);
    };
    const { pool } = poolOf({ limit: 3 }, { close });
    const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const held of all.slice(0, 2)) await held.release();
    const closing = expect(pool.close()).rejects.toThrow("stuck");
    await all[2]!.release();
    await closing;
    expect([closed.sort(), pool.size]).toEqual([[1, 2], 0]);
  });

  test("close() closes what is being made when it is ready", async () => {
    const making = deferred<number>();
    const { pool, closed } = poolOf({ limit: 1 }, { create: () => making.promise });
    const waiting = expect(pool.acquire()).rejects.toSatisfy(isClosed);
    const closing = pool.close();
    await waiting;
    making.resolve(3);
    await closing;
    expect([closed, pool.size]).toEqual([[3], 0]);
  });
});
