import { inspect } from "node:util";
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
          leaseRenewal: "thread",
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
      settings: { ...leaseDefaults, leaseRenewal: "thread", leaseMs: 5000, path: "a.db", projectName: "x" },
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
      tokenSource: { token: "very-secret" },
      audience: "two words",
      scopes: ["a b"],
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
      'audience must be a string of visible characters, such as the address of the server, got "two words"',
      "scopes must be an array of OAuth scopes, at least one, got an array of 1",
      "tokenSource must be an object with a method getAccessToken, got something of type object",
      "accessToken must be a string of visible ASCII characters, or a function, got something of type string",
      "there is no option numTask (did you mean numTasks?)",
    ]);
  });

  it.each([
    [{ transport: "appengine", transportOptions: {} }, "projectName (or project_name) is missing"],
    [{ transport: "sqlite" }, "path is missing"],
    [
      {
        transport: "appengine",
        transportOptions: { projectName: "p", accessToken: "t", credentials_file: "f" },
      },
      "accessToken and credentialsFile both say where tokens come from: give only one of them",
    ],
    [
      {
        transport: "appengine",
        transportOptions: { projectName: "p", tokenSource: { getAccessToken() {} }, credentialsFile: "f" },
      },
      "tokenSource and credentialsFile both say where tokens come from: give only one of them",
    ],
    [
      {
        transport: "appengine",
        transportOptions: { projectName: "p", accessToken: "t", tokenSource: { getAccessToken() {} } },
      },
      "accessToken and tokenSource both say where tokens come from: give only one of them",
    ],
    [
      {
        transport: "appengine",
        transportOptions: { projectName: "p", accessToken: "t", audience: "https://h", scopes: ["s"] },
      },
      "audience is for credentials, and accessToken gives the token itself: leave one out; scopes is for credentials",
    ],
    [
      { transport: "appengine", transportOptions: { projectName: "p", tokenSource: "very-secret" } },
      "tokenSource must be an object with a method getAccessToken, got something of type string",
    ],
    [
      { transport: "appengine", transportOptions: { projectName: "p", scopes: [] } },
      "scopes must be an array of OAuth scopes, at least one, got an array of 0",
    ],
    [{ transport: "appengin" }, 'there is no transport "appengin" (did you mean appengine?)'],
    [{ transport: "constructor" }, "there is no transport"],
    [{}, "transport must be a string without lone surrogates, got nothing"],
    [{ transport: "memory", transportOptions: [] }, "transportOptions must be an object, got an array of 0"],
    [{ transport: "memory", transportOptions: { toString: 1 } }, "there is no option toString"],
    [null, "a connection needs a URL, such as redis://localhost:6379/0, or an object of options, got null"],
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

  it("resolveConnection() keeps a token source from those who look, and scopes from those who change them", () => {
    const tokenSource = { getAccessToken: async () => "secret-1", secret: "secret-1" };
    const { settings } = resolve({
      transport: "appengine",
      transportOptions: { projectName: "p", tokenSource },
    });
    expect(inspect(settings, { depth: 9 }) + JSON.stringify(settings)).not.toContain("secret");
    expect(Reflect.get(settings, "tokenSource")).toBe(tokenSource);
    const scopes = ["a"];
    const { settings: other } = resolve({
      transport: "appengine",
      transportOptions: { projectName: "p", scopes },
    });
    scopes.push("b");
    expect(other).toMatchObject({ scopes: ["a"] });
  });

  it("resolveConnection() never shows a wrong token in its complaint", () => {
    const input = {
      transport: "appengine",
      transportOptions: { projectName: "p", accessToken: ["secret-1"] },
    };
    expect(complaintAbout(input)).not.toContain("secret");
  });
});
