import { expect, test } from "vitest";
import { applyFields, compileFields } from "../src/fields.js";
import { SCHEMAS } from "../src/schemas.js";

const LIST = {
  kind: "taskqueue#tasks",
  items: [
    { kind: "taskqueues#task", id: "a", tag: "t", retry_count: 1 },
    { kind: "taskqueues#task", id: "b", retry_count: 2 },
  ],
};
const QUEUE = {
  kind: "taskqueues#taskqueue",
  id: "q",
  stats: { totalTasks: 1, oldestTask: "5" },
  acl: { consumerEmails: ["a@b"], producerEmails: [] },
};

test.each([
  ["kind", { kind: "taskqueue#tasks" }],
  ["items", { items: LIST.items }],
  ["kind,items/id", { kind: "taskqueue#tasks", items: [{ id: "a" }, { id: "b" }] }],
  [
    "items(id,tag)",
    {
      items: [{ id: "a", tag: "t" }, { id: "b" }],
    },
  ],
  ["items(id),items/tag", { items: [{ id: "a", tag: "t" }, { id: "b" }] }],
  ["items/id,items", { items: LIST.items }],
  ["items/*", { items: LIST.items }],
  ["*", LIST],
  ["*/id", { items: [{ id: "a" }, { id: "b" }] }],
  ["*(id,retry_count)", { items: LIST.items.map(({ id, retry_count }) => ({ id, retry_count })) }],
  ["items/payloadBase64", { items: [{}, {}] }],
])("compileFields(%j) selects from a lease's answer", (fields, expected) => {
  expect(applyFields(compileFields(fields, SCHEMAS.Tasks), LIST)).toEqual(expected);
});

test.each([
  ["stats/totalTasks", { stats: { totalTasks: 1 } }],
  ["stats(totalTasks,oldestTask),id", { id: "q", stats: QUEUE.stats }],
  ["acl/*", { acl: QUEUE.acl }],
  ["acl/consumerEmails", { acl: { consumerEmails: ["a@b"] } }],
  ["*/totalTasks", { stats: { totalTasks: 1 } }],
  ["maxLeases", {}],
])("compileFields(%j) selects from a queue", (fields, expected) => {
  expect(applyFields(compileFields(fields, SCHEMAS.TaskQueue), QUEUE)).toEqual(expected);
});

test("compileFields() reaches into the outcomes of a batch", () => {
  const batch = { kind: "x", items: [{ task: { id: "a", tag: "t" } }, { error: { code: 400, errors: [] } }] };
  const mask = compileFields("items(task/id,error/code)", SCHEMAS.BatchResult);
  expect(applyFields(mask, batch)).toEqual({ items: [{ task: { id: "a" } }, { error: { code: 400 } }] });
});

test.each([
  ["x", "x"],
  ["items/x", "items/x"],
  ["items(id,x)", "items/x"],
  ["kind/x", "kind/x"],
  ["*/x", "*/x"],
  ["items/*/x", "items/*/x"],
  ["", ""],
  [",", ","],
  ["kind,", "kind,"],
  ["items(", "items("],
  ["items()", "items()"],
  ["items(id", "items(id"],
  ["items(id))", "items(id))"],
  ["items/", "items/"],
  ["/kind", "/kind"],
  ["kind items", "kind items"],
  ["items(id)/tag", "items(id)/tag"],
  ["constructor", "constructor"],
  ["__proto__", "__proto__"],
  ["**", "**"],
])("compileFields(%j) is refused as the selection %j", (fields, shown) => {
  expect(() => compileFields(fields, SCHEMAS.Tasks)).toThrow(
    expect.objectContaining({
      code: "invalid_argument",
      message: `Invalid field selection ${shown}`,
      location: "fields",
      reason: "invalidParameter",
    }),
  );
});

test("compileFields() ends quickly on the deepest and the widest selectors", () => {
  for (const fields of ["a(".repeat(1000), "*(".repeat(1000), "*/".repeat(999), "a,".repeat(5000)]) {
    expect(() => compileFields(fields, SCHEMAS.Tasks)).toThrow(/field selection|at most 2000/);
  }
});
