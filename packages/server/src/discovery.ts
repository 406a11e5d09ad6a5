import { BASE_PATH, limits, ROUTES, type Route, type RouteName } from "@pullqueue/core";
import { CONSUMER_SCOPE, FULL_SCOPE } from "./auth/scopes.js";
import { BATCH_PATHS } from "./batch.js";
import type { Method } from "./method.js";
import { METHODS } from "./methods.js";
import type { Parameter, ParameterTable } from "./parameters.js";
import { SCHEMAS } from "./schemas.js";
import { STANDARD_PARAMETERS } from "./standard-parameters.js";
import { VERSION } from "./version.js";

/** The discovery document, made from the tables that the server itself runs by. */

/** The revision of Google's last document: what we implement. */
const REVISION = "20160428";

const SCOPES = {
  [FULL_SCOPE]: { description: "Insert, look at, lease, renew and delete tasks, and manage queues" },
  [CONSUMER_SCOPE]: { description: "Insert, look at, lease, renew and delete tasks" },
};

const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  project: "The project, with or without its prefix such as s~.",
  taskqueue: "The queue's short name, percent-encoded.",
  task: "The task's id.",
};

/** The document for a server at this address (`http://127.0.0.1:8085`, without a slash at its end). */
export function discoveryDocument(rootUrl: string): object {
  return {
    kind: "discovery#restDescription",
    discoveryVersion: "v1",
    id: "taskqueue:v1beta2",
    name: "taskqueue",
    version: "v1beta2",
    revision: REVISION,
    title: "TaskQueue API",
    description: "App Engine's pull queues over REST, served by pullqueue.",
    protocol: "rest",
    rootUrl: `${rootUrl}/`,
    servicePath: BASE_PATH.slice(1),
    baseUrl: rootUrl + BASE_PATH,
    basePath: BASE_PATH,
    batchPath: BATCH_PATHS[0].slice(1),
    ...DESCRIPTION,
  };
}

/** The part that is the same at every address. */
const DESCRIPTION = Object.freeze({
  "x-pullqueue": {
    version: VERSION,
    anyQueueName: true,
    fences: true,
    leaseWaitMsMax: limits.WAIT_MS_MAX,
    batchItemsMax: limits.BATCH_ITEMS_MAX,
    batchPayloadBytesMax: limits.BATCH_PAYLOAD_BYTES_MAX,
  },
  auth: { oauth2: { scopes: SCOPES } },
  parameters: describeParameters(STANDARD_PARAMETERS),
  schemas: SCHEMAS,
  resources: describeResources(),
});

function describeResources(): object {
  const resources: Record<string, { methods: Record<string, object> }> = {};
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const [resource = "", method = ""] = name.split(".");
    resources[resource] ??= { methods: {} };
    resources[resource].methods[method] = describeMethod(name, ROUTES[name], METHODS[name]);
  }
  return resources;
}

function describeMethod(name: RouteName, route: Route, method: Method): object {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  const required = Object.keys(method.parameters).filter((key) => method.parameters[key]?.required);
  return {
    id: `taskqueue.${name}`,
    path: route.path,
    httpMethod: route.method,
    description: method.description,
    parameters: { ...describePath(inPath), ...describeParameters(method.parameters) },
    parameterOrder: [...inPath, ...required],
    ...(method.request === undefined ? {} : { request: { $ref: method.request.schema } }),
    ...(method.response === undefined ? {} : { response: { $ref: method.response } }),
    scopes: method.access === "manage" ? [FULL_SCOPE] : Object.keys(SCOPES),
  };
}

function describePath(names: readonly string[]): object {
  return Object.fromEntries(
    names.map((name) => [
      name,
      { location: "path", required: true, type: "string", description: PATH_PARAMETERS[name] },
    ]),
  );
}

function describeParameters(table: ParameterTable): object {
  return Object.fromEntries(
    Object.entries(table).map(([name, parameter]) => [name, describeParameter(parameter)]),
  );
}

function describeParameter(parameter: Parameter): object {
  const { description, required } = parameter;
  const common = { location: "query", description, ...(required === true ? { required } : {}) };
  if (parameter.type === "integer") {
    const { format, minimum, maximum } = parameter;
    // 64-bit integers are strings in discovery documents.
    const type = format === "int64" ? "string" : "integer";
    return { ...common, type, format, minimum: String(minimum), maximum: String(maximum) };
  }
  if (parameter.type === "boolean") {
    return { ...common, type: "boolean", ...defaultOf(parameter.default) };
  }
  return {
    ...common,
    type: "string",
    ...(parameter.repeated === true ? { repeated: true } : {}),
    ...(parameter.enum === undefined
      ? {}
      : { enum: parameter.enum, enumDescriptions: parameter.enum.map(() => description) }),
    ...defaultOf(parameter.enum?.[0]),
  };
}

function defaultOf(value: boolean | string | undefined): object {
  return value === undefined ? {} : { default: String(value) };
}
