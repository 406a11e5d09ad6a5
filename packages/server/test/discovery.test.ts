import { readFileSync } from "node:fs";
import { limits, ROUTES } from "@pullqueue/core";
import { expect, test } from "vitest";
import { discoveryDocument } from "../src/discovery.js";
import { VERSION } from "../src/version.js";
import { openApi } from "./support.js";

const PATH = "/discovery/v1/apis/taskqueue/v1beta2/rest";

/** Ids, verbs, paths, parameters and types of Google's last document, without its sentences. */
const GOOGLES: unknown = JSON.parse(
  readFileSync(new URL("./fixtures/discovery-structure.json", import.meta.url), "utf8"),
);

/** What of `expected` is not in `actual`, by path. Lists of strings must hold the expected ones in their order. */
function missing(expected: unknown, actual: unknown, path = ""): readonly string[] {
  if (Array.isArray(expected)) {
    const kept = Array.isArray(actual) ? actual.filter((item) => expected.includes(item)) : [];
    return JSON.stringify(kept) === JSON.stringify(expected) ? [] : [path];
  }
  if (typeof expected !== "object" || expected === null) return expected === actual ? [] : [path];
  const found = (actual ?? {}) as Record<string, unknown>;
  return Object.entries(expected).flatMap(([key, value]) => missing(value, found[key], `${path}/${key}`));
}

test("the discovery document contains the structure of Google's", () => {
  expect(missing(GOOGLES, discoveryDocument("http://h"))).toEqual([]);
});

test("the discovery document asks for the full scope where queues are managed, and for either elsewhere", () => {
  const { resources } = discoveryDocument("http://h") as {
    resources: Record<string, { methods: Record<string, { scopes: string[] }> }>;
  };
  const scopesOf = (resource: string, method: string) => resources[resource]?.methods[method]?.scopes;
  const full = "https://www.googleapis.com/auth/taskqueue";
  expect(scopesOf("taskqueues", "purge")).toEqual([full]);
  expect(scopesOf("tasks", "insert")).toEqual([full, `${full}.consumer`]);
});

test("missing() notices a changed verb, a lost parameter and another order", () => {
  const ours = structuredClone(GOOGLES) as {
    resources: { tasks: { methods: Record<string, Record<string, object>> } };
  };
  const { lease } = ours.resources.tasks.methods;
  Object.assign(lease!, { httpMethod: "PUT", parameterOrder: ["taskqueue", "project"] });
  Reflect.deleteProperty(lease!.parameters!, "tag");
  expect(missing(GOOGLES, ours).map((path) => path.replace("/resources/tasks/methods/lease", ""))).toEqual([
    "/httpMethod",
    "/parameterOrder",
    "/parameters/tag/location",
    "/parameters/tag/type",
  ]);
});

test("the discovery document lists every route, with a description for everything", () => {
  const document = discoveryDocument("http://h") as Record<string, Record<string, never>>;
  const ids = Object.values(document.resources as Record<string, { methods: Record<string, { id: string }> }>)
    .flatMap(({ methods }) => Object.values(methods))
    .map(({ id }) => id);
  expect(ids.sort()).toEqual(
    Object.keys(ROUTES)
      .map((name) => `taskqueue.${name}`)
      .sort(),
  );
  const undescribed = JSON.stringify(document).match(/"(parameters|methods)":\{"\w+":\{(?!.*?description)/g);
  expect(undescribed).toBeNull();
});

test("the discovery document says what a client of ours may use", () => {
  expect(discoveryDocument("http://h")).toMatchObject({
    "x-pullqueue": {
      version: VERSION,
      anyQueueName: true,
      fences: true,
      leaseWaitMsMax: limits.WAIT_MS_MAX,
      batchItemsMax: limits.BATCH_ITEMS_MAX,
      batchPayloadBytesMax: limits.BATCH_PAYLOAD_BYTES_MAX,
    },
  });
});

test("the discovery document is served at the address of the request, or at the public one", async () => {
  const { call } = openApi();
  expect((await call("GET", PATH)).json).toMatchObject({
    rootUrl: "http://127.0.0.1:8085/",
    baseUrl: "http://127.0.0.1:8085/taskqueue/v1beta2/projects/",
    basePath: "/taskqueue/v1beta2/projects/",
    servicePath: "taskqueue/v1beta2/projects/",
  });
  const proxied = openApi({ publicUrl: "https://queues.example.com" });
  expect((await proxied.call("GET", `${PATH}?prettyPrint=false`)).json).toMatchObject({
    rootUrl: "https://queues.example.com/",
  });
});

test("every $ref of the discovery document leads to a schema", () => {
  const document = discoveryDocument("http://h") as { schemas: Record<string, unknown> };
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"(\w+)"/g)].map((match) => match[1]!);
  expect(refs.length).toBeGreaterThan(20);
  for (const ref of refs) expect(document.schemas).toHaveProperty(ref);
});

test("VERSION is that of package.json", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(VERSION).toBe((manifest as { version: string }).version);
});
