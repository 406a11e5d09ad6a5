import type { Server } from "node:http";
import type { Server as TlsServer } from "node:https";
import { type Clock, QueueError } from "@pullqueue/core";
import type { Authentication } from "./auth/authenticate.js";
import { openAuthentication, refreshAuthentication } from "./auth/open-authentication.js";
import type { ServerConfig } from "./config-options.js";
import type { Log } from "./log.js";
import { readTls, type TlsFiles } from "./tls.js";

/** What stands between the socket and the queues, as configured: TLS, and who may call. */
export interface Security {
  readonly tls: TlsFiles | undefined;
  /** Undefined: nobody is asked. */
  readonly authentication: Authentication | undefined;
  /** Whether there are files that may be read again. */
  readonly reloads: boolean;
  /** Reads them again for a server that goes on; never rejects. What cannot be used is logged, and changes nothing. */
  reload(server: Server): Promise<void>;
}

/** Reads the files that the configuration names. Rejects with `invalid_argument`, saying which cannot be used and why. */
export async function openSecurity(
  config: ServerConfig,
  surroundings: { readonly clock: Clock; readonly log: Log },
): Promise<Security> {
  const { log } = surroundings;
  const tls = await readTls(config);
  const authentication = await openAuthentication(config, surroundings);
  return Object.freeze({
    tls,
    authentication,
    reloads: tls !== undefined || authentication !== undefined,
    async reload(server) {
      const isTaken = tls === undefined || (await reloadTls(server as TlsServer, config, log));
      if (authentication !== undefined) await refreshAuthentication(authentication);
      // The last line must not sound as if all were well.
      if (isTaken)
        log.info("looked at certificates, tokens and keys again; what cannot be used was logged before this");
    },
  } satisfies Security);
}

/** Whether the server has the files of now. */
async function reloadTls(server: TlsServer, config: ServerConfig, log: Log): Promise<boolean> {
  try {
    const files = await readTls(config);
    // Connections that are there keep the certificate by which they were made.
    if (files !== undefined) server.setSecureContext(files);
    return true;
  } catch (error) {
    log.error({ reason: QueueError.from(error).message }, "the certificate from before stays in use");
    return false;
  }
}
