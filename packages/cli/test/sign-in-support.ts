import { readFileSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthProvider, type PersonOptions, signInByHttp } from "@pullqueue/testing/oauth-provider";
import { expect, onTestFinished } from "vitest";
import { runCommand } from "../src/main.js";
import { pullqueue } from "./support.js";

/** Sign-ins at a real authorization server, whose pages are walked through without a browser. */

/** Files of one test: client secrets that are there, and credentials that are not. */
export function files(provider: OAuthProvider) {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return {
    folder,
    secrets: provider.writeClientSecrets(folder.file("client_secrets.json")),
    credentials: folder.file("credentials.json"),
  };
}

/** Who signs in, and how. */
export interface LoginSetting extends PersonOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: typeof runCommand;
  /** Pastes the final address, after these lines. Default: the browser finds its way to the loopback. */
  readonly paste?: readonly string[];
}

/** Runs a sign-in without a browser of its own; somebody opens the address that it prints. */
export async function signInWith(parameters: readonly string[], setting: LoginSetting = {}) {
  const { paste, env = {}, run = runCommand, ...person } = setting;
  const input = new PassThrough();
  let walked: Promise<void> | undefined;
  const outcome = await pullqueue(parameters, {
    ...{ input, env, run },
    onErrors: (text) => {
      const [address] = /http:\/\/\S+\?[^\s"]+/.exec(text) ?? [];
      if (address === undefined || walked !== undefined) return;
      walked = signInByHttp(address, person).then(async (final) => {
        if (paste === undefined) await fetch(final);
        else for (const line of [...paste, final.href]) input.write(`${line}\n`);
      });
    },
  });
  await walked;
  return { ...outcome, input };
}

/** Signs in, and gives the file. */
export async function signedIn(provider: OAuthProvider): Promise<string> {
  const { secrets, credentials } = files(provider);
  const { code, stderr } = await signInWith(["auth", "login", secrets, credentials, "--no-browser"]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return credentials;
}

/** Every secret of a credentials file. */
export function secretsIn(path: string): readonly string[] {
  const fields = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  return ["client_secret", "refresh_token", "access_token", "token", "id_token_jwt"].flatMap((name) =>
    typeof fields[name] === "string" && fields[name] !== "" ? [fields[name]] : [],
  );
}

/** Changes fields of a file. */
export function changed(path: string, change: Readonly<Record<string, unknown>>): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
}
