import type { Clock } from "../clock.js";

/** Options of credentials, proved and complete. */
export interface SourceOptions {
  readonly clock: Clock;
  /** Undefined: nobody asked for any. */
  readonly scopes: readonly string[] | undefined;
  readonly audience: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onWarning: (message: string) => void;
}
