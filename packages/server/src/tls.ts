import type { Server } from "node:http";
import type { Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { QueueError } from "@pullqueue/core";
import { readTextFile } from "./config.js";

/** TLS by files, so that no proxy is needed. */

/** What Node needs to answer over TLS. */
export interface TlsFiles {
  /** The certificate, and the chain above it, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM. */
  readonly key: string;
  /** RFC 8996 ended what came before 1.2. */
  readonly minVersion: "TLSv1.2";
}

/** Reads the files that the configuration names; undefined without them. Error: `invalid_argument` for files that do not serve. */
export async function readTls(config: {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
}): Promise<TlsFiles | undefined> {
  const { tlsCert, tlsKey } = config;
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const files: TlsFiles = {
    cert: await readTextFile(tlsCert, "--tls-cert (PULLQUEUE_TLS_CERT)"),
    key: await readTextFile(tlsKey, "--tls-key (PULLQUEUE_TLS_KEY)"),
    minVersion: "TLSv1.2",
  };
  try {
    createSecureContext(files);
    return files;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new QueueError(
      "invalid_argument",
      `--tls-cert ${JSON.stringify(tlsCert)} and --tls-key ${JSON.stringify(tlsKey)} must be a certificate and its private key in PEM, without a passphrase: ${said}`,
      { cause },
    );
  }
}

/** Remembers a server's sockets, and gives a function that ends them: those still in a handshake are no connections yet to Node's HTTP. */
export function trackSockets(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
