import { existsSync, readFileSync, statSync } from "node:fs";
import { signIn } from "@pullqueue/auth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserPage, startBrowser, type TestBrowser } from "../src/browser.js";
import { type OAuthProvider, startOAuthProvider } from "../src/oauth-provider.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";
import { pullqueue, recordingBrowser, startLogin } from "./support/signing-in.js";

/** A person signs in with a real browser at a real authorization server; each sign-in has a browser of its own, that nobody is signed in with. */

/** How long a test may take, in milliseconds: a browser and two processes, on a busy machine. */
const TEST_MS = 180_000;

/** How long a process may take to end, in milliseconds. */
const END_MS = 30_000;

const folder = temporaryFolder();
let provider: OAuthProvider;
let secrets: string;

beforeAll(async () => {
  provider = await startOAuthProvider();
  secrets = provider.writeClientSecrets(folder.file("client_secrets.json"));
});

afterAll(async () => {
  await provider?.[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Opens the address and signs in; the page is the one that asks for consent. */
async function atConsent(browser: TestBrowser, address: string): Promise<BrowserPage> {
  const page = await browser.open(address);
  await page.fill("E-mail", "me@example.com");
  await page.click("Sign in");
  await page.heading(/Allow access/);
  return page;
}

describe.skipIf(isMissing("chromium"))("pullqueue auth login in a browser", { timeout: TEST_MS }, () => {
  test("auth login opens the browser; consent ends with a page in plain words and a private file", async () => {
    const credentials = folder.file("credentials.json");
    const { program, calledWith } = recordingBrowser(folder);
    await using login = await startLogin(folder, [secrets, credentials], { BROWSER: program });
    await expect.poll(calledWith, { timeout: END_MS }).toBe(login.address);
    await using browser = await startBrowser();
    const page = await atConsent(browser, login.address);
    expect(await page.text()).toContain("https://www.googleapis.com/auth/taskqueue");
    await page.click("Allow");
    await page.heading(/^You are signed in$/);
    expect(await page.text()).toMatch(/me@example\.com.*close this window/s);
    expect(page.complaints).toEqual([]);
    expect(new URL(page.address()).hostname).toMatch(/^(?:127\.0\.0\.1|localhost)$/);
    await login.child.line(/signed in as me@example\.com/, END_MS);
    expect(await login.child.exited(END_MS)).toEqual({ code: 0, signal: null });
    expect(statSync(credentials).mode & 0o777).toBe(0o600);
    const written = JSON.parse(readFileSync(credentials, "utf8"));
    expect(written).toMatchObject({ type: "authorized_user", token_uri: provider.tokenUrl });
    expect(await provider.introspect(written.access_token)).toMatchObject({ email: "me@example.com" });
    const status = await pullqueue(folder, ["auth", "status", credentials, "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({ account: "me@example.com" });
    expect(status.stdout).not.toContain(written.refresh_token);
  });

  test.each(["the first page", "the page that asks for consent"])(
    "auth login says on its page and in the terminal that Cancel was clicked on %s, and writes nothing",
    async (where) => {
      const credentials = folder.file("denied.json");
      await using login = await startLogin(folder, [secrets, credentials]);
      await using browser = await startBrowser();
      const page =
        where === "the first page"
          ? await browser.open(login.address)
          : await atConsent(browser, login.address);
      await page.click("Cancel");
      await page.heading(/^The sign-in failed$/);
      expect(await page.text()).toMatch(/Access was denied in the browser, so nothing was saved/);
      // Beside the status of the page itself, which Chromium counts as an error.
      expect(page.complaints.filter((complaint) => !complaint.includes("status of 400"))).toEqual([]);
      await login.child.line(/access was denied in the browser/, END_MS);
      expect((await login.child.exited(END_MS)).code).toBe(1);
      expect(existsSync(credentials)).toBe(false);
    },
  );

  test("auth login --no-browser takes the address at which a browser of another machine ended", async () => {
    using elsewhere = temporaryFolder();
    const credentials = folder.file("pasted.json");
    const { program, calledWith } = recordingBrowser(elsewhere);
    await using login = await startLogin(folder, [secrets, credentials, "--no-browser"], {
      BROWSER: program,
    });
    await using browser = await startBrowser({ reachableOrigins: [provider.issuer] });
    const page = await atConsent(browser, login.address);
    await page.click("Allow");
    await expect.poll(() => page.address(), { timeout: END_MS }).toContain("code=");
    login.child.write("https://example.com/?code=somebody-elses&state=unknown");
    await login.child.line(/belongs to another sign-in/, END_MS);
    login.child.write(page.address());
    await login.child.line(/signed in as me@example\.com/, END_MS);
    expect((await login.child.exited(END_MS)).code).toBe(0);
    expect(calledWith()).toBeUndefined();
    expect(existsSync(credentials)).toBe(true);
  });

  test("signIn() shows a page that says so when the redirect is opened again", async () => {
    const held = provider.holdTokenAnswers();
    await using browser = await startBrowser();
    let tell = (_: string) => {};
    const address = new Promise<string>((resolve) => {
      tell = resolve;
    });
    const signingIn = signIn({
      ...{ clientSecretsFile: secrets, credentialsFile: folder.file("twice.json"), browser: false },
      onAddress: (given) => tell(given),
    });
    const page = await atConsent(browser, await address);
    const allowed = page.click("Allow");
    await held.reached;
    const again = await browser.open(page.address());
    await again.heading(/^This address was used already$/);
    held.release();
    await allowed;
    await page.heading(/^You are signed in$/);
    expect(await signingIn).toMatchObject({ account: "me@example.com" });
  });
});
