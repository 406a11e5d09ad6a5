import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveConnection } from "../src/connection-options.js";
import type { ConnectionOptions, TransportSettings } from "../src/options.js";
import { formatTransportUrl } from "../src/transport-uri.js";

function resolve(input: unknown): TransportSettings {
  return resolveConnection(input as ConnectionOptions, {});
}

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
    "postgres://u@h:5433/db?sslmode=require&project_name=x&num_tasks=2",
    "postgres://h/db?lease_secs=60",
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

  it("formatTransportUrl() masks the password of a database, and settings do not list its address", () => {
    const url = "postgres://u:s%2Fecret@h/db?schema=s&num_tasks=2";
    const resolved = resolve(url);
    expect(formatTransportUrl(resolved)).toBe("postgres://u:**@h/db?schema=s&num_tasks=2");
    expect(formatTransportUrl(resolved, { includePassword: true })).toBe(url);
    expect(Reflect.get(resolved.settings, "url")).toBe("postgres://u:s%2Fecret@h/db?schema=s");
    expect(JSON.stringify(resolved)).not.toContain("ecret");
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
    const origins = ["http://h", "https://h", "http://h:8085", "http://[::1]:1", "https://h:444"];
    const appEngine = { hrdProject: fc.boolean(), endpoint: fc.constantFrom(...origins) };
    const audience = fc.stringMatching(/^[!-~]+$/);
    const scopes = fc.array(fc.stringMatching(/^[!#-+\--[\]-~]+$/), { minLength: 1, maxLength: 3 });
    const connection = fc.oneof(
      fc.record({
        transport: fc.constant("appengine"),
        transportOptions: fc.oneof(
          options({ ...appEngine, credentialsFile: path, audience, scopes }, ["projectName"]),
          options({ ...appEngine, accessToken: fc.stringMatching(/^[!-~]+$/) }, ["projectName"]),
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
