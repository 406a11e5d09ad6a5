import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { type OAuthProvider, signInByHttp, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { readCredentials } from "../../src/files/credentials-file.js";
import { withFileLock } from "../../src/files/file-lock.js";
import { LOCK_RETRY_MS } from "../../src/limits.js";
import { TASKQUEUE_SCOPE } from "../../src/scopes.js";
import { Attempt, altered, load, open } from "../support/attempt.js";
import { manualClock } from "../support/manual-clock.js";
import { recordingServer } from "../support/recording-server.js";

let provider: OAuthProvider;

beforeAll(async () => {
  provider = await startOAuthProvider();
});

afterAll(async () => {
  await provider[Symbol.asyncDispose]();
});

describe("signIn()", () => {
  test("signIn() saves credentials that work, for their owner alone, and says whose they are", async () => {
    using attempt = new Attempt(provider);
    const { summary, page } = await attempt.withBrowser();
    expect(summary).toMatchObject({ kind: "user", account: "me@example.com", refreshable: true });
    expect(summary.scopes).toEqual(expect.arrayContaining(["openid", "email", TASKQUEUE_SCOPE]));
    expect(page.status).toBe(200);
    expect(page.text).toContain("You are signed in");
    expect(page.text).toContain("me@example.com");
    expect(attempt.mode()).toBe(0o600);
    const saved = await readCredentials(attempt.credentialsFile);
    if (saved.kind !== "user") throw new Error(saved.kind);
    expect(saved).toMatchObject({ format: "pullqueue", clientId: "desktop", tokenUri: provider.tokenUrl });
    expect(saved.revokeUri).toBe(provider.revocationUrl);
    expect(saved.expiresAtMs).toBeGreaterThan(Date.now() + 3_500_000);
    expect(await provider.introspect(saved.accessToken!)).toMatchObject({ active: true });
    const renewal = { grant_type: "refresh_token", refresh_token: saved.refreshToken! };
    expect((await provider.askForTokens(renewal)).status).toBe(200);
  });

  test("signIn() signs in with a client that has no secret", async () => {
    using attempt = new Attempt(provider, "desktop-public");
    const { summary } = await attempt.withBrowser();
    expect(summary.account).toBe("me@example.com");
  });

  test("signIn() sends the client's secret in the header to who takes it nowhere else", async () => {
    await using strict = await recordingServer(({ headers }, response) => {
      const [scheme, pair = ""] = (headers.authorization ?? "").split(" ");
      if (scheme !== "Basic") return void response.writeHead(401).end('{"error":"invalid_client"}');
      const granted = { access_token: `for-${pair.length}`, refresh_token: "refresh-token" };
      response.end(JSON.stringify(granted));
    });
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: `${strict.origin}/token` });
    await attempt.withBrowser();
    expect(strict.requests.map(({ url }) => url)).toEqual(["/token", "/token"]);
    expect(attempt.written()).toContain("refresh-token");
  });

  test("signIn() counts a token's life from before it was asked for", async () => {
    const clock = manualClock();
    const startMs = clock.nowUs() / 1000;
    await using slow = await recordingServer((_, response) => {
      clock.advance(5000);
      response.end('{"access_token":"a","refresh_token":"r","expires_in":3600}');
    });
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: `${slow.origin}/token` });
    const { summary } = await attempt.withBrowser(open, { clock });
    expect(summary.expiresAtMs).toBe(startMs + 3_600_000);
  });

  test("signIn() asks with PKCE, for a refresh token, and for who it is where that is offered", async () => {
    using attempt = new Attempt(provider);
    attempt.setSecrets({ auth_uri: `${provider.authorizationUrl}?hint=kept` });
    await attempt.withBrowser();
    const { searchParams } = new URL(attempt.address);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      hint: "kept",
      response_type: "code",
      client_id: "desktop",
      redirect_uri: `http://localhost:${attempt.port}`,
      scope: `openid email offline_access ${TASKQUEUE_SCOPE}`,
      code_challenge_method: "S256",
      access_type: "offline",
      prompt: "consent",
    });
    expect(searchParams.get("state")).toMatch(/^[\w-]{43}$/);
    expect(searchParams.get("code_challenge")).toMatch(/^[\w-]{43}$/);
  });

  test("signIn() asks for other scopes where they are given", async () => {
    using attempt = new Attempt(provider);
    const scopes = [`${TASKQUEUE_SCOPE}.consumer`];
    const { summary } = await attempt.withBrowser(open, { scopes });
    expect(summary.scopes).toContain(scopes[0]);
    expect(summary.scopes).not.toContain(TASKQUEUE_SCOPE);
  });

  test("signIn() asks the provider who it is where the ID token does not say", async () => {
    await using discreet = await startOAuthProvider({ emailIn: "userinfo" });
    using attempt = new Attempt(discreet);
    const { summary, page } = await attempt.withBrowser();
    expect(summary.account).toBe("me@example.com");
    expect(page.text).toContain("me@example.com");
  });

  test("signIn() replaces an earlier sign-in, and nobody who renews that one writes over the new", async () => {
    using attempt = new Attempt(provider);
    await attempt.withBrowser();
    const old = attempt.written()!;
    const clock = manualClock();
    const renewal = { clock: systemClock };
    const again = await withFileLock(attempt.credentialsFile, renewal, async () => {
      const signingIn = attempt.withBrowser((address) => openAs(address, "other@example.com"), { clock });
      await Promise.race([signingIn, clock.waitedOn(LOCK_RETRY_MS)]);
      // What a renewal does at its end.
      writeFileSync(attempt.credentialsFile, old);
      return { signingIn };
    });
    clock.advance(LOCK_RETRY_MS);
    expect((await again.signingIn).summary.account).toBe("other@example.com");
    expect(attempt.written()).toContain("other@example.com");
  });
});

