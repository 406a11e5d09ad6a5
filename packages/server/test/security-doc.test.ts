import { readFileSync } from "node:fs";
import type { RouteName } from "@pullqueue/core";
import { expect, test } from "vitest";
import { AUTH_OPTIONS } from "../src/auth/auth-options.js";
import { METHODS } from "../src/methods.js";
import type { ServeOption } from "../src/option-readers.js";

const PAGE = readFileSync(new URL("../../../docs/security.md", import.meta.url), "utf8");

test("docs/security.md has every option of authentication and TLS, secrets by their variables", () => {
  for (const { flag, variable, secret } of Object.values(AUTH_OPTIONS) as ServeOption<unknown>[]) {
    expect(PAGE).toContain(secret === true ? `\`${variable}\`` : `\`${flag}\``);
  }
});

test.each(["consume", "produce", "manage", "any"])(
  "docs/security.md names the methods that need %s, and no others",
  (access) => {
    const item = PAGE.split(`- **\`${access}\`**: `)[1]?.split(/\n- |\n\n/, 1)[0] ?? "";
    const named = [...item.matchAll(/`(\w+\.\w+)`/g)].map(([, name]) => name);
    const methods = (Object.keys(METHODS) as RouteName[]).filter((name) => METHODS[name].access === access);
    expect(named.sort()).toEqual(methods.sort());
  },
);
