import { expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "./support.js";

test("answers are indented by one space unless prettyPrint=false", async () => {
  const { call, insert } = openApi();
  await insert();
  expect((await call("GET", QUEUE)).text).toMatch(/^\{\n "kind"/);
  expect((await call("GET", `${QUEUE}?prettyPrint=true`)).text).toMatch(/^\{\n "kind"/);
  expect((await call("GET", `${QUEUE}?prettyPrint=false`)).text).toMatch(/^\{"kind":/);
  expect((await call("GET", `p/taskqueues/none?prettyPrint=false`)).text).toMatch(/^\{"error":\{"errors"/);
});

test("fields selects from every method's answer", async () => {
  const { call, insert } = openApi();
  const { id } = await insert();
  const paths: readonly (readonly [string, string, unknown?])[] = [
    ["GET", `${QUEUE}?fields=kind`],
    ["GET", `${QUEUE}/tasks?fields=kind`],
    ["POST", `${QUEUE}/tasks?fields=kind`, { payloadBase64: "" }],
    ["GET", `${QUEUE}/tasks/${id}?fields=kind`],
    ["POST", `${QUEUE}/tasks/lease?numTasks=9&leaseSecs=60&fields=kind`],
    ["PATCH", `${QUEUE}/tasks/${id}?newLeaseSeconds=5&fields=kind`, { queueName: "q" }],
  ];
  for (const [method, path, body] of paths) {
    expect(Object.keys((await call(method, path, body)).json), path).toEqual(["kind"]);
  }
});

test("fields=items leaves an empty answer empty", async () => {
  const { call } = openApi();
  const { json } = await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1&fields=items`);
  expect(json).toEqual({});
});

test("a wrong fields selector is refused before anything is leased", async () => {
  const { call, insert, lease } = openApi();
  await insert();
  const answer = await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1&fields=items/nope`);
  expect(refusal(answer)).toEqual([400, "invalidParameter", "fields"]);
  expect(answer.json.error.message).toBe("Invalid field selection items/nope");
  expect((await lease())[0]?.retry_count).toBe(1);
});

test.each([
  ["alt=json", 200],
  ["alt=media", 400],
  ["alt=", 400],
  [`quotaUser=${"x".repeat(40)}`, 200],
  [`quotaUser=${"x".repeat(41)}`, 400],
  ["prettyPrint=yes", 400],
  ["key=K&oauth_token=T&access_token=T&userIp=127.0.0.1", 200],
  ["key=K&key=K", 400],
  ["callback=f", 400],
  ["$unknown=1&numTasks=x", 200],
])("the standard parameters %s are answered with %i", async (query, status) => {
  const { call, insert } = openApi();
  await insert();
  const answer = await call("GET", `${QUEUE}?${query}`);
  expect(answer.status).toBe(status);
  if (status === 400) expect(refusal(answer)[1]).toBe("invalidParameter");
});
