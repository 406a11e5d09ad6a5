import { describe, expect, test } from "vitest";
import { isQueueError } from "../src/errors.js";
import { BASE_PATH, buildPath, matchRoute, ROUTES, type RouteName } from "../src/routes.js";

const NAMES = Object.keys(ROUTES) as RouteName[];

/** Names with whatever a path could break on. */
const AWKWARD = [
  "plain",
  "with space",
  "a/b//c",
  "100%",
  "%2F",
  "a:purge",
  "tasks:batchInsert",
  "?q=1&x#y",
  "näme-列-🚀",
  "~tilde",
  "+",
  "lease",
];

describe("buildPath() and matchRoute()", () => {
  test.each(NAMES)("%s is found again at the path that is built for it, whatever the names", (name) => {
    for (const value of AWKWARD) {
      const parameters = {
        project: "s~my-app",
        ...(ROUTES[name].path.includes("{taskqueue}") ? { taskqueue: value } : {}),
        ...(ROUTES[name].path.includes("{task}") ? { task: "a-task_1" } : {}),
      };
      const path = buildPath(name, parameters);
      expect(new URL(path, "http://h").pathname).toBe(path);
      expect(matchRoute(ROUTES[name].method, path)).toEqual({ kind: "route", name, parameters });
    }
  });

  test("buildPath() leaves the tilde of a project's prefix as it is, and takes legacy projects with a domain", () => {
    expect(buildPath("taskqueues.get", { project: "s~example.com:app", taskqueue: "q" })).toBe(
      `${BASE_PATH}s~example.com%3Aapp/taskqueues/q`,
    );
    expect(matchRoute("GET", `${BASE_PATH}example.com:app/taskqueues/q`)).toMatchObject({
      name: "taskqueues.get",
      parameters: { project: "example.com:app" },
    });
  });

  test("buildPath() refuses to leave a parameter out", () => {
    expect(() => buildPath("tasks.get", { project: "p", taskqueue: "q" })).toThrow(/tasks.get needs.*task/);
  });
});

describe("matchRoute()", () => {
  const q = `${BASE_PATH}p/taskqueues/q`;

  test("tells a task called lease from the verb by the method", () => {
    expect(matchRoute("POST", `${q}/tasks/lease`)).toMatchObject({ name: "tasks.lease" });
    expect(matchRoute("GET", `${q}/tasks/lease`)).toMatchObject({
      name: "tasks.get",
      parameters: { task: "lease" },
    });
  });

  test("says which methods a path has, each once", () => {
    expect(matchRoute("PUT", `${q}/tasks/lease`)).toEqual({
      kind: "method_not_allowed",
      allow: ["POST", "GET", "PATCH", "DELETE"],
    });
    expect(matchRoute("GET", `${q}:purge`)).toEqual({ kind: "method_not_allowed", allow: ["POST"] });
  });

  test.each([
    "/",
    "/taskqueue/v1beta2/projects",
    `${BASE_PATH}p`,
    `${BASE_PATH}/taskqueues/q`,
    `${q}/`,
    `${q}/tasks/`,
    `${q}/tasks/a/b`,
    `${q}/tasks:unknownVerb`,
    `${q}:unknownVerb`,
    `${q}/Tasks`,
    `${BASE_PATH}p/taskqueues/:purge`,
  ])("finds nothing at %s", (path) => {
    expect(matchRoute("POST", path)).toEqual({ kind: "not_found" });
  });

  test.each(["%", "%zz", "%ff", "%E0%A4%A"])(
    "refuses a name that is not percent-encoded UTF-8: %s",
    (name) => {
      const call = () => matchRoute("GET", `${BASE_PATH}p/taskqueues/${name}`);
      expect(call).toThrow(expect.objectContaining({ code: "invalid_argument" }));
      expect(call).toThrow(/percent-encoded/);
    },
  );

  test("the complaint about a bad name never repeats all of it", () => {
    try {
      matchRoute("GET", `${BASE_PATH}p/taskqueues/%${"z".repeat(5_000)}`);
      expect.unreachable();
    } catch (error) {
      expect(isQueueError(error, "invalid_argument")).toBe(true);
      expect((error as Error).message.length).toBeLessThan(250);
    }
  });
});
