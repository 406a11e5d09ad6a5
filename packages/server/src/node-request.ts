import type { IncomingMessage, ServerResponse } from "node:http";
import { BASE_PATH } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";
import { rememberWaiting } from "./broken-connection.js";
import { UNCOUNTED_BODY_BYTES_MAX } from "./limits.js";

/**
 * Calls of the API straight from Node's parser. Fetch's objects cost more than all that a small call does, so those that need
 * nothing of them go without: usual methods, paths and hosts that no URL parser would rewrite, headers that are there once,
 * bodies of a known, small size. Everything else takes the general way, through a `Request`.
 */

const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** Characters that a URL parser leaves as they are, in paths and queries alike. */
const PLAIN_TARGET = /^[\w\-.~!$&()*+,;=:@%/?]*$/;

/** What a URL parser would resolve, encoded or not. */
const DOT_SEGMENT = /\/(?:\.|%2e)/i;

/** Ports with four digits or more: a parser leaves out those that are a scheme's default. */
const PLAIN_HOST = /^[a-z0-9.-]+(?::[1-9]\d{3,4})?$/;

/** A request as the API needs it, or undefined for one that has to go the general way. */
export function nodeRequest(incoming: IncomingMessage, outgoing: ServerResponse): ApiRequest | undefined {
  const { method = "", url = "", headers, rawHeaders } = incoming;
  if (!METHODS.has(method) || !url.startsWith(BASE_PATH)) return undefined;
  if (!PLAIN_TARGET.test(url) || DOT_SEGMENT.test(url)) return undefined;
  if (headers.host === undefined || !PLAIN_HOST.test(headers.host)) return undefined;
  if (headers["transfer-encoding"] !== undefined) return undefined;
  const length = headers["content-length"];
  if (length !== undefined && Number(length) > UNCOUNTED_BODY_BYTES_MAX) return undefined;
  if (Object.keys(headers).length * 2 !== rawHeaders.length) return undefined;
  return new NodeRequest(incoming, outgoing);
}

class NodeRequest implements ApiRequest {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  #signal: AbortSignal | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  get method(): string {
    return this.#incoming.method!;
  }

  get url(): string {
    const scheme = "encrypted" in this.#incoming.socket ? "https" : "http";
    return `${scheme}://${this.#incoming.headers.host}${this.#incoming.url}`;
  }

  get headers(): ApiRequest["headers"] {
    return this;
  }

  /** A header; each is there once, so that Node's table has it as it came. */
  get(name: string): string | null {
    return (this.#incoming.headers[name] as string | undefined) ?? null;
  }

  has(name: string): boolean {
    return this.#incoming.headers[name] !== undefined;
  }

  /** Made when somebody asks: most calls are over before a signal could tell anything. */
  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.#outgoing);
    return this.#signal;
  }

  hasGone(): boolean {
    return this.#outgoing.destroyed;
  }

  willWait(): () => void {
    return rememberWaiting(this.#incoming.socket, this.#outgoing);
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  }

  arrayBuffer(): Promise<Uint8Array> {
    const incoming = this.#incoming;
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      const end = () => {
        if (incoming.complete) resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
        else reject(new Error("the connection was closed"));
      };
      if (incoming.destroyed) end();
      incoming.on("data", (piece: Buffer) => void pieces.push(piece));
      incoming.on("end", end);
      // An early end is told by this alone: without a listener for it, there is no error.
      incoming.on("close", end);
    });
  }
}

function signalOf(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const abort = () => {
    if (!outgoing.writableFinished) controller.abort();
  };
  if (outgoing.destroyed) abort();
  else outgoing.once("close", abort);
  return controller.signal;
}
