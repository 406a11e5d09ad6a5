import { describe, expect, test } from "vitest";
import { DEFAULT_QUEUE_SETTINGS, type QueueInfo } from "../src/task.js";
import {
  queueFromWire,
  queueToWire,
  settingsFromWire,
  tagStatsFromWire,
  tagStatsToWire,
} from "../src/wire-queue.js";

const refusal = (location: string) => expect.objectContaining({ code: "invalid_argument", location });

describe("queueToWire() and queueFromWire()", () => {
  const info: QueueInfo = {
    key: { project: "app", queue: "a b" },
    settings: {
      mode: "push",
      maxLeases: 3,
      acl: { userEmails: ["u@example.com"], writerEmails: [] },
      disabled: true,
      deadLetterQueue: "letters",
      leasesPerSecond: 0.5,
      storageBytesMax: 2 ** 40,
      retentionMs: 86_400_000,
      tombstoneMs: 0,
    },
    paused: true,
    stats: {
      totalTasks: 4,
      availableTasks: 1,
      leasedTasks: 2,
      payloadBytes: 5,
      oldestEtaUs: 1_767_225_600_000_000,
      leasedLastMinute: 2,
      leasedLastHour: 3,
    },
  };

  test("carry settings and counts", () => {
    expect(queueFromWire(JSON.parse(JSON.stringify(queueToWire(info, "s~"))), "app")).toEqual(info);
  });

  test("write counts in Google's types, the oldest task in whole seconds", () => {
    expect(queueToWire(info, "").stats).toEqual({
      totalTasks: 4,
      oldestTask: "1767225600",
      leasedLastMinute: "2",
      leasedLastHour: "3",
      availableTasks: 1,
      leasedTasks: 2,
      payloadBytes: "5",
    });
  });

  test("write 64-bit settings as strings, and what is on as true", () => {
    expect(queueToWire(info, "")).toMatchObject({
      paused: true,
      deadLetterQueue: "letters",
      leasesPerSecond: 0.5,
      storageBytesMax: "1099511627776",
      retentionMs: "86400000",
      tombstoneMs: "0",
    });
  });

  test("write nothing of a plain queue but its name", () => {
    const plain = {
      key: { project: "app", queue: "q" },
      settings: DEFAULT_QUEUE_SETTINGS,
      paused: false,
    };
    expect(queueToWire(plain, "s~")).toEqual({
      kind: "taskqueues#taskqueue",
      id: "projects/s~app/taskqueues/q",
    });
    expect(queueFromWire(queueToWire(plain, "s~"), "app")).toEqual(plain);
  });

  test("read an empty queue's missing oldest task as none", () => {
    const stats = { totalTasks: 0, oldestTask: "0" };
    expect(queueFromWire({ id: "q", stats }, "app").stats).toMatchObject({
      totalTasks: 0,
      availableTasks: 0,
      oldestEtaUs: undefined,
    });
  });

  test("settingsFromWire() takes null for absent, and refuses what is no setting", () => {
    const nothing = { acl: null, maxLeases: null, mode: null, disabled: null, retentionMs: null };
    expect(settingsFromWire(nothing)).toEqual(DEFAULT_QUEUE_SETTINGS);
    expect(() => settingsFromWire({ mode: "poll" })).toThrow(refusal("mode"));
    expect(() => settingsFromWire({ acl: [] })).toThrow(refusal("acl"));
    expect(() => settingsFromWire({ acl: { consumerEmails: "u@example.com" } })).toThrow(
      refusal("consumerEmails"),
    );
    expect(() => settingsFromWire({ disabled: "yes" })).toThrow(refusal("disabled"));
    expect(() => settingsFromWire({ deadLetterQueue: 5 })).toThrow(refusal("deadLetterQueue"));
    expect(() => settingsFromWire({ leasesPerSecond: "10/s" })).toThrow(refusal("leasesPerSecond"));
    for (const field of ["storageBytesMax", "retentionMs", "tombstoneMs"]) {
      expect(() => settingsFromWire({ [field]: 0.5 })).toThrow(refusal(field));
    }
  });
});

describe("tagStatsToWire() and tagStatsFromWire()", () => {
  test("carry the counts of a tag, of the empty tag and of none", () => {
    for (const tag of ["a", "", undefined]) {
      const stats = { tag, totalTasks: 3, availableTasks: 2, oldestEtaUs: 1_767_225_600_000_000 };
      const wire = tagStatsToWire(stats);
      expect(wire).toEqual({
        ...(tag === undefined ? {} : { tag }),
        totalTasks: 3,
        availableTasks: 2,
        oldestTask: "1767225600",
      });
      expect(tagStatsFromWire(JSON.parse(JSON.stringify(wire)))).toEqual(stats);
    }
  });
});
