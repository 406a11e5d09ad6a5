import type { Context } from "oidc-provider";

/** A request of the token endpoint that was answered. */
export interface TokenRequestRecord {
  /** `authorization_code`, `refresh_token` or `client_credentials`. */
  readonly grantType: string;
  readonly status: number;
}

/** Answers of the token endpoint that are kept back: what they grant is granted, and nobody knows. */
export interface HeldAnswers {
  /** Resolves when the first one is there. */
  readonly reached: Promise<void>;
  /** Lets them go, and all that follow. */
  release(): void;
}

/** Sees what the token endpoint answers, and can keep it back. */
export class TokenWatch {
  readonly records: TokenRequestRecord[] = [];
  #held: { readonly reach: () => void; readonly released: Promise<void> } | undefined;

  /** Told when the endpoint has done its work; it answers when this resolves. */
  async answered({ status, oidc }: Context): Promise<void> {
    this.records.push({ grantType: String(oidc?.params?.grant_type), status });
    this.#held?.reach();
    await this.#held?.released;
  }

  hold(): HeldAnswers {
    let reach = () => {};
    let release = () => {};
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held = { reach, released };
    return {
      reached,
      release: () => {
        this.#held = undefined;
        release();
      },
    };
  }
}
