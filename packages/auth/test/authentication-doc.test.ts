import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { StoredCredentials } from "../src/stored-credentials.js";

const PAGE = readFileSync(new URL("../../../docs/authentication.md", import.meta.url), "utf8");

/** How the page's table of files calls each kind. One that is added needs a row. */
const FILES: Readonly<Record<StoredCredentials["kind"], readonly string[]>> = {
  user: ["our own", "oauth2client Storage, of any age", '`"type": "authorized_user"`'],
  service_account: ['`"type": "service_account"`'],
  external_account: ['`"type": "external_account"`'],
  external_account_authorized_user: ['`"type": "external_account_authorized_user"`'],
  impersonated_service_account: ['`"type": "impersonated_service_account"`'],
  access_token: ['`{"access_token": "…"}`'],
};

test("docs/authentication.md has a row for each kind of credentials file, and for no other", () => {
  const [, , ...table] = PAGE.split("\n| file ")[1]?.split("\n\n")[0]?.split("\n") ?? [];
  const rows = table.map((row) => row.split("|")[1]?.trim());
  expect(rows.sort()).toEqual(Object.values(FILES).flat().sort());
});
