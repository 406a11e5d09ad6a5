import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** What ioredis gives its way of connecting. */
export interface ConnectorOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly tls?: object;
}

/** A way of connecting, as ioredis wants one. */
export interface RedisConnector {
  connect(emit: (type: string, error: Error) => void): Promise<Socket>;
}

/** Its class. */
export type RedisConnectorClass = new (options: never) => RedisConnector;

/**
 * Sockets of ioredis whose errors never end the process: its own listens for the first error of each, and one whose
 * certificate is refused has a second, which nobody would hear.
 */
export class GuardedConnector implements RedisConnector {
  /** What went wrong before ioredis listened. */
  firstError: Error | undefined;
  readonly #options: ConnectorOptions;
  #socket: Socket | undefined;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** Any server will do that answers at the address. */
  check(): boolean {
    return true;
  }

  async connect(): Promise<Socket> {
    const { host, port, path, tls } = this.#options;
    const place = path === undefined ? { host, port: port ?? 0 } : { path };
    const socket = tls === undefined ? connect(place) : connectTls({ ...place, ...tls });
    this.#socket = guarded(socket, (error) => {
      this.firstError ??= error;
    });
    return this.#socket;
  }

  /** At once: nothing is under way that somebody still waits for. */
  disconnect(): void {
    this.#socket?.destroy();
  }
}

/** The same for a class of ioredis that asks sentinels where to connect to. */
export function guardedSentinels(Base: new (options: never) => RedisConnector): RedisConnectorClass {
  return class extends Base {
    override async connect(emit: (type: string, error: Error) => void): Promise<Socket> {
      return guarded(await super.connect(emit), () => {});
    }
  };
}

function guarded(socket: Socket, onError: (error: Error) => void): Socket {
  return socket.on("error", onError);
}
