import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveConnection } from "../src/connection-options.js";
import { isKombuError } from "../src/errors.js";
import type { ConnectionOptions, TransportSettings } from "../src/options.js";
import { formatTransportUrl } from "../src/transport-uri.js";

const leaseDefaults = {
  leaseMs: 1_800_000,
  pollingIntervalMs: 1000,
  numTasks: undefined,
  holdMsMax: undefined,
};

function resolve(input: unknown, environment: Record<string, string> = {}): TransportSettings {
  return resolveConnection(input as ConnectionOptions, environment);
}

/** The settings of `appengine` with these options, beside a project. */
function appEngine(
  transportOptions: object,
  environment: Record<string, string> = {},
): Record<string, unknown> {
  const { settings } = resolve(
    { transport: "appengine", transportOptions: { projectName: "p", ...transportOptions } },
    environment,
  );
  return settings as unknown as Record<string, unknown>;
}

/** The complaint, which must be `invalid_argument`. */
function complaintAbout(input: unknown, environment: Record<string, string> = {}): string {
  try {
    resolve(input, environment);
  } catch (error) {
    if (isKombuError(error, "invalid_argument")) return error.message;
    throw error;
  }
  return "there was no complaint";
}

describe("resolveConnection() with options", () => {
  it.each(["appengine", "kombu_appengine:Transport"])(
    "resolveConnection() knows the transport as %s",
    (transport) => {
      const options = { projectName: "my_project", numTasks: 15, pollingIntervalMs: 5000 };
      expect(resolve({ transport, transportOptions: options })).toEqual({
        transport: "appengine",
        settings: {
          ...leaseDefaults,
          numTasks: 15,
          pollingIntervalMs: 5000,
          endpoint: "http://127.0.0.1:8085",
          projectName: "my_project",
          projectPrefix: "s~",
          credentialsFile: undefined,
        },
      });
    },
  );

  it("resolveConnection() takes the original's names in the original's units", () => {
    const python = {
      project_name: "p",
      hrd_project: false,
      credentials_file: "/etc/token.json",
      polling_interval: 0.5,
      num_tasks: 3,
      lease_secs: 60,
    };
    const ours = {
      projectName: "p",
      hrdProject: false,
      credentialsFile: "/etc/token.json",
      pollingIntervalMs: 500,
      numTasks: 3,
      leaseMs: 60_000,
    };
    const transport = "appengine";
    expect(resolve({ transport, transportOptions: python })).toEqual(
      resolve({ transport, transportOptions: ours }),
    );
    expect(resolve({ transport, transportOptions: ours }).settings).toMatchObject({
      projectPrefix: "",
      pollingIntervalMs: 500,
      leaseMs: 60_000,
    });
  });

  it.each([
    [{ projectName: "app" }, "app", "s~"],
    [{ projectName: "app", hrdProject: true }, "app", "s~"],
    [{ projectName: "app", hrdProject: false }, "app", ""],
    [{ projectName: "s~app" }, "app", "s~"],
    [{ projectName: "e~app" }, "app", "e~"],
    [{ projectName: "e~app", hrdProject: false }, "app", "e~"],
    [{ projectName: "example.com:app" }, "example.com:app", "s~"],
  ])(
    "resolveConnection() puts s~ before a project that has no prefix, unless told not to: %o",
    (options, projectName, projectPrefix) => {
      expect(appEngine(options)).toMatchObject({ projectName, projectPrefix });
    },
  );

  it("resolveConnection() finds the endpoint in the option, then in the environment, then on this machine", () => {
    const environment = { PULLQUEUE_ENDPOINT: "https://queue.example.com/" };
    expect(appEngine({ endpoint: "http://localhost:1/" }, environment).endpoint).toBe("http://localhost:1");
    expect(appEngine({}, environment).endpoint).toBe("https://queue.example.com");
    expect(appEngine({}, { PULLQUEUE_ENDPOINT: "" }).endpoint).toBe("http://127.0.0.1:8085");
    expect(complaintAbout("appengine:///p", { PULLQUEUE_ENDPOINT: "localhost:8085" })).toContain(
      "the environment variable PULLQUEUE_ENDPOINT must be an address such as https://queue.example.com",
    );
  });

  it.each([
    "queue.example.com",
    "ftp://queue.example.com",
    "https://user:pass@queue.example.com",
    "https://queue.example.com/api",
    "https://queue.example.com?x=1",
    "https://queue.example.com/#x",
  ])("resolveConnection() refuses the endpoint %s", (endpoint) => {
    const input = { transport: "appengine", transportOptions: { projectName: "p", endpoint } };
    expect(complaintAbout(input)).toContain("endpoint must be an address such as");
  });

  it("resolveConnection() gives memory and sqlite their defaults", () => {
    expect(resolve({ transport: "memory" })).toEqual({
      transport: "memory",
      settings: { ...leaseDefaults, name: "", projectName: "default" },
    });
    expect(
      resolve({
        transport: "sqlite",
        transportOptions: { path: "a.db", project_name: "s~x", lease_secs: 5 },
      }),
    ).toEqual({
      transport: "sqlite",
      settings: { ...leaseDefaults, leaseMs: 5000, path: "a.db", projectName: "x" },
    });
  });

  it("resolveConnection() makes all complaints at once and exactly", () => {
    const transportOptions = {
      projectName: "a",
      project_name: "b",
      numTask: 5,
      num_tasks: 0,
      leaseMs: 999,
      polling_interval: "5",
      hrd_project: "false",
      credentialsFile: "",
      accessToken: "",
      holdMsMax: 1.5,
    };
    expect(complaintAbout({ transport: "appengine", transportOptions, acept: [] }).split("; ")).toEqual([
      "a connection has no option acept",
      "projectName and project_name are one option: give only one of them",
      'hrd_project must be true or false, got "false"',
      'credentialsFile must be a path that is not empty, got ""',
      "leaseMs must be a whole number of milliseconds from 1000 to 604800000, got 999",
      'polling_interval must be a number of seconds from 0.01 to 3600, got "5"',
      "num_tasks must be a whole number of tasks from 1 to 1000, got 0",
      "holdMsMax must be a whole number of milliseconds from 1000 to 2147483647, got 1.5",
      "accessToken must be a string of visible ASCII characters, or a function, got something of type string",
      "there is no option numTask (did you mean numTasks?)",
    ]);
  });

  it.each([
    [{ transport: "appengine", transportOptions: {} }, "projectName (or project_name) is missing"],
    [{ transport: "sqlite" }, "path is missing"],
    [{ transport: "appengin" }, 'there is no transport "appengin" (did you mean appengine?)'],
    [{ transport: "constructor" }, "there is no transport"],
    [{}, "transport must be a string without lone surrogates, got nothing"],
    [{ transport: "memory", transportOptions: [] }, "transportOptions must be an object, got an array of 0"],
    [{ transport: "memory", transportOptions: { toString: 1 } }, "there is no option toString"],
    [null, "a connection's options must be an object, got null"],
    [
      { transport: "appengine", transportOptions: { projectName: "a/b" } },
      "projectName must be a project id",
    ],
    [{ transport: "sqlite", transportOptions: { path: "a\0b" } }, "path must be a path"],
    [
      { transport: "memory", transportOptions: { name: "\ud800" } },
      "name must be a string without lone surrogates",
    ],
    [
      { transport: "appengine", transportOptions: { projectName: "p", accessToken: "a\nb" } },
      "visible ASCII",
    ],
  ])("resolveConnection() refuses %o", (input, message) => {
    expect(complaintAbout(input)).toContain(message);
  });

  it("resolveConnection() takes undefined options as absent", () => {
    expect(appEngine({ numTasks: undefined, project_name: undefined, num_tasks: 2 })).toMatchObject({
      numTasks: 2,
    });
  });

  it("resolveConnection() freezes what it gives and shows the token to nobody who does not ask for it", () => {
    const resolved = resolve({
      transport: "appengine",
      transportOptions: { projectName: "p", accessToken: "secret-1" },
    });
    expect(Object.isFrozen(resolved) && Object.isFrozen(resolved.settings)).toBe(true);
    expect(inspect(resolved, { depth: 9 }) + JSON.stringify(resolved)).not.toContain("secret-1");
    expect((resolved.settings as { accessToken?: unknown }).accessToken).toBe("secret-1");
    expect(formatTransportUrl(resolved)).toBe("appengine://:**@127.0.0.1:8085/p");
  });

  it("resolveConnection() never shows a wrong token in its complaint", () => {
    const input = {
      transport: "appengine",
      transportOptions: { projectName: "p", accessToken: ["secret-1"] },
    };
    expect(complaintAbout(input)).not.toContain("secret");
  });
});

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
    const { settings } = resolve(
      "appengine://:a%40b%2Fc%3A%7E@h/e%7Ep?credentials_file=%2Fa%20b.json&hrd_project=False",
    );
    expect(settings).toMatchObject({ projectName: "p", projectPrefix: "e~", credentialsFile: "/a b.json" });
    expect((settings as { accessToken?: unknown }).accessToken).toBe("a@b/c:~");
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
      "sqlite:///a%20b%3F.db?leaseMs=2000&projectName=x",
      { path: "/a b?.db", leaseMs: 2000, projectName: "x" },
    ],
  ])("resolveConnection() reads %s", (url, settings) => {
    expect(resolve(url).settings).toMatchObject(settings);
  });

  it.each([
    [
      "redis://localhost",
      'there is no transport "redis"; there are appengine, appengine+https, appengine+http, memory, sqlite',
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
    ["appengine://h", "projectName (or project_name) is missing"],
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
  ])("resolveConnection() refuses %s", (url, message) => {
    expect(complaintAbout(url)).toContain(message);
  });

  it("resolveConnection() shows no password, however wrong the URL is", () => {
    for (const url of [
      "appengine://:hunter2@h:x/p",
      "appengine://:hunter2@h/p?num_tasks=x",
      "nonsense://:hunter2@h/p",
      "appengine://user:hunter2@h/p",
      "appengine://:hunter2%zz@h/p",
      "appengine://:hunter2@evil@h:p/p#",
    ]) {
      expect(complaintAbout(url)).not.toContain("hunter2");
    }
  });
});

