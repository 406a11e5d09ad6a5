import type {
  JsonObject,
  ProjectPrefix,
  QueueAdmin,
  QueueError,
  QueueKey,
  QueueStore,
  WireErrorOverride,
} from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";
import type { AccessControl } from "./auth/access-control.js";
import type { Access } from "./auth/authorize.js";
import type { Principal } from "./auth/principal.js";
import type { ParameterTable, Values } from "./parameters.js";
import type { SchemaName } from "./schemas.js";
import type { Turns } from "./turns.js";
import type { WaitingCalls } from "./waiting-calls.js";

/** What a method of the API is: its description, its parameters, and what it does. One table of them is the whole API. */

/** What methods work on. */
export interface Service {
  readonly store: QueueStore & QueueAdmin;
  /** The prefix that answers show before a project. */
  readonly prefix: ProjectPrefix;
  /** Aborted when the server closes: leases that wait are answered at once, with 503. */
  readonly closing: AbortSignal;
  /** Leases that wait, by the names that their clients gave them. */
  readonly waitingCalls: WaitingCalls;
  /** False when a queue.yaml names the queues: then they are not created, changed or deleted over HTTP. */
  readonly managesQueues: boolean;
  /** Who may do what. */
  readonly access: AccessControl;
  /** Changes of queues, one after the other: "create unless it exists" is two calls on the store. */
  readonly turns: Turns;
}

/** One call, with everything proved that can be proved without the store. */
export interface Call<T extends ParameterTable> {
  readonly service: Service;
  /** Who calls, and has been found to be allowed to. */
  readonly caller: Principal;
  /** The queue of the path; its name is empty for methods of a project. */
  readonly queue: QueueKey;
  /** The task of the path, or empty. */
  readonly task: string;
  readonly parameters: Values<T>;
  /** The body; an empty object for methods without one. */
  readonly body: JsonObject;
  /** For its signal, which aborts when the client's socket closes. */
  readonly request: ApiRequest;
}

/** A method of the API. */
export interface Method<T extends ParameterTable = ParameterTable> {
  readonly description: string;
  readonly parameters: T;
  /** What a caller needs to be allowed this call. */
  readonly access: Access;
  /** The queues that the call is about, where the path names none. Default: that of the path. */
  queues?(path: QueueKey, parameters: Values<T>): readonly QueueKey[];
  /** The resource in the request's body, and how large that may be, in bytes. */
  readonly request?: { readonly schema: SchemaName; readonly bytesMax: number };
  /** The resource in the answer; without one the answer has no body. */
  readonly response?: SchemaName;
  /** The answer's resource, `undefined` for an empty body, or a refusal that the table of errors does not express. */
  run(call: Call<T>): Promise<object | undefined | Refusal>;
}

/** Checks a method's definition and forgets its parameters' types, so that methods fit into one table. */
export function defineMethod<const T extends ParameterTable>(method: Method<T>): Method {
  return method as unknown as Method;
}

/** An answer that writes itself. What it writes is what JSON.stringify would, indented by one space where `pretty`. */
export interface WrittenAnswer {
  /** The same as an object, for whoever selects parts of it. */
  toJSON(): object;
  write(pretty: boolean): string;
  /** Whether what it writes is sure to be ASCII. */
  isAscii(): boolean;
}

/** Whether an answer writes itself. */
export function isWritten(answer: object): answer is WrittenAnswer {
  return "write" in answer;
}

/** An error answer whose status or words differ from those of its code. */
export class Refusal {
  readonly error: QueueError;
  readonly override: WireErrorOverride;

  constructor(error: QueueError, override: WireErrorOverride) {
    this.error = error;
    this.override = override;
  }
}
