import { readFileSync } from "node:fs";
import { DEFAULT_QUEUE_SETTINGS } from "@pullqueue/core";
import { expect, test } from "vitest";
import { parseQueueYaml, projectOfFile } from "../src/queue-yaml.js";

const GOOD = `
application: s~my-app
total_storage_limit: 120M
queue:
- name: pull-queue
  mode: pull
  retry_parameters:
    task_retry_limit: 7
  acl:
  - user_email: worker@example.com
  - writer_email: producer@example.com
  - user_email: both@example.com
    writer_email: both@example.com
- name: mail
  rate: 5/s
  bucket_size: 40
  max_concurrent_requests: 10
  target: worker
  retry_parameters:
    task_age_limit: 2d
    min_backoff_seconds: 10
- name: plain
  mode: pull
  dead_letter_queue: letters
  lease_rate: 90/m
  storage_limit: 1.5K
  retention: 14d
  tombstone: 0s
- {name: letters, mode: pull}
resume_paused_queues: true
`;

/** The complaints of a file, without the title. */
function complaints(text: string): readonly string[] {
  try {
    parseQueueYaml(text);
    return [];
  } catch (error) {
    return (error as Error).message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
}

test("parseQueueYaml() reads pull queues, push queues, limits and access lists", () => {
  const { project, queues, resumesPausedQueues, warnings } = parseQueueYaml(GOOD);
  expect(project).toBe("my-app");
  expect(resumesPausedQueues).toBe(true);
  expect([...queues]).toEqual([
    [
      "pull-queue",
      {
        ...DEFAULT_QUEUE_SETTINGS,
        maxLeases: 7,
        acl: {
          userEmails: ["worker@example.com", "both@example.com"],
          writerEmails: ["producer@example.com", "both@example.com"],
        },
      },
    ],
    ["mail", { ...DEFAULT_QUEUE_SETTINGS, mode: "push" }],
    [
      "plain",
      {
        ...DEFAULT_QUEUE_SETTINGS,
        deadLetterQueue: "letters",
        leasesPerSecond: 1.5,
        storageBytesMax: 1536,
        retentionMs: 14 * 86_400_000,
        tombstoneMs: 0,
      },
    ],
    ["letters", DEFAULT_QUEUE_SETTINGS],
  ]);
  expect(warnings).toEqual([
    expect.stringMatching(/^queue.yaml, line 3: total_storage_limit is accepted and not enforced/),
  ]);
});

test("parseQueueYaml() tells everything that is wrong at once, with lines", () => {
  const text = `total_storage_limit: lots
extra: 1
queue:
- name: a
  mode: pull
  rate: 5/s
  colour: red
  retry_parameters:
    task_retry_limit: 0
    task_age_limit: 2d
    patience: 1
- name: a
  mode: pull
- mode: pull
- name: b
  mode: pop
- just text
- name: c
  mode: pull
  acl:
  - user_email: nobody
  - admin_email: x@y
  - user_email: [x@y]
- name: d
  mode: pull
  retry_parameters:
    task_retry_limit: many
`;
  expect(complaints(text)).toEqual([
    'line 2: unknown key "extra" in the file; known are queue, total_storage_limit, application, resume_paused_queues',
    'line 1: total_storage_limit must be a size such as 120M, got "lots"',
    expect.stringMatching(/^line 7: unknown key "colour" in the queue "a"; known are name, mode/),
    "line 6: rate must not be specified for a pull queue; to limit how often it is leased from, use lease_rate",
    expect.stringMatching(/^line 11: unknown key "patience" in retry_parameters/),
    "line 10: task_age_limit must not be specified for a pull queue",
    expect.stringMatching(/^line 9: task_retry_limit: 0 would drop every task/),
    'line 12: the queue "a" is there twice, first in line 4',
    "line 14: each queue needs a name",
    'line 16: mode of the queue "b" must be pull or push, got "pop"',
    'line 17: an entry of queue must be a mapping (key: value), got "just text"',
    "line 17: each queue needs a name",
    'line 21: user_email must be an e-mail address, got "nobody"',
    expect.stringMatching(/^line 22: unknown key "admin_email" in acl/),
    "line 23: user_email must be a text, got a list",
    'line 27: task_retry_limit must be a whole number, got "many"',
  ]);
});

test.each([
  [
    "",
    [
      "line 1: the file must be a mapping (key: value), got nothing",
      "line 1: queue must list at least one queue",
    ],
  ],
  ["queue:\n", ["line 1: queue must list at least one queue"]],
  [
    "queue: {}\n",
    ["line 1: queue must be a list (- …), got a mapping", "line 1: queue must list at least one queue"],
  ],
  [
    "- a\n",
    [
      "line 1: the file must be a mapping (key: value), got a list",
      "line 1: queue must list at least one queue",
    ],
  ],
  ["queue:\n- name: a\n  name: b\n", [expect.stringMatching(/^line 3: .*unique/)]],
  ["queue: [", [expect.stringMatching(/^line 1: /)]],
  [
    "queue:\n- {name: a}\n---\nqueue:\n- {name: b}\n",
    [expect.stringMatching(/^line \d: .*multiple documents/)],
  ],
  ["queue:\n- {name: ''}\n", [expect.stringMatching(/^line 2: a queue name is 1 to 255 bytes/)]],
  [
    "queue:\n- {name: a, retry_parameters: 5}\n",
    [expect.stringMatching(/^line 2: retry_parameters must be a mapping/)],
  ],
  ["resume_paused_queues: maybe\nqueue:\n- {name: a}\n", [expect.stringMatching(/^line 1: .*true or false/)]],
  ["application: '%'\nqueue:\n- {name: a}\n", [expect.stringMatching(/^line 1: a project is/)]],
])("parseQueueYaml(%j) is refused", (text, expected) => {
  expect(complaints(text)).toEqual(expected);
});

test("parseQueueYaml() reads sizes, rates and ages in Google's notation, and says what is wrong with others", () => {
  const queue = (line: string) => `queue:\n- {name: b, mode: pull}\n- name: a\n  mode: pull\n  ${line}\n`;
  const read = (line: string) => parseQueueYaml(queue(line)).queues.get("a");
  for (const [text, perSecond] of [
    ["10/s", 10],
    ["0.5/s", 0.5],
    ["30/m", 0.5],
    ["36/h", 0.01],
    ["43200/d", 0.5],
  ] as const) {
    expect(read(`lease_rate: ${text}`)?.leasesPerSecond).toBe(perSecond);
  }
  for (const [text, bytes] of [
    ["0", 0],
    ["7", 7],
    ["7B", 7],
    ["2M", 2 * 1024 ** 2],
    ["1.G", 1024 ** 3],
    ["1T", 1024 ** 4],
  ] as const) {
    expect(read(`storage_limit: ${text}`)?.storageBytesMax).toBe(bytes);
  }
  for (const [text, ageMs] of [
    ["1s", 1_000],
    ["1.5m", 90_000],
    ["12h", 43_200_000],
  ] as const) {
    expect(read(`retention: ${text}`)?.retentionMs).toBe(ageMs);
    expect(read(`tombstone: ${text}`)?.tombstoneMs).toBe(ageMs);
  }
  for (const [line, complaint] of [
    ["lease_rate: 10", /^line 5: lease_rate must be a rate such as 10\/s .*got "10"$/],
    ["lease_rate: 0/s", /^line 5: .*got "0\/s"; to hand out nothing, pause the queue/],
    ["lease_rate: 1/d", /^line 5: lease_rate .* from 1\/h to 1000000\/s, got "1\/d"$/],
    ["lease_rate: [1]", /^line 5: lease_rate must be a text, got a list$/],
    ["storage_limit: 12X", /^line 5: storage_limit must be a size such as 120M, got "12X"$/],
    ["storage_limit: 9999999T", /^line 5: storage_limit must be a size/],
    ["retention: 0s", /^line 5: retention must be an age such as .*, above 0 and at most 3660d, got "0s"$/],
    ["retention: 14", /^line 5: retention must be an age .*got "14"$/],
    ["retention: 3661d", /^line 5: retention .* at most 3660d, got "3661d"$/],
    ["tombstone: -1d", /^line 5: tombstone must be an age/],
    ["dead_letter_queue: a", /^line 5: dead_letter_queue of the queue "a" must be another queue$/],
    [
      "dead_letter_queue: bb",
      /^line 5: dead_letter_queue of the queue "a" must be in this file, and "bb" is not$/,
    ],
    ["dead_letter_queue: {b: c}", /^line 5: dead_letter_queue must be a text, got a mapping$/],
  ] as const) {
    expect(complaints(queue(line))).toEqual([expect.stringMatching(complaint)]);
  }
});

test("parseQueueYaml() wants a pull queue for dead letters, and pull queues for what only they have", () => {
  const text = `queue:
- name: a
  mode: pull
  dead_letter_queue: mail
- name: mail
  retention: 7d
  lease_rate: 10/s
`;
  expect(complaints(text)).toEqual([
    "line 7: lease_rate is for pull queues: say mode: pull",
    "line 6: retention is for pull queues: say mode: pull",
    'line 4: dead_letter_queue of the queue "a" must be a pull queue, and "mail" is none: say mode: pull there',
  ]);
});

test("parseQueueYaml() warns of dead letters that go round in a circle, and not of a chain", () => {
  const entry = (name: string, to?: string) =>
    `- name: ${name}\n  mode: pull\n${to === undefined ? "" : `  dead_letter_queue: ${to}\n`}`;
  const warnings = (...entries: string[]) => parseQueueYaml(`queue:\n${entries.join("")}`).warnings;
  expect(warnings(entry("a", "b"), entry("b", "c"), entry("c"))).toEqual([]);
  expect(warnings(entry("a", "b"), entry("b", "c"), entry("c", "b"))).toEqual([
    "queue.yaml, line 7: dead letters go round in a circle: b -> c -> b",
    "queue.yaml, line 10: dead letters go round in a circle: c -> b -> c",
  ]);
});

test("parseQueueYaml() takes names as they are written, and warns of those that App Engine would refuse", () => {
  const { queues, warnings } = parseQueueYaml(
    "queue:\n- {name: 007, mode: pull}\n- {name: my_queue, mode: pull}\n",
  );
  expect([...queues.keys()]).toEqual(["007", "my_queue"]);
  expect(warnings).toEqual([expect.stringMatching(/line 3: the name "my_queue" works here/)]);
});

test("parseQueueYaml() follows aliases, within bounds", () => {
  const shared = `queue:
- name: a
  mode: pull
  acl: &workers
  - user_email: w@example.com
- name: b
  mode: pull
  acl: *workers
`;
  expect(parseQueueYaml(shared).queues.get("b")?.acl?.userEmails).toEqual(["w@example.com"]);
  const entries = Array.from({ length: 1001 }, (_, i) => `- name: q${i}\n  mode: pull\n  acl: *workers\n`);
  expect(() => parseQueueYaml(shared + entries.join(""))).toThrow(/at most 1000 aliases/);
  expect(() => parseQueueYaml("queue: &q\n- *q\n")).toThrow(/cannot be used|aliases/);
});

test("parseQueueYaml() shows 50 complaints and counts the rest", () => {
  const text = `queue:\n${Array.from({ length: 60 }, () => "- {mode: pull}\n").join("")}`;
  expect(complaints(text)).toHaveLength(51);
  expect(complaints(text).at(-1)).toBe("and 10 more");
});

test("docs/operations.md has each key of queue.yaml, and no other", () => {
  const page = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `([\w.]+)` +\| (top|queue) +\|/gm)];
  const documented = (place: string) =>
    new Set(rows.filter((row) => row[2] === place).map((row) => row[1]?.split(".")[0]));
  const knownIn = (text: string) => {
    const [complaint = ""] = complaints(text).filter((line) => line.includes("unknown key"));
    return complaint.split("known are ")[1]?.split(", ") ?? [];
  };
  const pushKeys = new Set(["rate", "bucket_size", "max_concurrent_requests", "target"]);
  expect(new Set(knownIn("x: 1\nqueue: [{name: a}]\n"))).toEqual(documented("top"));
  const entryKeys = knownIn("queue: [{name: a, x: 1}]\n").filter((key) => !pushKeys.has(key));
  expect(new Set(entryKeys)).toEqual(documented("queue"));
});

test("projectOfFile() takes the project given or the file's, and refuses two or none", () => {
  const named = parseQueueYaml("application: s~app\nqueue:\n- {name: a}\n");
  const unnamed = parseQueueYaml("queue:\n- {name: a}\n");
  expect(projectOfFile(named, undefined)).toBe("app");
  expect(projectOfFile(named, "e~app")).toBe("app");
  expect(projectOfFile(unnamed, "p")).toBe("p");
  expect(() => projectOfFile(named, "p")).toThrow(/belongs to the application "app"/);
  expect(() => projectOfFile(unnamed, undefined)).toThrow(/give --project/);
});
