import { timingSafeEqual } from "node:crypto";
import { type Clock, QueueError } from "@pullqueue/core";
import { TOKENS_LOOK_MS } from "../limits.js";
import type { Log } from "../log.js";
import type { TokenVerifier } from "./authenticate.js";
import { invalidCredentials } from "./bearer.js";
import { hashOf } from "./own-tokens.js";
import type { Principal } from "./principal.js";
import type { StoredToken } from "./stored-token.js";
import { type FileState, fileStateOf, readTokenFile } from "./token-file.js";
import type { TokenShape } from "./token-shape.js";

/**
 * The tokens of `pullqueue token create`. The file is looked at again with the first token that comes `TOKENS_LOOK_MS` after
 * the last look, so that a token that was made or revoked counts at once and an idle server does nothing. A file that has
 * become unreadable changes nothing, and the log says so; one that was removed holds no tokens.
 */
export class StaticTokens implements TokenVerifier {
  readonly name = "tokens made with `pullqueue token create`";
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log | undefined;
  #tokens: ReadonlyMap<string, StoredToken> = new Map();
  #state: FileState | undefined;
  #lookedAtUs = 0;
  #looking: Promise<void> | undefined;

  /** Call `open` before use. */
  constructor(path: string, clock: Clock, log: Log | undefined) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** Reads the file. Rejects with `invalid_argument` when it cannot be used, so that a server does not start without its tokens. */
  async open(): Promise<this> {
    await this.#load();
    this.#lookedAtUs = this.#clock.nowUs();
    return this;
  }

  accepts({ kind }: TokenShape): boolean {
    return kind === "own";
  }

  async verify(token: string): Promise<Principal> {
    const nowUs = this.#clock.nowUs();
    if (nowUs - this.#lookedAtUs >= TOKENS_LOOK_MS * 1000) await this.refresh();
    const hash = hashOf(token);
    const stored = this.#tokens.get(hash.toString("hex"));
    // The look-up compares in whatever time; what it leaks is of a hash, which nobody can choose a prefix of.
    if (stored === undefined || !timingSafeEqual(Buffer.from(stored.sha256, "hex"), hash)) {
      throw invalidCredentials(
        "the token is not known here, or has been revoked; ask the operator of this server",
      );
    }
    if (stored.expiresAtUs !== undefined && stored.expiresAtUs <= nowUs) {
      throw invalidCredentials("the token has expired; ask the operator of this server for another");
    }
    return stored;
  }

  /** Looks whether the file has changed, and takes over what is in it; never rejects. Callers at the same time share one look. */
  refresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#lookedAtUs = this.#clock.nowUs();
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    try {
      if ((await fileStateOf(this.#path)) !== this.#state) await this.#load();
    } catch (error) {
      const { message } = QueueError.from(error);
      this.#log?.error({ reason: message }, "the tokens could not be read again; those from before count");
    }
  }

  async #load(): Promise<void> {
    // Taken before the file is read: what is written in between is seen by the next look.
    this.#state = await fileStateOf(this.#path);
    const tokens = await readTokenFile(this.#path);
    this.#tokens = new Map(tokens.map((token) => [token.sha256, token]));
  }
}
