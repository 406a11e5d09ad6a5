import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { SERVE_OPTIONS } from "../src/config-options.js";

async function configFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "config");
  await writeFile(path, text);
  return path;
}

test("loadConfig() without sources gives the defaults, frozen", async () => {
  const config = await loadConfig();
  expect(config).toMatchObject({
    host: "127.0.0.1",
    port: 8085,
    store: "sqlite:.pullqueue/queue.db",
    queues: undefined,
    prefix: "s~",
    logLevel: "info",
    logFormat: "auto",
  });
  expect(Object.isFrozen(config)).toBe(true);
});

test.each(['{"port": 3, "host": "127.0.0.3", "prefix": "e~"}', "port: 3\nhost: 127.0.0.3\nprefix: e~\n"])(
  "loadConfig() takes flags before variables before the file %j",
  async (text) => {
    const config = await loadConfig({
      flags: { port: "1", config: await configFile(text) },
      env: { PULLQUEUE_PORT: "2", PULLQUEUE_HOST: "127.0.0.2" },
    });
    expect([config.port, config.host, config.prefix]).toEqual([1, "127.0.0.2", "e~"]);
  },
);

test("loadConfig() finds the file by PULLQUEUE_CONFIG and takes empty variables as not given", async () => {
  const PULLQUEUE_CONFIG = await configFile("port: 3\n");
  const config = await loadConfig({ env: { PULLQUEUE_CONFIG, PULLQUEUE_PORT: "", PULLQUEUE_PREFIX: "" } });
  expect([config.port, config.prefix]).toEqual([3, ""]);
});

