import { connect, type Socket } from "node:net";

/** A plain TCP connection to a server, for what no HTTP client would send. */
export class RawSocket {
  readonly #socket: Socket;
  #received = "";
  /** Resolves when the connection is closed, with everything that came. */
  readonly closed: Promise<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
    });
    this.closed = new Promise((resolve) => {
      socket.on("error", () => {});
      socket.on("end", () => socket.end());
      socket.on("close", () => resolve(this.#received));
    });
  }

  /** Connects. The receiving side stays open after `finish()`; when the server closes, so does this end. */
  static async open(port: number): Promise<RawSocket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawSocket(socket);
  }

  send(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Closes the sending side only (FIN). */
  finish(): void {
    this.#socket.end();
  }

  /** Closes both sides at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Closes with a reset (RST), as a crash does. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Resolves with what has come so far, as soon as it matches. */
  async receives(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      await new Promise<void>((resolve, reject) => {
        this.#socket.once("data", () => resolve());
        this.#socket.once("close", () => reject(new Error(`closed after ${JSON.stringify(this.#received)}`)));
      });
    }
    return this.#received;
  }
}
