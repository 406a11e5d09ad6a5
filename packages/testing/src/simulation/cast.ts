import type { Prng } from "../prng.js";
import { administrate } from "./administrator.js";
import type { ClientProcess } from "./client.js";
import { consume } from "./kombu-worker.js";
import { produce } from "./producer.js";
import type { Stage } from "./stage.js";
import { work } from "./worker.js";

/** A part in a world: a client that dies is followed by another with the same one. */
export interface Actor {
  readonly name: string;
  readonly play: (client: ClientProcess, stage: Stage) => Promise<void>;
}

/** Somebody looks after the dead letters as after any queue. */
function bury(client: ClientProcess, stage: Stage): Promise<void> {
  return work(client, { ...stage, queues: [stage.deadLetters] });
}

/** Who plays in a seed's world: at least a producer and a worker. */
export function castOf(chance: Prng): readonly Actor[] {
  const several = (name: string, least: number, most: number, play: Actor["play"]) =>
    Array.from({ length: chance.integer(least, most) }, (_, index) => ({ name: `${name}${index}`, play }));
  return [
    ...several("p", 1, 3, produce),
    ...several("w", 1, 3, work),
    ...several("k", 0, 2, consume),
    ...several("d", 0, 1, bury),
    ...several("a", 0, 2, administrate),
  ];
}
