import { question as fairness } from "../fairness.js";
import { question as foreign } from "../foreign.js";
import { question as idle } from "../idle.js";
import { question as latency } from "../latency.js";
import { question as memory } from "../memory.js";
import { question as postgres } from "../postgres.js";
import { question as publish } from "../publish.js";
import { question as receive } from "../receive.js";
import { question as redis } from "../redis.js";
import { question as stored } from "../stored.js";
import type { Question } from "./question.js";

/** All questions that goals are about, in the order of their table. */
export const QUESTIONS: readonly Question[] = [
  publish,
  receive,
  latency,
  postgres,
  redis,
  memory,
  stored,
  idle,
  foreign,
  fairness,
];
