import { QueueError } from "./errors.js";

/** The only module that builds and takes apart paths, for the server and the client alike. */

/** Google's basePath; every route below is relative to it. */
export const BASE_PATH = "/taskqueue/v1beta2/projects/";

/** Where generic Google clients look for the description of an API. */
export const DISCOVERY_PATH = "/discovery/v1/apis/taskqueue/v1beta2/rest";

/** What a path says: which project, and where it applies which queue and task. Decoded. */
export interface RouteParameters {
  readonly project: string;
  readonly taskqueue?: string;
  readonly task?: string;
}

/** One method of the API. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** In the form of discovery documents. A verb after a colon marks our extensions. */
  readonly path: string;
}

/** The eight methods of v1beta2, then the extensions. */
export const ROUTES = {
  "taskqueues.get": { method: "GET", path: "{project}/taskqueues/{taskqueue}" },
  "tasks.list": { method: "GET", path: "{project}/taskqueues/{taskqueue}/tasks" },
  "tasks.insert": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks" },
  // Stands before tasks.update: a task called "lease" cannot be updated by POST.
  "tasks.lease": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks/lease" },
  "tasks.get": { method: "GET", path: "{project}/taskqueues/{taskqueue}/tasks/{task}" },
  "tasks.update": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks/{task}" },
  "tasks.patch": { method: "PATCH", path: "{project}/taskqueues/{taskqueue}/tasks/{task}" },
  "tasks.delete": { method: "DELETE", path: "{project}/taskqueues/{taskqueue}/tasks/{task}" },
  "tasks.batchInsert": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks:batchInsert" },
  "tasks.batchUpdate": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks:batchUpdate" },
  "tasks.batchDelete": { method: "POST", path: "{project}/taskqueues/{taskqueue}/tasks:batchDelete" },
  "taskqueues.list": { method: "GET", path: "{project}/taskqueues" },
  "taskqueues.insert": { method: "POST", path: "{project}/taskqueues" },
  "taskqueues.lease": { method: "POST", path: "{project}/taskqueues:lease" },
  "taskqueues.cancelLease": { method: "POST", path: "{project}/taskqueues:cancelLease" },
  "taskqueues.wait": { method: "POST", path: "{project}/taskqueues:wait" },
  "taskqueues.update": { method: "PUT", path: "{project}/taskqueues/{taskqueue}" },
  "taskqueues.delete": { method: "DELETE", path: "{project}/taskqueues/{taskqueue}" },
  "taskqueues.purge": { method: "POST", path: "{project}/taskqueues/{taskqueue}:purge" },
  "taskqueues.pause": { method: "POST", path: "{project}/taskqueues/{taskqueue}:pause" },
  "taskqueues.resume": { method: "POST", path: "{project}/taskqueues/{taskqueue}:resume" },
  "taskqueues.tagStats": { method: "GET", path: "{project}/taskqueues/{taskqueue}:tagStats" },
  "taskqueues.redrive": { method: "POST", path: "{project}/taskqueues/{taskqueue}:redrive" },
} as const satisfies Record<string, Route>;

/** The name of a method, as in the discovery document without its `taskqueue.` prefix. */
export type RouteName = keyof typeof ROUTES;

/** What a request line matched. */
export type RouteMatch =
  | { readonly kind: "route"; readonly name: RouteName; readonly parameters: RouteParameters }
  /** The path exists, but not for this method; `allow` lists those that do. */
  | { readonly kind: "method_not_allowed"; readonly allow: readonly string[] }
  | { readonly kind: "not_found" };

/** The path of a call, percent-encoded. */
export function buildPath(name: RouteName, parameters: RouteParameters): string {
  const path = ROUTES[name].path.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = parameters[key as keyof RouteParameters];
    if (value === undefined) throw new TypeError(`${name} needs the path parameter ${key}`);
    return encodeURIComponent(value);
  });
  return BASE_PATH + path;
}

/** Which method a request line means. Throws `invalid_argument` for a path that is not valid percent-encoding. */
export function matchRoute(method: string, pathname: string): RouteMatch {
  if (!pathname.startsWith(BASE_PATH)) return { kind: "not_found" };
  const segments = pathname.slice(BASE_PATH.length).split("/");
  const patterns = PATTERNS_BY_LENGTH[segments.length] ?? [];
  for (const { name, method: wanted, pattern } of patterns) {
    if (wanted !== method) continue;
    const parameters = matchSegments(pattern, segments);
    if (parameters !== undefined) return { kind: "route", name, parameters };
  }
  const others = patterns.filter(({ pattern }) => matchSegments(pattern, segments) !== undefined);
  return others.length > 0
    ? { kind: "method_not_allowed", allow: [...new Set(others.map((route) => route.method))] }
    : { kind: "not_found" };
}

/** A segment of a template: a literal, or a parameter with an optional verb behind it. */
interface SegmentPattern {
  /** Undefined for a literal. */
  readonly parameter: keyof RouteParameters | undefined;
  /** The literal, or what stands behind the parameter. */
  readonly text: string;
}

interface RoutePattern {
  readonly name: RouteName;
  readonly method: string;
  readonly pattern: readonly SegmentPattern[];
}

/** Routes by their number of segments, so that few are looked at for a request line. */
const PATTERNS_BY_LENGTH: RoutePattern[][] = [];
for (const name of Object.keys(ROUTES) as RouteName[]) {
  const { method, path } = ROUTES[name];
  const pattern = path.split("/").map(segmentPattern);
  while (PATTERNS_BY_LENGTH.length <= pattern.length) PATTERNS_BY_LENGTH.push([]);
  PATTERNS_BY_LENGTH[pattern.length]!.push({ name, method, pattern });
}

function segmentPattern(segment: string): SegmentPattern {
  const parameter = /^\{(project|taskqueue|task)\}(.*)$/.exec(segment);
  if (parameter === null) return { parameter: undefined, text: segment };
  return { parameter: parameter[1] as keyof RouteParameters, text: parameter[2] ?? "" };
}

function matchSegments(
  pattern: readonly SegmentPattern[],
  segments: readonly string[],
): RouteParameters | undefined {
  // Nothing is decoded before it is certain that the path is this one.
  for (let index = 0; index < pattern.length; index++) {
    if (!fits(pattern[index]!, segments[index]!)) return undefined;
  }
  const found: { project: string; taskqueue?: string; task?: string } = { project: "" };
  for (let index = 0; index < pattern.length; index++) {
    const { parameter, text } = pattern[index]!;
    if (parameter === undefined) continue;
    const segment = segments[index]!;
    found[parameter] = decodeSegment(segment.slice(0, segment.length - text.length));
  }
  return found;
}

function fits({ parameter, text }: SegmentPattern, segment: string): boolean {
  if (parameter === undefined) return segment === text;
  if (!segment.endsWith(text) || segment.length === text.length) return false;
  if (parameter === "project") return true;
  // A bare colon separates a verb, except in projects, whose legacy form is `example.com:app`.
  const colon = segment.indexOf(":");
  return colon === -1 || colon === segment.length - text.length;
}

function decodeSegment(raw: string): string {
  if (!raw.includes("%")) return raw;
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new QueueError(
      "invalid_argument",
      `the path segment "${raw.slice(0, 100)}" is not valid percent-encoded UTF-8`,
    );
  }
}
