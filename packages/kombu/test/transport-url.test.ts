import { describe, expect, it } from "vitest";
import { resolveConnection } from "../src/connection-options.js";
import { isKombuError } from "../src/errors.js";
import type { ConnectionOptions, TransportSettings } from "../src/options.js";

function resolve(input: unknown): TransportSettings {
  return resolveConnection(input as ConnectionOptions, {});
}

/** The complaint, which must be `invalid_argument`. */
function complaintAbout(input: unknown): string {
  try {
    resolve(input);
  } catch (error) {
    if (isKombuError(error, "invalid_argument")) return error.message;
    throw error;
  }
  return "there was no complaint";
}

describe("resolveConnection() with a URL", () => {
  it("resolveConnection() reads host, project and typed options", () => {
    expect(resolve("appengine://127.0.0.1:8085/my_project?num_tasks=15&polling_interval=5")).toEqual(
      resolve({
        transport: "appengine",
        transportOptions: {
          endpoint: "http://127.0.0.1:8085",
          projectName: "my_project",
          numTasks: 15,
          pollingIntervalMs: 5000,
        },
      }),
    );
    expect(resolve(new URL("appengine://host:1/p"))).toEqual(resolve("appengine://host:1/p"));
  });

  it.each([
    ["appengine://localhost/p", "http://localhost:8085"],
    ["APPENGINE://localhost/p", "http://localhost:8085"],
    ["appengine+http://localhost:80/p", "http://localhost"],
    ["appengine+https://host/p", "https://host"],
    ["appengine+https://host:8443/p", "https://host:8443"],
    ["appengine://[::1]/p", "http://[::1]:8085"],
    ["appengine+https://[2001:db8::1]:444/p", "https://[2001:db8::1]:444"],
    ["appengine:///p", "http://127.0.0.1:8085"],
  ])("resolveConnection() finds in %s the endpoint %s", (url, endpoint) => {
    expect(resolve(url).settings).toMatchObject({ endpoint, projectName: "p" });
  });

  it("resolveConnection() decodes percent signs in project, token and options", () => {
    const { settings } = resolve("appengine://:a%40b%2Fc%3A%7E@h/e%7Ep?hrd_project=False");
    expect(settings).toMatchObject({ projectName: "p", projectPrefix: "e~" });
    expect((settings as { accessToken?: unknown }).accessToken).toBe("a@b/c:~");
    expect(resolve("appengine://h/p?credentials_file=%2Fa%20b.json").settings).toMatchObject({
      credentialsFile: "/a b.json",
    });
  });

  it("resolveConnection() takes what stands before the last @ for the token, so that no part of it becomes a host", () => {
    const { settings } = resolve("appengine://:se@cret@host:1/p");
    expect(settings).toMatchObject({ endpoint: "http://host:1" });
    expect((settings as { accessToken?: unknown }).accessToken).toBe("se@cret");
  });

  it("resolveConnection() takes the project from the query when the path has none, in either spelling", () => {
    for (const name of ["project_name", "projectName"]) {
      expect(resolve(`appengine://h/?${name}=p`).settings).toMatchObject({ projectName: "p" });
      expect(complaintAbout(`appengine://h/p?${name}=p`)).toMatch(/given twice|are one option/);
    }
  });

  it.each([
    ["memory://", { name: "" }],
    ["memory:", { name: "" }],
    ["memory://tests", { name: "tests" }],
    ["memory://a%3Ab?num_tasks=2", { name: "a:b", numTasks: 2 }],
    ["sqlite:///absolute/path.db", { path: "/absolute/path.db" }],
    ["sqlite:relative.db", { path: "relative.db" }],
    [
      "postgres://u:p%40@h:5432/db?sslmode=require&num_tasks=3&schema=s&project_name=x",
      { numTasks: 3, projectName: "x" },
    ],
    [
      "sqlite:///a%20b%3F.db?leaseMs=2000&projectName=x",
      { path: "/a b?.db", leaseMs: 2000, projectName: "x" },
    ],
  ])("resolveConnection() reads %s", (url, settings) => {
    expect(resolve(url).settings).toMatchObject(settings);
  });

  it.each([
    [
      "kafka://localhost",
      'there is no transport "kafka"; there are appengine, appengine+https, appengine+http, memory, sqlite, postgres',
    ],
    ["appengin://h/p", "(did you mean appengine?)"],
    ["sqllite:///a.db", "(did you mean sqlite?)"],
    ["my_project", "a connection URL looks like appengine://host:port/project"],
    ["appengine://h/p#x", "no #"],
    ["appengine://h:port/p", "a connection URL looks like"],
    ["appengine://h:123456/p", "a connection URL looks like"],
    ["appengine://::1/p", "a connection URL looks like"],
    [`memory://${"x".repeat(5000)}`, "at most 4096 characters"],
    ["appengine://h/%zz", "a % that is not followed by two hex digits"],
    ["appengine:p", "the scheme must be followed by //"],
    ["appengine://user@h/p", "a token stands after a colon"],
    ["appengine+https:///p", "the host is missing"],
    ["appengine://:99/p", "the host is missing"],
    ["appengine://h:99999/p", "endpoint must be an address"],
    [
      "appengine://h",
      "projectName (or project_name) is missing; in a URL it is the path: appengine://host:port/PROJECT",
    ],
    ["appengine://h/a/b", "projectName must be a project id"],
    ["appengine://h/p?accessToken=x", "accessToken does not stand in the query of a URL"],
    ["appengine://h/p?endpoint=http://x", "endpoint does not stand in the query"],
    ["appengine://h/p?num_tasks=1&num_tasks=2", "num_tasks is given twice"],
    ["appengine://h/p?num_tasks=1&numTasks=2", "numTasks and num_tasks are one option"],
    [
      "appengine://h/p?num_tasks=many",
      'num_tasks must be a whole number of tasks from 1 to 1000, got "many"',
    ],
    ["appengine://h/p?num_tasks=1e2", 'got "1e2"'],
    ["appengine://h/p?hrd_project=maybe", 'hrd_project must be true or false, got "maybe"'],
    ["appengine://h/p?visibility_timeout=5", "there is no option visibility_timeout"],
    ["memory://a/b", "expected memory:// or memory://name"],
    ["memory://u:p@a", "expected memory:// or memory://name"],
    ["sqlite://relative.db", "expected sqlite:///absolute/path.db or sqlite:relative.db"],
    ["sqlite:", "path is missing"],
    ["postgres://h/db?url=postgres://h", "url does not stand in the query"],
    ["postgres:h/db", "url must be an address such as postgres://"],
  ])("resolveConnection() refuses %s", (url, message) => {
    expect(complaintAbout(url)).toContain(message);
  });

  it("resolveConnection() shows no password, however wrong the URL is", () => {
    for (const url of [
      "appengine://:hunter2@h:x/p",
      "appengine://:hunter2@h/p?num_tasks=x",
      "nonsense://:hunter2@h/p",
      "appengine://user:hunter2@h/p",
      "postgres://user:hunter2@h/db?num_tasks=x",
      "postgres:user:hunter2@h/db",
      "appengine://:hunter2%zz@h/p",
      "appengine://:hunter2@evil@h:p/p#",
    ]) {
      expect(complaintAbout(url)).not.toContain("hunter2");
    }
  });
});
