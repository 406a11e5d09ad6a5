import { QueueError } from "@pullqueue/core";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type ParsedNode,
} from "yaml";
import { YAML_ALIASES_MAX } from "./limits.js";

/** A value with the line of its key. */
export interface YamlField {
  readonly value: unknown;
  readonly line: number;
}

/** The fields of a mapping by key. */
export type YamlMapping = ReadonlyMap<string, YamlField>;

/** Where a reader puts what it finds. */
export interface YamlListener {
  complain(complaint: string): void;
  warn(warning: string): void;
}

/** Reads the nodes of a YAML document by expected type; what is different becomes a complaint with its line. */
export class YamlReader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #listener: YamlListener;
  #aliases = 0;

  constructor(document: Document.Parsed, lines: LineCounter, listener: YamlListener) {
    this.#document = document;
    this.#lines = lines;
    this.#listener = listener;
  }

  /** The fields of a mapping; an empty one after a complaint. */
  mapping(value: unknown, what: string, line = 1): YamlMapping {
    const node = this.#resolve(value);
    const fields = new Map<string, YamlField>();
    if (!isMap(node)) {
      this.complain(
        this.lineOf(value, line),
        `${what} must be a mapping (key: value), got ${describe(node)}`,
      );
      return fields;
    }
    for (const { key, value: fieldValue } of node.items) {
      const keyLine = this.lineOf(key, line);
      if (isScalar(key)) fields.set(String(key.value), { value: fieldValue, line: keyLine });
      else this.complain(keyLine, `a key of ${what} must be a word, got ${describe(key)}`);
    }
    return fields;
  }

  /** The elements of a list; none after a complaint. */
  sequence(value: unknown, what: string, line: number): readonly unknown[] {
    const node = this.#resolve(value);
    if (isSeq(node)) return node.items;
    if (!isNothing(node)) {
      this.complain(this.lineOf(value, line), `${what} must be a list (- …), got ${describe(node)}`);
    }
    return [];
  }

  /** A scalar's text as it stands in the file, so that a queue may be called 007. */
  text({ value, line }: YamlField, what: string): string | undefined {
    const node = this.#resolve(value);
    if (isScalar(node) && node.value !== null) return node.source ?? String(node.value);
    this.complain(this.lineOf(value, line), `${what} must be a text, got ${describe(node)}`);
    return undefined;
  }

  /** A whole number. */
  integer({ value, line }: YamlField, what: string): number | undefined {
    const node = this.#resolve(value);
    if (isScalar(node) && Number.isSafeInteger(node.value)) return node.value as number;
    this.complain(this.lineOf(value, line), `${what} must be a whole number, got ${describe(node)}`);
    return undefined;
  }

  /** True or false. */
  boolean({ value, line }: YamlField, what: string): boolean | undefined {
    const node = this.#resolve(value);
    if (isScalar(node) && typeof node.value === "boolean") return node.value;
    this.complain(this.lineOf(value, line), `${what} must be true or false, got ${describe(node)}`);
    return undefined;
  }

  /** Complains of each key that is not one of these. */
  refuseUnknown(mapping: YamlMapping, known: readonly string[], what: string): void {
    for (const [key, { line }] of mapping) {
      if (!known.includes(key)) {
        this.complain(line, `unknown key "${key}" in ${what}; known are ${known.join(", ")}`);
      }
    }
  }

  complain(line: number, complaint: string): void {
    this.#listener.complain(`line ${line}: ${complaint}`);
  }

  warn(line: number, warning: string): void {
    this.#listener.warn(`line ${line}: ${warning}`);
  }

  /** The line on which a node begins, or the one given when it has none (an empty value). */
  lineOf(value: unknown, otherwise: number): number {
    const range = (value as ParsedNode | null | undefined)?.range;
    return range ? this.#lines.linePos(range[0]).line : otherwise;
  }

  #resolve(value: unknown): Node | null | undefined {
    if (!isAlias(value)) return value as Node | null | undefined;
    this.#aliases += 1;
    if (this.#aliases > YAML_ALIASES_MAX) {
      throw new QueueError(
        "invalid_argument",
        `line ${this.lineOf(value, 1)}: at most ${YAML_ALIASES_MAX} aliases (*name) are followed`,
      );
    }
    return value.resolve(this.#document);
  }
}

function isNothing(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

function describe(node: unknown): string {
  if (isNothing(node)) return "nothing";
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  return isScalar(node) ? JSON.stringify(node.value) : "something else";
}
