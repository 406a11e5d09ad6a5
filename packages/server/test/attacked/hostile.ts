import { buildPath, ROUTES, type RouteName } from "@pullqueue/core";
import fc from "fast-check";
import { METHODS } from "../../src/methods.js";
import type { Parameter } from "../../src/parameters.js";
import { type PropertySchema, SCHEMAS } from "../../src/schemas.js";
import { STANDARD_PARAMETERS } from "../../src/standard-parameters.js";
import { ORIGIN } from "../support.js";

/**
 * Requests that are wrong in places: made from the tables that the server itself runs by, so that a new method is
 * attacked like the others. Most parts of each are right, or nothing but the first check would ever be reached.
 */

/** A request as plain data, so that a failing one can be read and shortened. */
export interface HostileRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined for none. */
  readonly body: string | Uint8Array<ArrayBuffer> | undefined;
}

const TEXTS = [
  ...["", " ", "\0", "\x1b[2J", "\x7f", "\ud800", "\u202e", "\ufeff", "ä", "💩", "a\nb", "a\r\nX: y"],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "null", "undefined", "[object Object]"],
  ...["../../etc/passwd", "%00", "%", "'; DROP TABLE task; --", "<script>", "*", "a(b", "a/*/b", "a,,b"],
  ...[
    "-1",
    "0",
    "1",
    "-0",
    "1e3",
    "1e309",
    "NaN",
    "Infinity",
    "0x10",
    "٣",
    "9007199254740993",
    "2147483648",
    "true",
    "TRUE",
  ],
  ...["eA==", "eA", "e", "====", "eA==\n", "-_-_", "+/+/", "x".repeat(129), "x".repeat(501), "ä".repeat(300)],
  ...["a", "q", "p/q", "projects/p/taskqueues/q", "projects/s~p/taskqueues/q", "a".repeat(16), "lease"],
  "x".repeat(70_000),
] as const;

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);

const number = fc.constantFrom(
  -1,
  0,
  1,
  0.5,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  1e308,
  604_800,
  604_801,
  1e15,
);

const json = fc.oneof(text, number, fc.constantFrom(null, true, false, [], {}), fc.jsonValue());

/** Path segments as they stand in the request line. */
const SEGMENTS = [
  "%",
  "%zz",
  "%ff",
  "%00",
  "%2F",
  "%2e%2e",
  "..",
  ".",
  ":",
  "a:b",
  "%3A",
  "x%0Ay",
  "%ED%A0%80",
  "%F0%9F%92%A9",
];
const segment = (right: string) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.constantFrom(...SEGMENTS, "__proto__", "x".repeat(600), "s~s~p", "other") },
  );

/** Values of a query as they stand in the request line. */
function encoded(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
const RAW_VALUES = ["%", "%zz", "%ff", "%00", "+", "=", "%ED%A0%80", "#", "?"];
const wrongValue = fc.oneof(text.map(encoded), fc.constantFrom(...RAW_VALUES));

function rightValue(name: string, parameter: Parameter): fc.Arbitrary<string> {
  // Nobody would end the wait.
  if (name === "waitMs") return fc.constant("0");
  if (parameter.type === "integer") {
    return fc
      .constantFrom(parameter.minimum, Math.min(parameter.maximum, parameter.minimum + 60), parameter.maximum)
      .map(String);
  }
  if (parameter.type === "boolean") return fc.constantFrom("true", "false");
  return fc.constantFrom(...(parameter.enum ?? ["q", "a", "items"]));
}

/** Text that is no number from 1 to the longest wait. */
const noWait = fc.constantFrom("", "-1", "55001", "1e3", "x", "0.5", "%00");

function pair(name: string, parameter: Parameter): fc.Arbitrary<string> {
  const wrong = name === "waitMs" ? noWait : wrongValue;
  return fc
    .oneof({ weight: 8, arbitrary: rightValue(name, parameter) }, { weight: 1, arbitrary: wrong })
    .map((value) => `${name}=${value}`);
}

const STRANGE_QUERIES = [
  ...[
    "callback=x",
    "&&&",
    "a=1&".repeat(300),
    "fields=kind&fields=kind",
    "%=1",
    `fields=${"a(".repeat(900)}`,
  ],
];

/** The second, once in so many times. */
function rarely<A, B>(mostly: A, sometimes: fc.Arbitrary<B>): fc.Arbitrary<A | B> {
  return fc.oneof({ weight: 12, arbitrary: fc.constant(mostly) }, { weight: 1, arbitrary: sometimes });
}

function query(name: RouteName): fc.Arbitrary<string> {
  const { parameters } = METHODS[name];
  const required = Object.entries(parameters).map(([key, parameter]) =>
    fc.option(pair(key, parameter), { nil: "", freq: parameter.required === true ? 12 : 2 }),
  );
  const others = Object.entries(STANDARD_PARAMETERS).map(([key, parameter]) =>
    rarely("", pair(key, parameter)),
  );
  const strange = rarely(
    "",
    fc.oneof(
      text.map((key) => `${encoded(key).slice(0, 2000)}=1`),
      fc.constantFrom(...STRANGE_QUERIES),
    ),
  );
  return fc
    .tuple(...required, ...others, strange)
    .map((parts) => parts.filter((part) => part !== "").join("&"));
}

function rightField(schema: PropertySchema): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return fields(SCHEMAS[schema.$ref]);
  if (schema.type === "array")
    return fc.array(fc.oneof({ weight: 4, arbitrary: rightField(schema.items ?? {}) }, json), {
      maxLength: 4,
    });
  if (schema.type === "object") return fields(schema);
  if (schema.type === "boolean") return fc.boolean();
  if (schema.type === "integer") return fc.nat(100);
  return fc.constantFrom("q", "a", "eA==", "1", "projects/p/taskqueues/q");
}

