import { isKombuError, KombuError, type KombuErrorCode } from "../errors.js";

/** The door through which amqplib's errors enter. */

/** AMQP's reply codes in our words; docs/kombu-features.md shows them. */
export const CODE_OF_REPLY: Readonly<Record<number, KombuErrorCode>> = {
  311: "too_large",
  312: "unroutable",
  313: "unroutable",
  320: "unavailable",
  402: "not_found",
  403: "permission_denied",
  404: "not_found",
  // A queue that belongs to another connection.
  405: "precondition_failed",
  406: "precondition_failed",
  // Mistakes of the client or the broker in the protocol itself.
  501: "internal",
  502: "internal",
  503: "internal",
  504: "internal",
  505: "internal",
  506: "resource_exhausted",
  530: "permission_denied",
  540: "not_supported",
  541: "unavailable",
};

/** A broken channel or connection: nobody can say what became of what was not answered. */
export function unavailable(what: string, cause?: unknown): KombuError {
  return new KombuError("unavailable", what, { cause });
}

/** An error of a channel or a call on it. `doing` says what was tried. */
export function fromClientError(error: unknown, doing: string): KombuError {
  if (isKombuError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  const reply = replyCodeOf(error);
  if (reply !== undefined) {
    return new KombuError(CODE_OF_REPLY[reply] ?? "internal", `${doing}: ${readable(text)}`, {
      cause: error,
    });
  }
  if (error instanceof RangeError && text.includes("table")) {
    return new KombuError("too_large", `${doing}: the headers are larger than the client can write`, {
      cause: error,
    });
  }
  if (error instanceof TypeError) {
    return new KombuError("invalid_argument", `${doing}: ${text}`, { cause: error });
  }
  return unavailable(`${doing}: the connection to the broker broke (${text})`, error);
}

/** An error of connecting. `where` is the broker's address without a password. */
export function fromConnectError(error: unknown, where: string): KombuError {
  if (isKombuError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = String((error as { readonly code?: unknown } | null)?.code ?? "");
  // Another protocol's first letters, read as a frame, whose size may have any digits.
  if (/^Frame size \d+ exceeds/.test(text)) {
    const why = `what answers at ${where} does not speak AMQP (${text}); is this the right port?`;
    return new KombuError("invalid_argument", why, { cause: error });
  }
  if (/403|ACCESS.REFUSED/.test(text)) {
    return new KombuError("unauthenticated", `the broker at ${where} refused the user or the password`, {
      cause: error,
    });
  }
  if (/Expected ConnectionOpenOk|NOT.ALLOWED/.test(text)) {
    const why = `the broker at ${where} refused the virtual host: it is not there, or this user may not use it`;
    return new KombuError("permission_denied", why, { cause: error });
  }
  if (/CERT|ERR_TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    const why = `the certificate of the broker at ${where} is not trusted (${text}); name its authority in caFile`;
    return new KombuError("unauthenticated", why, { cause: error });
  }
  const hint = HINTS.find(([pattern]) => pattern.test(text))?.[1] ?? "";
  return unavailable(`the broker at ${where} cannot be reached: ${text}${hint}`, error);
}

/** What may be the matter with a connection that was not opened, where amqplib's words do not say it. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/connect ETIMEDOUT/, "; it is away or hangs, or what answers there does not speak AMQP"],
  [/closed abruptly during opening/, "; is this AMQP's port, and does it expect TLS (amqps)?"],
];

/** Amqplib gives a reply code as a number; a socket's error has a text there. */
function replyCodeOf(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - no queue 'q'"` without its wrapping. */
function readable(text: string): string {
  return /with message "(.*)"$/s.exec(text)?.[1] ?? text;
}
