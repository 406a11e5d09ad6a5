import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@pullqueue/core";
import { BROKEN_GRACE_MS } from "./limits.js";

/**
 * Connections whose end comes before all of their answers. What was whole before something unreadable came is done, and is
 * answered in its turn; only then comes the refusal. Who waits for tasks is hung up on, and nothing takes long.
 */

/** Answers whose turn has not come, by their connection: when it ends, Node tells only the one whose turn it is. */
const QUEUED = new WeakMap<Duplex, Set<ServerResponse>>();

/** Answers for which there is nothing to say yet; one that has something is sent, because a task may hang on it. */
const WAITING = new WeakSet<ServerResponse>();

/** Connections that end as soon as what they owe is paid, or the grace is over. */
const BROKEN = new WeakSet<Duplex>();

/** Sees to it that the answer to a pipelined request closes with its connection, as others do. */
export function rememberQueued(socket: Duplex, answer: ServerResponse): void {
  const queued = QUEUED.get(socket) ?? newQueue(socket);
  queued.add(answer);
  answer.once("close", () => queued.delete(answer));
}

function newQueue(socket: Duplex): Set<ServerResponse> {
  const queued = new Set<ServerResponse>();
  QUEUED.set(socket, queued);
  socket.once("close", () => {
    for (const answer of queued) if (answer.socket === null) hangUp(answer);
  });
  return queued;
}

/** Says that a call waits until there is something to answer, so that it ends at once when its connection breaks; and gives what to call then. */
export function rememberWaiting(socket: Duplex, answer: ServerResponse): () => void {
  if (BROKEN.has(socket)) hangUp(answer);
  else WAITING.add(answer);
  return () => WAITING.delete(answer);
}

/** Ends a connection: whole requests get their answers, for a moment; then `refuse` is called, if the socket can still be written to. */
export function endBroken(socket: Duplex, clock: Clock, refuse: () => void): void {
  // More of the same, or a time limit: the end is on its way.
  if (BROKEN.has(socket)) return;
  if (!socket.writable) return void socket.destroy();
  BROKEN.add(socket);
  socket.once(
    "close",
    clock.timer(BROKEN_GRACE_MS, () => socket.destroy()),
  );
  const pending = [currentAnswer(socket), ...(QUEUED.get(socket) ?? [])];
  for (const answer of pending) if (answer !== undefined && WAITING.has(answer)) hangUp(answer);
  afterPending(socket, refuse);
}

function afterPending(socket: Duplex, refuse: () => void): void {
  if (!socket.writable) return;
  const answer = currentAnswer(socket);
  // Node has given the next answer its turn by then: its own listener is older.
  if (answer?.req.complete === true) answer.once("finish", () => afterPending(socket, refuse));
  // What came before the request was whole is its answer; bytes written into that would corrupt it.
  else if (answer?.headersSent === true) socket.destroy();
  else refuse();
}

/** Node keeps the answer whose turn it is on its sockets. */
function currentAnswer(socket: Duplex): ServerResponse | undefined {
  return "_httpMessage" in socket ? ((socket._httpMessage as ServerResponse | null) ?? undefined) : undefined;
}

/** What happens to an answer whose client goes away; its connection ends when its turn comes. */
function hangUp(answer: ServerResponse): void {
  answer.destroy();
  // Otherwise the socket tells.
  if (answer.socket === null) answer.emit("close");
}
