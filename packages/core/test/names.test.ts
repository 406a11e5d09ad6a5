import { describe, expect, test } from "vitest";
import { checkQueueNameRule, parseFullQueueName, parseProject, projectWithPrefix } from "../src/names.js";

describe("parseProject()", () => {
  test.each([
    ["my-app", "my-app"],
    ["s~my-app", "my-app"],
    ["e~my-app", "my-app"],
    ["example.com:app", "example.com:app"],
    ["s~example.com:app", "example.com:app"],
    ["my_project", "my_project"],
    ["7", "7"],
    ["x".repeat(255), "x".repeat(255)],
  ])("takes %s", (text, project) => {
    expect(parseProject(text)).toBe(project);
  });

  test.each([
    "",
    "s~",
    "s~s~app",
    "S~app",
    "ss~app",
    "-app",
    "app-",
    "a/b",
    "a b",
    "äpp",
    "app\n",
    "x".repeat(256),
  ])("refuses %j with what it expects", (text) => {
    expect(() => parseProject(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "project" }),
    );
  });

  test("projectWithPrefix() puts back what it takes off", () => {
    expect(projectWithPrefix(parseProject("s~app"), "s~")).toBe("s~app");
    expect(projectWithPrefix("app", "")).toBe("app");
  });
});

describe("parseFullQueueName()", () => {
  test.each([
    ["projects/s~app/taskqueues/q", { project: "app", queue: "q" }],
    ["projects/app/taskqueues/q", { project: "app", queue: "q" }],
    ["projects/app/taskqueues/a/b c", { project: "app", queue: "a/b c" }],
    ["q", { project: undefined, queue: "q" }],
    ["projects/app", { project: undefined, queue: "projects/app" }],
    ["projects/app/taskqueues/", { project: undefined, queue: "projects/app/taskqueues/" }],
  ])("takes %s apart", (name, parts) => {
    expect(parseFullQueueName(name)).toEqual(parts);
  });

  test("takes a queue apart whose name is itself in the full form", () => {
    const inner = "projects/x/taskqueues/y";
    expect(parseFullQueueName(`projects/app/taskqueues/${inner}`)).toEqual({ project: "app", queue: inner });
  });
});

describe("checkQueueNameRule()", () => {
  test.each([
    "q",
    "pull-queue",
    "a/b",
    "a b",
    "100%",
    "列-🚀",
    "_kombu.binding",
    "...",
    "é".repeat(127),
    "x".repeat(255),
  ])("takes %s", (name) => {
    expect(checkQueueNameRule(name)).toBe(name);
  });

  test.each([
    "",
    ".",
    "..",
    "a\nb",
    "\u0000",
    "\u007f",
    "\u0085",
    "\ud800",
    "é".repeat(128),
    "x".repeat(256),
  ])("refuses %j, naming the parameter", (name) => {
    expect(() => checkQueueNameRule(name)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "taskqueue" }),
    );
  });
});
