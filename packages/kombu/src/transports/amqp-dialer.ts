import { readFile } from "node:fs/promises";
import { KombuError } from "../errors.js";
import { AMQP_FRAME_BYTES_MAX } from "../limits.js";
import type { AmqpSettings } from "../options.js";
import { passwordNow } from "../password.js";
import type { TransportContext } from "../transport.js";
import { linkSignals, orAbort } from "../waiting.js";
import { type ClientAddress, type ClientSocketOptions, loadClientLibrary } from "./amqp-client.js";
import type { AmqpDialer } from "./amqp-connection.js";
import { fromConnectError } from "./amqp-errors.js";
import { AmqpLink } from "./amqp-link.js";

const MS_PER_SECOND = 1000;

/** Opens connections to the broker of these settings, a new one with each call. Error: `not_supported` without amqplib. */
export async function amqpDialer(settings: AmqpSettings, { clock }: TransportContext): Promise<AmqpDialer> {
  const library = await loadClientLibrary();
  const where = `${settings.host}:${settings.port}`;
  return async (signal) => {
    const { connectTimeoutMs: timeoutMs } = settings;
    const password = await passwordNow(settings.password, { clock, timeoutMs, where, signal });
    // Read each time, because certificates are renewed in place.
    const socket = { ...socketOptions(settings), ...(settings.ssl ? await tlsOptions(settings) : {}) };
    // Followed until the connection is open: how that ends is its own affair.
    const opening = linkSignals(signal);
    const options = { ...socket, signal: opening.signal };
    try {
      const connecting = library.connect(addressOf(settings, password), options);
      return new AmqpLink(await orAbort(connecting, signal), clock);
    } catch (error) {
      throw fromConnectError(error, where);
    } finally {
      opening.end();
    }
  };
}

function addressOf(settings: AmqpSettings, password: string): ClientAddress {
  const { ssl, host, port, userId, virtualHost, heartbeatMs } = settings;
  return {
    protocol: ssl ? "amqps" : "amqp",
    hostname: host,
    port,
    username: userId,
    password,
    vhost: encodeURIComponent(virtualHost),
    heartbeat: Math.ceil(heartbeatMs / MS_PER_SECOND),
    frameMax: AMQP_FRAME_BYTES_MAX,
  };
}

function socketOptions({ connectTimeoutMs }: AmqpSettings): Omit<ClientSocketOptions, "signal"> {
  return {
    timeout: connectTimeoutMs,
    noDelay: true,
    clientProperties: { product: "pullqueue", information: "https://www.npmjs.com/package/@pullqueue/kombu" },
  };
}

/** Certificates are checked unless somebody says otherwise. */
async function tlsOptions(
  settings: AmqpSettings,
): Promise<Pick<ClientSocketOptions, "ca" | "cert" | "key" | "rejectUnauthorized">> {
  const { caFile, certFile, keyFile, verifyCertificate } = settings;
  return {
    rejectUnauthorized: verifyCertificate,
    ...(caFile === undefined ? {} : { ca: await fileOf(caFile) }),
    ...(certFile === undefined ? {} : { cert: await fileOf(certFile) }),
    ...(keyFile === undefined ? {} : { key: await fileOf(keyFile) }),
  };
}

async function fileOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new KombuError("invalid_argument", `the file ${path} of the connection's options cannot be read`, {
      cause,
    });
  }
}
