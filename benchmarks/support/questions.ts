import { question as publish } from "../publish.js";
import { question as receive } from "../receive.js";
import type { Question } from "./question.js";

/** All questions that goals are about, in the order of their table. */
export const QUESTIONS: readonly Question[] = [publish, receive];