describe("formatTransportUrl()", () => {
  it.each([
    "appengine://127.0.0.1:8085/my_project?num_tasks=15&polling_interval=5",
    "appengine+https://host/e~project",
    "appengine://host:80/project?hrd_project=false&lease_secs=60",
    "appengine://[::1]:8085/p?credentials_file=%2Fa+b.json&holdMsMax=5000",
    "memory://",
    "memory://a%3Ab?project_name=x",
    "sqlite:///absolute/a%20b.db?polling_interval=0.5",
    "sqlite:relative.db",
  ])("formatTransportUrl() gives back %s", (url) => {
    expect(formatTransportUrl(resolve(url))).toBe(url);
  });

  it("formatTransportUrl() masks a token unless asked for it, and leaves out one that is a function", () => {
    const resolved = resolve("appengine+https://:s%2Fecret@host/p");
    expect(formatTransportUrl(resolved)).toBe("appengine+https://:**@host/p");
    expect(formatTransportUrl(resolved, { includePassword: true })).toBe(
      "appengine+https://:s%2Fecret@host/p",
    );
    const transportOptions = { projectName: "p", accessToken: () => "secret" };
    const withFunction = resolve({ transport: "appengine", transportOptions });
    expect(formatTransportUrl(withFunction, { includePassword: true })).toBe("appengine://127.0.0.1:8085/p");
  });

  it("formatTransportUrl() writes what resolveConnection() reads as the same settings", () => {
    const leases = {
      leaseMs: fc.integer({ min: 1000, max: 604_800_000 }),
      pollingIntervalMs: fc.integer({ min: 10, max: 3_600_000 }),
      numTasks: fc.integer({ min: 1, max: 1000 }),
    };
    const path = fc
      .string({ minLength: 1, unit: "grapheme", maxLength: 50 })
      .filter((p) => !p.includes("\0"));
    const project = fc.constantFrom("p", "s~p", "e~p", "example.com:app");
    const options = (record: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[] = []) =>
      fc.record({ ...leases, projectName: project, ...record }, { requiredKeys: requiredKeys as never[] });
    const connection = fc.oneof(
      fc.record({
        transport: fc.constant("appengine"),
        transportOptions: options(
          {
            hrdProject: fc.boolean(),
            credentialsFile: path,
            endpoint: fc.constantFrom(
              "http://h",
              "https://h",
              "http://h:8085",
              "http://[::1]:1",
              "https://h:444",
            ),
            accessToken: fc.stringMatching(/^[!-~]+$/),
          },
          ["projectName"],
        ),
      }),
      fc.record({ transport: fc.constant("memory"), transportOptions: options({ name: fc.string() }) }),
      fc.record({ transport: fc.constant("sqlite"), transportOptions: options({ path }, ["path"]) }),
    );
    fc.assert(
      fc.property(connection, (input) => {
        const resolved = resolve(input);
        const again = resolve(formatTransportUrl(resolved, { includePassword: true }));
        expect(again).toEqual(resolved);
        expect(Reflect.get(again.settings, "accessToken")).toBe(
          Reflect.get(resolved.settings, "accessToken"),
        );
      }),
      { numRuns: 500 },
    );
  });
});