describe("signIn() and answers that are not its own", () => {
  test("signIn() refuses an answer with a wrong state, and still takes the true one", async () => {
    using attempt = new Attempt(provider);
    const { summary } = await attempt.withBrowser(async (address) => {
      const back = await signInByHttp(address);
      const strange = [altered(back, "state", "A".repeat(43)), altered(back, "state", "")];
      for (const other of [...strange, new URL("/?error=access_denied", back), new URL("/", back)]) {
        const page = await load(other);
        expect(page.status).toBe(400);
        expect(page.text).toContain("not the answer to the sign-in");
      }
      return await load(back);
    });
    expect(summary.account).toBe("me@example.com");
  });

  test("signIn() takes an answer once: a second use is told so and changes nothing", async () => {
    using attempt = new Attempt(provider);
    const asked = provider.tokenRequests.length;
    const held = provider.holdTokenAnswers();
    const { page } = await attempt.withBrowser(async (address) => {
      const back = await signInByHttp(address);
      const first = load(back);
      await held.reached;
      for (const second of [
        back,
        altered(back, "code", "another"),
        altered(back, "error", "access_denied"),
      ]) {
        const page = await load(second);
        expect(page.status).toBe(410);
        expect(page.text).toContain("used already");
      }
      held.release();
      return await first;
    });
    expect(page.text).toContain("You are signed in");
    expect(provider.tokenRequests.length - asked).toBe(1);
  });

  test("signIn() is over with its answer: the port is closed", async () => {
    using attempt = new Attempt(provider);
    await attempt.withBrowser();
    await expect(fetch(`http://127.0.0.1:${attempt.port}/`)).rejects.toThrow("fetch failed");
    await expect(fetch(`http://[::1]:${attempt.port}/`)).rejects.toThrow("fetch failed");
  });
});

