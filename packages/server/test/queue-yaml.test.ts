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
- {name: plain, mode: pull}
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
  const { project, queues, warnings } = parseQueueYaml(GOOD);
  expect(project).toBe("my-app");
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
    ["plain", DEFAULT_QUEUE_SETTINGS],
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
    "line 6: rate must not be specified for a pull queue",
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

test("projectOfFile() takes the project given or the file's, and refuses two or none", () => {
  const named = parseQueueYaml("application: s~app\nqueue:\n- {name: a}\n");
  const unnamed = parseQueueYaml("queue:\n- {name: a}\n");
  expect(projectOfFile(named, undefined)).toBe("app");
  expect(projectOfFile(named, "e~app")).toBe("app");
  expect(projectOfFile(unnamed, "p")).toBe("p");
  expect(() => projectOfFile(named, "p")).toThrow(/belongs to the application "app"/);
  expect(() => projectOfFile(unnamed, undefined)).toThrow(/give --project/);
});
