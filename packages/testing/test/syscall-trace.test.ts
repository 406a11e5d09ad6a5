import { describe, expect, test } from "vitest";
import { answersTooEarly, readTrace, wasSyncedBeforeAnswer } from "../src/syscall-trace.js";

const LOGGED = `10 pwrite64(20</data/q.db-wal>, "page task-1"..., 4096, 32) = 4096`;
const SYNCED = "10 fdatasync(20</data/q.db-wal>) = 0";
const ANSWERED = `10 writev(25<socket:[7]>, [{iov_base="HTTP/1.1 200 OK\\r\\n", iov_len=9}, {iov_base="task-1"}], 2) = 15`;
const trace = (...lines: string[]) => readTrace(lines.join("\n"));

describe("readTrace()", () => {
  test("readTrace() sees log, sync and answer, and nothing in other files", () => {
    const events = trace(
      `10 write(1<pipe:[3]>, "HTTP/1.1 200", 12) = 12`,
      `10 pwrite64(19</data/q.db>, "page", 4096, 0) = 4096`,
      "10 fdatasync(19</data/q.db>) = 0",
      LOGGED,
      SYNCED,
      ANSWERED,
      `10 write(25<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 404 Not Found", 22) = 22`,
      "10 +++ exited with 0 +++",
    );
    expect(events.map((event) => (event.kind === "answered" ? event.status : event.kind))).toEqual([
      "logged",
      "synced",
      200,
      404,
    ]);
  });

  test("readTrace() counts a sync when it ends, and only when it ends well", () => {
    const begun = "10 fdatasync(20</data/q.db-wal> <unfinished ...>";
    const kinds = (end: string) =>
      trace(LOGGED, begun, `11 ${ANSWERED.slice(3)}`, end).map(({ kind }) => kind);
    expect(kinds("10 <... fdatasync resumed>) = 0")).toEqual(["logged", "answered", "synced"]);
    expect(kinds("10 <... fdatasync resumed>) = -1 EIO (Input/output error)")).toEqual([
      "logged",
      "answered",
    ]);
  });
});

describe("answersTooEarly()", () => {
  test("answersTooEarly() is content with log, sync, answer", () => {
    expect(answersTooEarly(trace(LOGGED, LOGGED, SYNCED, ANSWERED, LOGGED, SYNCED, ANSWERED))).toEqual([]);
  });

  test.each([
    ["without a sync", [LOGGED, ANSWERED]],
    ["with a sync afterwards", [LOGGED, ANSWERED, SYNCED]],
    ["with a sync before the last page", [LOGGED, SYNCED, LOGGED, ANSWERED]],
    ["without anything logged", [LOGGED, SYNCED, ANSWERED, ANSWERED].slice(2)],
  ])("answersTooEarly() finds an answer %s", (_, lines) => {
    expect(answersTooEarly(trace(...lines)).length).toBeGreaterThan(0);
  });
});

describe("wasSyncedBeforeAnswer()", () => {
  test("wasSyncedBeforeAnswer() follows one task among others", () => {
    const other = LOGGED.replace("task-1", "task-2");
    expect(wasSyncedBeforeAnswer(trace(LOGGED, SYNCED, other, ANSWERED), "task-1")).toBe(true);
    expect(wasSyncedBeforeAnswer(trace(other, SYNCED, LOGGED, ANSWERED, SYNCED), "task-1")).toBe(false);
    expect(wasSyncedBeforeAnswer(trace(ANSWERED), "task-1")).toBe(false);
  });
});