describe("signIn() and its port", () => {
  test("signIn() leads the browser back to the port that was asked for", async () => {
    using attempt = new Attempt(provider);
    const port = await freePort();
    await attempt.withBrowser(open, { port });
    expect(attempt.port).toBe(port);
  });

  test("signIn() says that a port is taken, before anybody is sent to a browser", async () => {
    using attempt = new Attempt(provider);
    await using taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const refused = attempt.signIn({ port });
    await expect(refused).rejects.toMatchObject({ code: "unavailable" });
    await expect(refused).rejects.toThrow(`port ${port} is taken by another program`);
    expect(attempt.address).toBe("");
  });

  test("signIn() uses host, path and port as the client is registered with them", async () => {
    const port = await freePort();
    const redirectUri = `http://127.0.0.1:${port}/callback`;
    await using strict = await startOAuthProvider({ redirectUris: [redirectUri] });
    using attempt = new Attempt(strict);
    attempt.setSecrets({ redirect_uris: ["urn:ietf:wg:oauth:2.0:oob", redirectUri] });
    await attempt.withBrowser();
    expect(new URL(attempt.address).searchParams.get("redirect_uri")).toBe(redirectUri);
  });
});

describe("signIn() that is ended", () => {
  test("signIn() rejects with the signal's reason, before it begins, while it waits and while it asks", async () => {
    using attempt = new Attempt(provider);
    const reason = new Error("enough");
    const early = { signal: AbortSignal.abort(reason), clientSecretsFile: attempt.file("none.json") };
    await expect(attempt.signIn(early)).rejects.toBe(reason);

    const waiting = new AbortController();
    const onAddress = (_: string, { port }: { readonly port: number }) => {
      attempt.port = port;
      setImmediate(() => waiting.abort(reason));
    };
    await expect(attempt.signIn({ signal: waiting.signal, onAddress })).rejects.toBe(reason);
    await expect(fetch(`http://127.0.0.1:${attempt.port}/`)).rejects.toThrow("fetch failed");

    const asking = new AbortController();
    const held = provider.holdTokenAnswers();
    const page = attempt.withBrowser(
      async (address) => {
        const shown = open(address);
        await held.reached;
        asking.abort(reason);
        expect((await shown).text).toContain("It was interrupted.");
        return await shown;
      },
      { signal: asking.signal },
    );
    await expect(page).rejects.toBe(reason);
    held.release();
    expect(attempt.written()).toBeUndefined();
  });

  test("signIn() ends when its time is up, and says what came instead", async () => {
    using attempt = new Attempt(provider);
    const clock = manualClock();
    const wait = (timeoutMs: number) => {
      const ended = attempt.signIn({ clock, timeoutMs });
      return { ended, waits: clock.waitedOn(timeoutMs) };
    };
    const alone = wait(90_000);
    await alone.waits;
    clock.advance(90_000);
    await expect(alone.ended).rejects.toMatchObject({ code: "timeout" });
    await expect(alone.ended).rejects.toThrow("nobody finished the sign-in within 90 s");

    const disturbed = wait(91_000);
    await disturbed.waits;
    await load(`http://127.0.0.1:${attempt.port}/?code=c&state=s`);
    clock.advance(91_000);
    await expect(disturbed.ended).rejects.toThrow("its state was not the one of this");
    expect(attempt.written()).toBeUndefined();
  });

  test("signIn() passes on what its caller throws, and closes the port", async () => {
    using attempt = new Attempt(provider);
    const onAddress = (_: string, { port }: { readonly port: number }) => {
      attempt.port = port;
      throw new RangeError("no room");
    };
    await expect(attempt.signIn({ onAddress })).rejects.toThrow("no room");
    await expect(fetch(`http://127.0.0.1:${attempt.port}/`)).rejects.toThrow("fetch failed");
  });

  test("signIn() opens no browser when told so", async () => {
    using attempt = new Attempt(provider);
    const opened: string[] = [];
    const openBrowser = (address: string) => opened.push(address);
    const onAddress = (address: string) => void open(address);
    await attempt.signIn({ browser: false, openBrowser, onAddress });
    expect(opened).toEqual([]);
  });

  test("signIn() does not mind a browser that cannot be opened", async () => {
    using attempt = new Attempt(provider);
    const onAddress = (address: string) => void open(address);
    const openBrowser = () => {
      throw new Error("no browser");
    };
    expect((await attempt.signIn({ onAddress, openBrowser })).account).toBe("me@example.com");
  });
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

async function openAs(address: string, account: string) {
  return await load(await signInByHttp(address, { account }));
}