test("loadConfig() tells everything that is wrong at once, naming flag, variable and key", async () => {
  const config = await configFile("port: x\nlogLevel: loud\nkeepAliveMs: -1\ncolour: red\n");
  const flags = { config, store: "redis://h", prefix: "long~", publicUrl: "queues", project: "%" };
  const error: Error = (await loadConfig({ flags }).catch((thrown: Error) => thrown)) as Error;
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(error.message.split("\n").map((line) => line.trim().replace(/got .*/, "got …"))).toEqual([
    "the configuration cannot be used:",
    expect.stringMatching(/config: unknown key "colour"; known are host, port/),
    "--port (PULLQUEUE_PORT, or port in the file): expected a whole number from 0 to 65535, got …",
    expect.stringMatching(/^--store \(PULLQUEUE_STORE, or store in the file\): a store's address is memory:/),
    expect.stringMatching(/^--project \(PULLQUEUE_PROJECT, or project in the file\): a project is/),
    expect.stringMatching(/^--prefix .*: expected a letter and ~/),
    expect.stringMatching(/^--public-url .*: expected the root of a server/),
    "--log-level (PULLQUEUE_LOG_LEVEL, or logLevel in the file): expected silent, error, warn, info, debug, got …",
    "--keep-alive-ms (PULLQUEUE_KEEP_ALIVE_MS, or keepAliveMs in the file): expected a whole number from 1 to 3600000, got …",
  ]);
});

test.each(["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.evil.com", "1270.0.0.1"])(
  "loadConfig() refuses to listen on %s without authentication, and says three ways to go on",
  async (host) => {
    await expect(loadConfig({ flags: { host } })).rejects.toThrow(
      /--host .* does not ask who is calling.*\(1\) listen on 127\.0\.0\.1.* SSH tunnel .*\(2\) make a token .*\(3\)/,
    );
  },
);

test.each(["0.0.0.0", "::", "queues.example.com"])(
  "loadConfig() listens on %s with authentication, over TLS or behind a proxy that speaks it",
  async (host) => {
    const flags = { host, auth: "tokens" };
    await expect(loadConfig({ flags })).rejects.toThrow(
      /--host .* tokens would travel in the clear.*--tls-cert.*--tls-terminated-by-proxy/,
    );
    const proxied = await loadConfig({ flags: { ...flags, tlsTerminatedByProxy: "true" } });
    expect([proxied.host, proxied.auth, proxied.tlsTerminatedByProxy]).toEqual([host, ["tokens"], true]);
    expect((await loadConfig({ flags: { ...flags, tlsCert: "c", tlsKey: "k" } })).tlsCert).toBe("c");
  },
);

test.each([
  [{ tokensFile: "f" }, /--tokens-file .*: belongs to --auth tokens, and --auth is none$/],
  [{ tokensInQuery: "false" }, /--tokens-in-query .*: belongs to --auth, and nobody is asked for a token$/],
  [{ tlsCert: "c" }, /--tls-cert .*: needs --tls-key .* as well$/],
  [{ tlsKey: "k" }, /--tls-key .*: needs --tls-cert .* as well$/],
  [{ auth: "tokens", jwtIssuer: "i" }, /--jwt-issuer .*: belongs to --auth jwt, and --auth is tokens$/],
  [{ auth: "google" }, /^--auth google needs --google-audience .* or --public-url /],
  [{ auth: "tokeninfo" }, /^--auth tokeninfo needs --tokeninfo-audience /],
  [{ auth: "service-accounts", serviceAccounts: "f" }, /^--auth service-accounts needs --public-url /],
  [
    { auth: "jwt", jwtIssuer: "i", jwtAudience: "a" },
    /^--auth jwt needs --jwt-jwks-url .* or --jwt-jwks-file /,
  ],
  [
    { auth: "jwt", jwtIssuer: "i", jwtAudience: "a", jwtJwksUrl: "https://i", jwtJwksFile: "f" },
    /--jwt-jwks-url .*: not together with --jwt-jwks-file /,
  ],
  [
    { auth: "tokens", tlsTerminatedByProxy: "true", tlsCert: "c", tlsKey: "k" },
    /--tls-cert .*: not together with/,
  ],
  [
    { auth: "google", publicUrl: "https://q", roleClaim: "r" },
    /--role-claim .*: belongs to --auth jwt or introspection/,
  ],
  [
    { auth: "tokeninfo", tokeninfoAudience: "c", tokeninfoUrl: "http://far.example.com" },
    /--tokeninfo-url .*: expected a URL with https/,
  ],
  [
    { auth: "jwt", jwtIssuer: "i", jwtAudience: "a", jwtJwksFile: "f", jwtAlgorithms: "RS256,HS256" },
    /--jwt-algorithms .*: expected RS256/,
  ],
  [{ auth: "tokens,tokens" }, /--auth .*: expected each mode once/],
  [{ auth: "none,tokens" }, /--auth .*: expected tokens, service-accounts/],
  [{ auth: "password" }, /--auth .*: expected tokens, service-accounts/],
  [{ auth: "tokens", tokensInQuery: "no" }, /--tokens-in-query .*: expected true or false/],
])("loadConfig() has one complaint about %j", async (flags, complaint) => {
  const error: Error = await loadConfig({ flags }).then(
    () => new Error("accepted"),
    (thrown) => thrown,
  );
  const [title, ...complaints] = error.message.split("\n").map((line) => line.trim());
  expect([title, complaints]).toEqual([
    "the configuration cannot be used:",
    [expect.stringMatching(complaint)],
  ]);
});

test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("loadConfig() listens on %s", async (host) => {
  expect((await loadConfig({ flags: { host } })).host).toBe(host);
});

test.each([
  ["port: [1\n", /config: /],
  ["- a\n", /expected a mapping of options, got a list/],
  ["a: &x 1\nport: *x\n", /aliases \(\*name\) are not followed/],
])("loadConfig() refuses the file %j", async (text, message) => {
  await expect(loadConfig({ flags: { config: await configFile(text) } })).rejects.toThrow(message);
});

test("loadConfig() says which option named a file that cannot be read", async () => {
  await expect(loadConfig({ flags: { config: "/nowhere/config" } })).rejects.toThrow(
    '--config (PULLQUEUE_CONFIG): cannot read "/nowhere/config" (ENOENT)',
  );
});

test("SERVE_OPTIONS: flag, variable and key of each option are the same words", () => {
  for (const [name, { flag, variable }] of Object.entries(SERVE_OPTIONS)) {
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    expect(flag).toBe(`--${words}`);
    expect(variable).toBe(`PULLQUEUE_${words.replaceAll("-", "_").toUpperCase()}`);
  }
});

test.each([
  ["https://pages.example.com", ["https://pages.example.com"]],
  ["https://a.example, http://localhost:3000,*", ["https://a.example", "http://localhost:3000", "*"]],
  [
    ["chrome-extension://abc", "https://b.example:444"],
    ["chrome-extension://abc", "https://b.example:444"],
  ],
])("loadConfig() reads the origins %j", async (corsOrigins, expected) => {
  expect((await loadConfig({ flags: { corsOrigins } })).corsOrigins).toEqual(expected);
});

test.each([
  "https://a.example/",
  "https://A.example",
  "a.example",
  "https://a.example:443",
  "https://*.example",
  "null",
  "x,",
])("loadConfig() refuses the origin %j, which no browser writes so", async (corsOrigins) => {
  await expect(loadConfig({ flags: { corsOrigins } })).rejects.toThrow(
    /--cors-origins \(PULLQUEUE_CORS_ORIGINS, .*: expected origins such as https:\/\/pages\.example\.com, or \*, got/,
  );
});
