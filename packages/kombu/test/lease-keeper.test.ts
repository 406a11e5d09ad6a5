import { manualClock, openMemoryStore, QueueError } from "@pullqueue/core";
import { Connection, isLeaseLost, isTimeout, VirtualTransport } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { LeaseKeeper } from "../src/lease-keeper.js";
import type { Lease } from "../src/transport.js";
import { settled } from "./support.js";

const LEASE_MS = 60_000;
const LEASE = {
  leaseMs: LEASE_MS,
  pollingIntervalMs: 1000,
  numTasks: 10,
  holdMsMax: undefined,
  deadletterQueue: undefined,
};

/** A connection whose renewals are counted, and fail while `isDown`. */
function renewing() {
  const clock = manualClock();
  const store = openMemoryStore({ clock });
  const state = { isDown: false, isHanging: false, renewals: [] as { atMs: number; id: string }[] };
  const startUs = clock.nowUs();
  const hanging = new Promise<never>(() => {});
  const watched: typeof store = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "extend") return typeof value === "function" ? value.bind(target) : value;
      return (...args: Parameters<typeof store.extend>) => {
        const atMs = (clock.nowUs() - startUs) / 1000;
        for (const { id, leaseMs } of args[1]) if (leaseMs > 0) state.renewals.push({ atMs, id });
        if (state.isHanging) return hanging;
        if (state.isDown) return Promise.reject(new QueueError("unavailable", "down"));
        return target.extend(...args);
      };
    },
  });
  const connection = new Connection(
    {
      transport: async (context) =>
        new VirtualTransport({ store: watched, name: "virtual", project: "p", lease: LEASE, context }),
    },
    { clock },
  );
  const advance = async (ms: number, stepMs: number) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
  };
  return { connection, state, advance };
}

describe("LeaseKeeper", () => {
  test("a lease is renewed between a third and two thirds of its length, and no oftener", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    await queue.get();
    await advance(LEASE_MS * 3, 1_000);
    const times = [0, ...state.renewals.map(({ atMs }) => atMs)];
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    expect(pauses.length).toBeGreaterThan(3);
    for (const pause of pauses) {
      expect(pause).toBeGreaterThanOrEqual(LEASE_MS / 3);
      expect(pause).toBeLessThanOrEqual((LEASE_MS * 2) / 3);
    }
  });

  test("leases that are nearly due are renewed along with the one that is", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    for (let index = 0; index < 3; index++) await queue.put(index);
    await queue.get();
    await advance(5_000, 1_000);
    await connection.simpleQueue("r").put("later");
    await connection.simpleQueue("r").get();
    await advance(LEASE_MS / 2 - 5_000, 1_000);
    expect(state.renewals.length).toBe(4);
    expect(new Set(state.renewals.map(({ atMs }) => atMs)).size).toBe(1);
  });

  test("a message that is settled is not renewed any more", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    await (await queue.get()).ack();
    await advance(LEASE_MS, 5_000);
    expect(state.renewals).toEqual([]);
  });

  test("a renewal that fails is tried again, and the lease survives", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const message = await queue.get();
    await advance(LEASE_MS / 2 - 1_000, 1_000);
    state.isDown = true;
    await advance(15_000, 1_000);
    state.isDown = false;
    await advance(LEASE_MS, 1_000);
    expect(message.signal.aborted).toBe(false);
    await message.ack();
  });

  test("a lease that cannot be renewed in time aborts the signal with lease_lost", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const message = await queue.get();
    const { signal } = message;
    state.isDown = true;
    await advance(LEASE_MS - 1_000, 1_000);
    expect(signal.aborted).toBe(false);
    await advance(6_000, 1_000);
    expect(isLeaseLost(signal.reason)).toBe(true);
    state.isDown = false;
    await expect(message.ack()).rejects.toSatisfy(isLeaseLost);
  });

  test("a renewal that goes unanswered aborts the signal when the lease ends, not later", async () => {
    const { connection, state, advance } = renewing();
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const { signal } = await queue.get();
    state.isHanging = true;
    await advance(LEASE_MS - 1_000, 1_000);
    expect(signal.aborted).toBe(false);
    await advance(1_000, 1_000);
    expect(isLeaseLost(signal.reason)).toBe(true);
    state.isHanging = false;
    await connection.close();
  });

  test("a lease whose renewals fail aborts the signal when it ends, not at the next try", async () => {
    const { connection, state, advance } = renewing();
    await using _ = connection;
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const { signal } = await queue.get();
    await advance(LEASE_MS / 2 + 3_000, 1_000);
    state.isDown = true;
    // Renewed at half of the first lease; the tries after that do not fall on the end of the second by themselves.
    await advance(LEASE_MS - 3_000, 700);
    expect(isLeaseLost(signal.reason)).toBe(true);
  });
});