/** An object of a resource's fields, some of them absent, some wrong. */
function fields(schema: PropertySchema): fc.Arbitrary<object> {
  const properties = Object.entries(schema.properties ?? {}).map(([key, property]) => [
    key,
    fc.option(fc.oneof({ weight: 8, arbitrary: rightField(property) }, { weight: 1, arbitrary: json }), {
      nil: undefined,
      freq: 3,
    }),
  ]);
  return fc.record(Object.fromEntries(properties) as Record<string, fc.Arbitrary<unknown>>);
}

const RAW_BODIES: readonly (string | Uint8Array<ArrayBuffer>)[] = [
  ...[
    "",
    "null",
    "[]",
    "0",
    '"x"',
    "{",
    "}",
    "{}{}",
    "\ufeff{}",
    '{"a":1,}',
    "{'a':1}",
    '{"a":NaN}',
    "\0",
    "{}\0",
  ],
  ...[
    '{"__proto__":{"payloadBase64":"eA=="}}',
    '{"items":null}',
    '{"items":{}}',
    '{"items":[[]]}',
    '{"items":[null]}',
  ],
  ...[
    "[".repeat(100_000),
    '{"a":'.repeat(100_000),
    `{"items":[${"{},".repeat(1000)}{}]}`,
    `[${"0,".repeat(200_000)}0]`,
  ],
  new Uint8Array([0x7b, 0xff, 0x7d]),
  new Uint8Array([0xed, 0xa0, 0x80]),
  new Uint8Array([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0]),
];

function body(name: RouteName): fc.Arbitrary<HostileRequest["body"]> {
  const { request } = METHODS[name];
  const raw = fc.oneof(
    fc.constantFrom(...RAW_BODIES),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => new Uint8Array(bytes)),
  );
  if (request === undefined) return rarely(undefined, raw);
  const right = fields(SCHEMAS[request.schema]).map((value) => JSON.stringify(value));
  return fc.oneof(
    { weight: 8, arbitrary: right },
    { weight: 1, arbitrary: raw },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  ...[
    { "x-http-method-override": "PATCH" },
    { "x-http-method-override": "\t" },
    { "x-http-method-override": "TRACE" },
  ],
  ...[{ "content-encoding": "gzip" }, { "content-encoding": "br" }, { "content-encoding": "gzip, gzip" }],
  ...[
    { "content-type": "text/plain" },
    { "content-type": "application/x-www-form-urlencoded", "x-http-method-override": "GET" },
  ],
  ...[
    { "x-request-id": "\x80" },
    { "x-request-id": "x".repeat(10_000) },
    { traceparent: "00-zz" },
    { tracestate: "=".repeat(600) },
  ],
  ...[
    { authorization: "Bearer" },
    { authorization: "Basic Og==" },
    { "accept-encoding": 'gzip;q="' },
    { accept: "\\" },
  ],
  ...[
    { origin: "null" },
    { "content-length": "99999999999" },
    { "content-length": "-1" },
    { "content-length": "x" },
  ],
];

/** Requests for one method of the API. */
export function hostileRequest(name: RouteName): fc.Arbitrary<HostileRequest> {
  const template = buildPath(name, { project: "PROJECT", taskqueue: "QUEUE", task: "TASK" });
  const path = fc
    .tuple(segment("p"), segment("q"), segment("a"))
    .map(([project, queue, task]) =>
      template.replace("PROJECT", project).replace("QUEUE", queue).replace("TASK", task),
    );
  const headers = fc.oneof(
    { weight: 8, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constantFrom(...HEADERS) },
  );
  return fc
    .record({ path, query: query(name), headers, body: body(name) })
    .map(({ path, query, headers, body }) => ({
      method: ROUTES[name].method,
      url: `${ORIGIN}${path}${query === "" ? "" : `?${query}`}`,
      headers,
      body: ROUTES[name].method === "GET" ? undefined : body,
    }));
}
