import type { FailoverStrategy, PlaceTarget, TransportOpener } from "./options.js";
import type { RetryPolicy } from "./retry.js";
import type { UriOptions } from "./transport-uri.js";

/** Where a connection goes: a name to show, and how to open it. */
export interface ConnectionAddress {
  readonly transport: string;
  /** What it was made from. */
  readonly target: PlaceTarget;
  /** All that holds for its transport, as far as everybody may see it. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly holdMsMax: number | undefined;
  /** Everything that makes it another place than others, secrets too: for `isSamePlace` alone. */
  readonly identity: ReadonlyMap<PropertyKey, unknown>;
  /** How opening it is tried again. Undefined: nothing was said. */
  readonly retry: RetryPolicy | undefined;
  readonly open: TransportOpener;
  uri(options: UriOptions): string;
}

/** What a connection is made of, without its secrets: what `info()` gives. */
export interface ConnectionInfo {
  /** The transport's name. */
  readonly transport: string;
  /** Where the connection goes now, as a URL, its password masked. */
  readonly uri: string;
  /** Every place that it may go to, in the same way. */
  readonly alternates: readonly string[];
  readonly failoverStrategy: FailoverStrategy;
  /** All that holds for the transport, defaults included, by our names and in our units; secrets are left out. */
  readonly transportOptions: Readonly<Record<string, unknown>>;
}
