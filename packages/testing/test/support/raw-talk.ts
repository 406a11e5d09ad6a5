import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

/** Plain TCP, for what no HTTP client would send. */

/** How long a server may take to end a connection that it should end, in milliseconds, on a busy machine. */
const ENDS_MS = 15_000;

/** What can be said about a conversation. */
export interface TalkOptions {
  /** Closes our side when all is sent. Default: it stays open until the server closes. */
  readonly finish?: boolean;
}

/** Sends bytes and gives all that came until the server closed. Rejects when it does not close. */
export function talk(
  url: string,
  bytes: string | Uint8Array,
  { finish = false }: TalkOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(url);
    let received = "";
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the server kept the connection after ${JSON.stringify(received.slice(0, 300))}`));
    }, ENDS_MS);
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    // A server that refuses may close before it has read everything.
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(received);
    });
    if (finish) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** The status codes of the answers, in their order. */
export function statusesOf(received: string): readonly number[] {
  return [...received.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]));
}

/** So many connections that say nothing. */
export async function idleConnections(url: string, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  // A hundred at a time: the system's queue for new ones is not endless.
  while (sockets.length < count) {
    const group = Array.from({ length: Math.min(100, count - sockets.length) }, () => open(url));
    await Promise.all(group.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    for (const socket of group) socket.on("error", () => {});
    sockets.push(...group);
  }
  return sockets;
}

/** Memory of a process that is in RAM, in MiB. */
export function residentMib(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

function open(url: string): Socket {
  return connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
}
