import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { DISCOVERY_TIMEOUT_MS, ISSUER_DEPTH_MAX } from "../../src/limits.js";
import { describeProvider, type ProviderDescription, scopesToRequest } from "../../src/sign-in/discovery.js";
import { manualClock } from "../support/manual-clock.js";
import { type RecordingServer, recordingServer } from "../support/recording-server.js";

const SILENT: ProviderDescription = {
  scopes: [],
  revocationEndpoint: undefined,
  userinfoEndpoint: undefined,
  bindsCodes: false,
};

const PLACE = "/.well-known/openid-configuration";

/** A host with descriptions at some of its folders; `ORIGIN` in them stands for its own address. */
function host(descriptions: Readonly<Record<string, object>>): Promise<RecordingServer> {
  return recordingServer(({ url = "", headers }, response) => {
    const description = descriptions[url.replace(PLACE, "")];
    if (description === undefined) return void response.writeHead(404).end("{}");
    response.end(JSON.stringify(description).replaceAll("ORIGIN", `http://${headers.host}`));
  });
}

function described(server: RecordingServer, path: string): Promise<ProviderDescription> {
  return describeProvider(`${server.origin}${path}`, { clock: systemClock, signal: undefined });
}

describe("describeProvider()", () => {
  test("describeProvider() finds the issuer that is nearest to the authorization endpoint", async () => {
    await using server = await host({
      "/realms/ours": {
        issuer: "ORIGIN/realms/ours",
        scopes_supported: ["openid", 7, "email"],
        revocation_endpoint: "ORIGIN/revoke",
        userinfo_endpoint: "ORIGIN/me",
        code_challenge_methods_supported: ["plain", "S256"],
      },
      "": { issuer: "ORIGIN", scopes_supported: ["other"] },
    });
    expect(await described(server, "/realms/ours/protocol/auth?x=1")).toEqual({
      scopes: ["openid", "email"],
      revocationEndpoint: `${server.origin}/revoke`,
      userinfoEndpoint: `${server.origin}/me`,
      bindsCodes: true,
    });
    expect(server.requests.map(({ url }) => url)).toEqual([
      `/realms/ours/protocol${PLACE}`,
      `/realms/ours${PLACE}`,
    ]);
    expect((await described(server, "/auth")).scopes).toEqual(["other"]);
  });

  test("describeProvider() asks at the last folders of a deep address, and at its host", async () => {
    await using server = await host({});
    const folders = Array.from({ length: 20 }, (_, index) => `/${index}`);
    expect(await described(server, `${folders.join("")}/auth`)).toEqual(SILENT);
    expect(server.requests).toHaveLength(ISSUER_DEPTH_MAX + 1);
    expect(server.requests.at(-1)?.url).toBe(PLACE);
  });

  test("describeProvider() leaves a description aside that is another's", async () => {
    await using server = await host({
      "/a": { issuer: "https://id.example.com", scopes_supported: ["openid"] },
      "": { issuer: "ORIGIN/b", scopes_supported: ["openid"] },
    });
    expect(await described(server, "/a/auth")).toEqual(SILENT);
  });

  test("describeProvider() takes one that names the endpoint, whatever its issuer is called", async () => {
    await using server = await host({
      "/common": {
        issuer: "{tenant}",
        authorization_endpoint: "ORIGIN/common/auth",
        scopes_supported: ["openid"],
      },
    });
    expect((await described(server, "/common/auth")).scopes).toEqual(["openid"]);
  });

  test("describeProvider() uses no endpoint that tokens must not travel to", async () => {
    await using server = await host({
      "": {
        issuer: "ORIGIN/",
        revocation_endpoint: "http://id.example.com/r",
        userinfo_endpoint: "no address",
      },
    });
    expect(await described(server, "/auth")).toEqual(SILENT);
  });

  test.each([
    ["nonsense", 200, "<html>"],
    ["no object", 200, "null"],
    ["too much", 200, `{"issuer":"${"x".repeat(300_000)}"}`],
    ["an error", 500, '{"authorization_endpoint":"ORIGIN/auth","scopes_supported":["openid"]}'],
  ])("describeProvider() knows nothing from %s", async (_, status, body) => {
    await using server = await recordingServer(({ headers }, response) => {
      response.writeHead(status).end(body.replace("ORIGIN", `http://${headers.host}`));
    });
    expect(await described(server, "/auth")).toEqual(SILENT);
  });

  test("describeProvider() knows nothing from a host that is not there, or leads elsewhere", async () => {
    await using elsewhere = await recordingServer((_, response) => void response.end("{}"));
    await using server = await recordingServer((_, response) => {
      response.writeHead(302, { location: elsewhere.origin }).end();
    });
    expect(await described(server, "/auth")).toEqual(SILENT);
    expect(elsewhere.requests.map(({ url }) => url)).toEqual([]);
    const absent = describeProvider("http://127.0.0.1:1/auth", { clock: systemClock, signal: undefined });
    expect(await absent).toEqual(SILENT);
  });

  test("describeProvider() does not wait long, and rejects with the signal's reason", async () => {
    await using silent = await recordingServer(() => {});
    const clock = manualClock();
    const late = describeProvider(`${silent.origin}/auth`, { clock, signal: undefined });
    await clock.waitedOn(DISCOVERY_TIMEOUT_MS);
    clock.advance(DISCOVERY_TIMEOUT_MS);
    expect(await late).toEqual(SILENT);

    const controller = new AbortController();
    const ended = describeProvider(`${silent.origin}/auth`, { clock, signal: controller.signal });
    controller.abort("enough");
    await expect(ended).rejects.toBe("enough");
  });
});

describe("scopesToRequest()", () => {
  test("scopesToRequest() adds who it is and lasting access where they are offered, each once", () => {
    const offers = (...scopes: string[]) => ({ ...SILENT, scopes });
    expect(scopesToRequest(["tasks"], SILENT)).toEqual(["tasks"]);
    expect(scopesToRequest(["tasks"], offers("profile", "openid"))).toEqual(["openid", "tasks"]);
    expect(scopesToRequest(["tasks", "email", "tasks"], offers("offline_access", "email", "openid"))).toEqual(
      ["openid", "email", "offline_access", "tasks"],
    );
  });
});
