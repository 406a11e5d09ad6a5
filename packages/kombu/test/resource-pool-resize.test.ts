import { isClosed } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { deferred, poolOf } from "./number-pool.js";

describe("ResourcePool.resize()", () => {
  test("resize() up lets those in who wait", async () => {
    const { pool } = poolOf({ limit: 1 });
    await pool.acquire();
    const waiting = [pool.acquire(), pool.acquire()];
    await pool.resize(3);
    expect((await Promise.all(waiting)).map(({ resource }) => resource)).toEqual([1, 2]);
  });

  test("resize() down closes what is idle, and refuses while more are in use, unless forced", async () => {
    const { pool, closed, counts } = poolOf({ limit: 4 });
    const all = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
    await all[3]!.release();
    await pool.resize(3);
    expect(closed).toEqual([3]);
    await expect(pool.resize(1)).rejects.toMatchObject({ code: "precondition_failed" });
    expect(pool.limit).toBe(3);
    await pool.resize(1, { force: true });
    expect([pool.limit, pool.size]).toEqual([1, 3]);
    for (const held of all) await held.release();
    expect(closed).toEqual([3, 0, 1]);
    expect(counts()).toEqual({ size: 1, inUse: 0, waiting: 0 });
  });

  test("resize() again, and what comes back, while the surplus is being closed close no more than it", async () => {
    const closing = deferred<void>();
    const { pool, counts } = poolOf({ limit: 5 }, { close: () => closing.promise });
    const [held, ...others] = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
    for (const other of others) await other.release();
    const resized = Promise.all([pool.resize(3), pool.resize(3)]);
    const released = held!.release();
    closing.resolve();
    await Promise.all([resized, released]);
    expect(counts()).toEqual({ size: 3, inUse: 0, waiting: 0 });
  });

  test("what comes back all at once to a smaller pool is closed down to its limit, and not further", async () => {
    const closing = deferred<void>();
    const { pool, counts } = poolOf({ limit: 3 }, { close: () => closing.promise });
    const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    await pool.resize(1, { force: true });
    const released = all.map((held) => held.release());
    closing.resolve();
    await Promise.all(released);
    expect(counts()).toEqual({ size: 1, inUse: 0, waiting: 0 });
  });

  test("resize() down closes no more of what is idle than it must, however long closing takes", async () => {
    const closing = deferred<void>();
    const { pool, counts } = poolOf({ limit: 3 }, { close: () => closing.promise });
    const [one, two] = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    await Promise.all([one.release(), two.release()]);
    const resized = pool.resize(2);
    closing.resolve();
    await resized;
    expect(counts()).toEqual({ size: 2, inUse: 1, waiting: 0 });
  });

  test("resize() with reset closes all: what is idle now, what is in use when it comes back", async () => {
    const { pool, closed } = poolOf({ limit: 2 });
    const [held, idle] = [await pool.acquire(), await pool.acquire()];
    await idle.release();
    await pool.resize(2, { reset: true });
    expect(closed).toEqual([1]);
    await held.release();
    expect(closed).toEqual([1, 0]);
    expect((await pool.acquire()).resource).toBe(2);
  });

  test("forceCloseAll() closes what is in use too, and leaves the pool open if asked to", async () => {
    const { pool, closed, counts } = poolOf({ limit: 1 });
    const held = await pool.acquire();
    const next = pool.acquire();
    await pool.forceCloseAll({ closePool: false });
    expect([closed, (await next).resource]).toEqual([[0], 1]);
    await held.release();
    expect([closed, counts()]).toEqual([[0], { size: 1, inUse: 1, waiting: 0 }]);
    await pool.forceCloseAll();
    expect(closed).toEqual([0, 1]);
    await expect(pool.acquire()).rejects.toSatisfy(isClosed);
  });
});