/** A keeper by itself, with a standby that writes down what it hears, of one lease of a minute that began now, and what becomes of it. */
function keeping({ holdMsMax }: { readonly holdMsMax?: number } = {}) {
  const clock = manualClock();
  const delivery = { deliveryTag: "t", leaseEndsAtUs: clock.nowUs() + LEASE_MS * 1000 } as Lease;
  const told: unknown[] = [];
  const renewedAtMs: number[] = [];
  const startUs = clock.nowUs();
  const tell = (error: unknown) => void told.push(error);
  const holder = { delivery, interrupt: tell, lose: tell };
  const extend = async () => {
    renewedAtMs.push((clock.nowUs() - startUs) / 1000);
    Object.assign(delivery, { leaseEndsAtUs: clock.nowUs() + LEASE_MS * 1000 });
  };
  const heard: string[] = [];
  const standby = {
    keep: () => void heard.push("keep"),
    drop: () => void heard.push("drop"),
    refresh: () => {},
    quiet: async () => {},
    close: async () => {},
  };
  const keeper = new LeaseKeeper({ clock, extend, standby, holdMsMax });
  const advance = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  return { keeper, holder, clock, told, renewedAtMs, heard, advance };
}

describe("LeaseKeeper: how long", () => {
  test("holdMsMax ends renewing when it is over, not when the next renewal would be due", async () => {
    const { keeper, holder, told, renewedAtMs, advance } = keeping({ holdMsMax: 45_000 });
    keeper.keep(holder);
    await advance(30_000);
    await advance(14_999);
    expect([renewedAtMs, told]).toEqual([[30_000], []]);
    await advance(1);
    expect(told).toSatisfy(([error]) => isTimeout(error));
    await advance(LEASE_MS * 2);
    expect([renewedAtMs.length, told.length]).toEqual([1, 1]);
  });

  test("terms say how long the lease is and until when it is kept, whatever is left of both", async () => {
    const { keeper, holder, clock, told, renewedAtMs, advance } = keeping();
    await advance(LEASE_MS / 2);
    keeper.keep(holder, { lengthUs: LEASE_MS * 1000, untilUs: clock.nowUs() + 10_000_000 });
    await advance(0);
    expect([renewedAtMs, told]).toEqual([[LEASE_MS / 2], []]);
    await advance(9_999);
    expect(told).toEqual([]);
    await advance(1);
    expect(told).toSatisfy(([error]) => isTimeout(error));
  });

  test("the standby hears of each lease that is kept, of each renewal, and once that it is dropped", async () => {
    const { keeper, holder, renewedAtMs, heard, advance } = keeping();
    keeper.keep(holder);
    await advance(LEASE_MS / 2);
    expect(heard).toEqual(["keep", "keep"]);
    keeper.drop(holder);
    keeper.drop(holder);
    await advance(LEASE_MS * 2);
    expect([heard, renewedAtMs.length]).toEqual([["keep", "keep", "drop"], 1]);
  });

  test("a lease that never ends needs no renewal, and nobody hears of it", async () => {
    const { keeper, holder, renewedAtMs, heard, advance } = keeping();
    Object.assign(holder.delivery, { leaseEndsAtUs: undefined });
    keeper.keep(holder);
    await advance(LEASE_MS * 2);
    keeper.drop(holder);
    expect([renewedAtMs, heard]).toEqual([[], []]);
  });
});
