import { buildPath, ROUTES, type RouteName } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { type Principal, ROLES } from "../../src/auth/principal.js";
import { METHODS } from "../../src/methods.js";
import type { Parameter } from "../../src/parameters.js";
import { openGuardedApi, principal, SCOPES } from "./support.js";

/** Every method × role × scope × who is calling, made from the table of methods, so that a new one cannot be forgotten. */

const CALLERS = {
  "in user_email": { email: "user@example.com", projects: "all" },
  "in writer_email": { email: "writer@example.com", projects: "all" },
  "in neither": { email: "stranger@example.com", projects: "all" },
  "of another project": { email: "user@example.com", projects: ["elsewhere"] },
} as const;

const SCOPE_SETS = { full: [SCOPES.full], consumer: [SCOPES.consumer], none: ["openid"] } as const;

type Caller = keyof typeof CALLERS;
type Scope = keyof typeof SCOPE_SETS;

/** The rules once more, in other words than the server's. */
function expectedReason(name: RouteName, role: Principal["role"], scope: Scope, caller: Caller) {
  const { access } = METHODS[name];
  if (role === "monitor") return "forbidden";
  if (scope === "none" || (scope === "consumer" && access === "manage")) return "insufficientPermissions";
  if (caller === "of another project") return "forbidden";
  if (role === "admin" || access === "any") return undefined;
  const needed = { consume: "in user_email", produce: "in writer_email", manage: "nobody" }[access];
  return caller === needed ? undefined : "forbidden";
}

function sample(parameter: Parameter): string {
  if (parameter.type === "integer") return String(parameter.minimum);
  return parameter.type === "boolean" ? "true" : "q";
}

/** A call that is allowed to fail for any reason but the caller. */
function requestOf(name: RouteName): { readonly method: string; readonly path: string } {
  const path = buildPath(name, { project: "p", taskqueue: "q", task: "t" });
  const required = Object.entries(METHODS[name].parameters).filter(([, { required }]) => required === true);
  const query = new URLSearchParams(
    required.map(([key, parameter]): [string, string] => [key, sample(parameter)]),
  );
  return { method: ROUTES[name].method, path: `${path}?${query}` };
}

const cases = (Object.keys(METHODS) as RouteName[]).flatMap((name) =>
  ROLES.flatMap((role) =>
    (Object.keys(SCOPE_SETS) as Scope[]).flatMap((scope) =>
      (Object.keys(CALLERS) as Caller[]).map((caller) => ({ name, role, scope, caller })),
    ),
  ),
);

describe.each(Object.keys(METHODS) as RouteName[])("%s", (name) => {
  test(`${name} lets in whom its access names, and nobody else`, async () => {
    for (const { role, scope, caller } of cases.filter((one) => one.name === name)) {
      // Closing, so that nothing waits.
      const { callAs } = await openGuardedApi({ closing: AbortSignal.abort() });
      const { method, path } = requestOf(name);
      const who = principal({ ...CALLERS[caller], role, scopes: SCOPE_SETS[scope] });
      const { status, text, headers } = await callAs(who, method, path, method === "GET" ? undefined : {});
      const reason = status === 403 ? JSON.parse(text).error.errors[0].reason : undefined;
      expect(headers.get("www-authenticate")?.startsWith("Bearer realm=") ?? false).toBe(status === 403);
      expect([status === 401, reason], `${role}, scope ${scope}, ${caller}: ${text}`).toEqual([
        false,
        expectedReason(name, role, scope, caller),
      ]);
    }
  });

  test(`${name} answers a caller without rights alike, whether the queue exists or not`, async () => {
    const { callAs, store, clock } = await openGuardedApi();
    const stranger = principal({ role: "user", email: "stranger@example.com" });
    const { method, path } = requestOf(name);
    const body = method === "GET" ? undefined : {};
    const existing = await callAs(stranger, method, path, body);
    await store.deleteQueue({ project: "p", queue: "q" });
    clock.advance(1_000); // The acl is kept for so long.
    const unknown = await callAs(stranger, method, path, body);
    expect([unknown.status, unknown.text]).toEqual([existing.status, existing.text]);
  });

  test(`${name} answers 401 without a token`, async () => {
    const { call } = await openGuardedApi();
    const { method, path } = requestOf(name);
    const answer = await call(method, path);
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
      401,
      'Bearer realm="pullqueue"',
    ]);
  });
});
