import { type OAuthProvider, signInByHttp, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type PasteRequest, pastedAnswer } from "../../src/sign-in/pasted-answer.js";
import { Attempt, altered, load, open } from "../support/attempt.js";

const STATE = "the-state-of-this-sign-in";

/** What comes of texts that are pasted one after another. */
async function answerTo(texts: readonly (string | undefined)[], acceptsBareCode = true) {
  const complaints: (string | undefined)[] = [];
  const left = [...texts];
  const readPasted = async ({ complaint }: PasteRequest) => {
    complaints.push(complaint);
    return left.shift();
  };
  const { signal } = new AbortController();
  const parameters = await pastedAnswer(readPasted, { state: STATE, acceptsBareCode }, signal);
  return { parameters: parameters && Object.fromEntries(parameters), complaints };
}

describe("pastedAnswer()", () => {
  test.each([
    `http://localhost:8085/?state=${STATE}&code=4/0Ab-c&scope=openid`,
    `  "http://127.0.0.1:8085/callback?code=4%2F0Ab-c&state=${STATE}#"\n`,
    `localhost:8085/?code=4/0Ab-c&\n  state=${STATE}`,
    `"?code=4/0Ab-c&state=${STATE}"`,
    `code=4/0Ab-c&state=${STATE}`,
  ])("pastedAnswer() finds the answer in %j", async (text) => {
    const { parameters } = await answerTo([text]);
    expect(parameters).toMatchObject({ code: "4/0Ab-c", state: STATE });
  });

  test("pastedAnswer() takes the provider's refusal for an answer", async () => {
    const { parameters } = await answerTo([`http://localhost/?error=access_denied&state=${STATE}`]);
    expect(parameters).toMatchObject({ error: "access_denied" });
  });

  test.each([
    ["4/0AbCdEfGhIjKlMnOp", "4/0AbCdEfGhIjKlMnOp"],
    ["4%2F0AbCdEfGhIjKlMnOp#", "4/0AbCdEfGhIjKlMnOp"],
    ["AbCdEfGhIjKlMnOp==", "AbCdEfGhIjKlMnOp=="],
    ["100%AbCdEfGhIjKlMnOp", "100%AbCdEfGhIjKlMnOp"],
  ])("pastedAnswer() takes the code alone where the provider binds it: %s", async (text, code) => {
    expect((await answerTo([text])).parameters).toEqual({ code });
  });

  test.each([
    ["the code alone of a provider that does not bind it", "4/0AbCdEfGhIjKlMnOp", false, "holds no code"],
    ["a word", "yes", true, "holds no code"],
    ["the address of another sign-in", "http://localhost/?code=c&state=other", true, "another sign-in"],
    ["an address without a state", "http://localhost/?code=c", true, "not whole: it has no state"],
    ["two states", `http://localhost/?code=c&state=${STATE}&state=${STATE}`, true, "another sign-in"],
    ["an address without a code", "http://localhost:8085/some/long/path", true, "holds no code"],
    [
      "the address to open",
      `https://id.example/auth?state=${STATE}&code_challenge=c`,
      true,
      "this is the address to open",
    ],
    ["nothing", " \n", true, "nothing was pasted"],
    ["too much", "c".repeat(20_000), true, "too long"],
  ])("pastedAnswer() asks again for %s, three times in all", async (_, text, acceptsBareCode, words) => {
    const good = `?code=c&state=${STATE}`;
    const { parameters, complaints } = await answerTo([text, text, good], acceptsBareCode);
    expect(parameters).toMatchObject({ code: "c" });
    expect(complaints).toEqual([undefined, expect.stringContaining(words), expect.stringContaining(words)]);
    const refused = answerTo([text, text, text, good], acceptsBareCode);
    await expect(refused).rejects.toMatchObject({ code: "sign_in_failed" });
    await expect(refused).rejects.toThrow(words);
  });

  test("pastedAnswer() gives way to the browser when nothing comes, unless a wrong text was last", async () => {
    expect((await answerTo([undefined])).parameters).toBeUndefined();
    await expect(answerTo(["no", undefined])).rejects.toThrow("holds no code");
  });
});

describe("signIn() with a browser on another machine", () => {
  let provider: OAuthProvider;

  beforeAll(async () => {
    provider = await startOAuthProvider();
  });

  afterAll(async () => {
    await provider[Symbol.asyncDispose]();
  });

  test("signIn() takes the pasted address, and the port is closed", async () => {
    using attempt = new Attempt(provider);
    const readPasted = async () => (await signInByHttp(attempt.address)).href;
    expect((await attempt.signIn({ readPasted })).account).toBe("me@example.com");
    expect(attempt.written()).toContain("me@example.com");
    await expect(fetch(`http://127.0.0.1:${attempt.port}/`)).rejects.toThrow("fetch failed");
  });

  test("signIn() shows the browser that comes with a pasted answer too that it was used", async () => {
    using attempt = new Attempt(provider);
    const held = provider.holdTokenAnswers();
    onTestFinished(() => held.release());
    let final = "";
    const readPasted = async () => {
      final = (await signInByHttp(attempt.address)).href;
      return final;
    };
    const signingIn = attempt.signIn({ readPasted });
    await held.reached;
    const page = await load(final);
    held.release();
    expect(page).toMatchObject({ status: 410, text: expect.stringContaining("used already") });
    expect((await signingIn).account).toBe("me@example.com");
  });

  test("signIn() takes the code alone, since the provider says that it binds codes", async () => {
    using attempt = new Attempt(provider);
    const readPasted = async () => (await signInByHttp(attempt.address)).searchParams.get("code") ?? "";
    expect((await attempt.signIn({ readPasted })).account).toBe("me@example.com");
  });

  test("signIn() refuses a pasted address of another sign-in, and nothing is written", async () => {
    using attempt = new Attempt(provider);
    const readPasted = async () => altered(await signInByHttp(attempt.address), "state", "other").href;
    const refused = attempt.signIn({ readPasted });
    await expect(refused).rejects.toMatchObject({ code: "sign_in_failed" });
    await expect(refused).rejects.toThrow("its state is not the one of this sign-in");
    expect(attempt.written()).toBeUndefined();
  });

  test("signIn() takes what comes over a forwarded port first, and asks for no paste any more", async () => {
    using attempt = new Attempt(provider);
    const signals: AbortSignal[] = [];
    const readPasted = ({ signal }: PasteRequest) => {
      signals.push(signal);
      return new Promise<string>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    };
    const { summary } = await attempt.withBrowser(open, { readPasted });
    expect(summary.account).toBe("me@example.com");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("signIn() waits for the browser when there is nothing to paste", async () => {
    using attempt = new Attempt(provider);
    const { summary } = await attempt.withBrowser(open, { readPasted: async () => undefined });
    expect(summary.account).toBe("me@example.com");
  });

  test("signIn() passes on why nothing can be read", async () => {
    using attempt = new Attempt(provider);
    const broken = new Error("the terminal is gone");
    await expect(attempt.signIn({ readPasted: () => Promise.reject(broken) })).rejects.toBe(broken);
  });
});
