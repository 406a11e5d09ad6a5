import { expect, test } from "vitest";
import { openPool, schemaOf } from "../../src/stores/postgres-pool.js";

test("schemaOf() refuses a parameter that nobody knows, naming it and those that there are, but not its value", () => {
  const mistyped = () => schemaOf("postgres://u:hunter2@h/db?sslmode=require&shema=private", undefined);
  expect(mistyped).toThrow(/"shema".*schema/);
  expect(mistyped).not.toThrow(/hunter2|private/);
});

test("schemaOf() shows nothing of a password that was not percent-encoded", () => {
  const unencoded = () => schemaOf("postgres://u:12?hunter2=x@h/db", undefined);
  expect(unencoded).toThrow(/percent-encoded/);
  expect(unencoded).not.toThrow(/hunter2/);
});

test("schemaOf() lets the parameters of pg and libpq pass", async () => {
  const url =
    "postgres://h/db?schema=s&sslmode=disable&application_name=a&channel_binding=require&options=-c";
  expect(schemaOf(url, undefined)).toBe("s");
  await (await openPool(url, 1)).end();
});
