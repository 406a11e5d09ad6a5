import { KombuError } from "../errors.js";
import { writeNumber } from "../python-json.js";
import { isoText } from "../python-time.js";
import { type YamlStyle, yamlEscape, yamlStyle } from "./yaml-scalars.js";

/** YAML as PyYAML's `safe_dump` writes it with its defaults, so that what we store is byte for byte what kombu stores. */

/** Where lines are folded, and how far a level is indented, in characters. PyYAML's. */
const WIDTH = 80;
const INDENT = 2;

/** A key of this many characters, its tag `!!str` included, stands behind a question mark. PyYAML's. */
const SIMPLE_KEY_LENGTH = 128 - "!!str".length;

/** What ends a line in YAML 1.1. */
const LINE_BREAK = /[\n\x85\u2028\u2029]/;

/** Characters in a line of base64. Python's `base64.encodebytes`. */
const BASE64_LINE = 76;

/** The YAML text of plain data: what `plainValue` returns. */
export function writePythonYaml(value: unknown): string {
  return new Writer().document(value);
}

/** PyYAML's emitter: a text, and what is known about its end. */
class Writer {
  #text = "";
  /** Of the line that is being written, in characters. */
  #column = 0;
  #indent: number | undefined;
  /** The last character was white space, or an indicator that needs none behind it. */
  #isSpaced = true;
  /** Nothing but indentation and indicators stands in this line. */
  #isIndentation = true;

  document(value: unknown): string {
    this.#node(value, { isValue: false });
    this.#newLine();
    // Nothing else marks where a plain text ends that is the whole document.
    if (isPlainScalar(value)) {
      this.#indicator("...");
      this.#newLine();
    }
    return this.#text;
  }

  #node(value: unknown, { isValue }: { readonly isValue: boolean }): void {
    if (Array.isArray(value)) this.#sequence(value, isValue);
    else if (isMapping(value)) this.#mapping(value);
    else this.#scalar(value, true);
  }

  #sequence(items: readonly unknown[], isValue: boolean): void {
    if (items.length === 0) {
      this.#empty("[", "]");
      return;
    }
    // A list that is a mapping's value stands no deeper than its key.
    this.#nested(isValue && !this.#isIndentation ? 0 : INDENT, () => {
      for (const item of items) {
        this.#newLine();
        this.#indicator("-", { isIndentation: true });
        this.#node(item, { isValue: false });
      }
    });
  }

  #mapping(members: Readonly<Record<string, unknown>>): void {
    const names = Object.keys(members).sort(byCodePoint);
    if (names.length === 0) {
      this.#empty("{", "}");
      return;
    }
    this.#nested(INDENT, () => {
      for (const name of names) {
        this.#newLine();
        if (isSimpleKey(name)) {
          this.#scalar(name, false);
          this.#indicator(":", { isTight: true });
        } else {
          this.#indicator("?", { isIndentation: true });
          this.#scalar(name, true);
          this.#newLine();
          this.#indicator(":", { isIndentation: true });
        }
        this.#node(members[name], { isValue: true });
      }
    });
  }

  #empty(open: string, close: string): void {
    this.#indicator(open);
    this.#indicator(close, { isTight: true });
  }

  /** The outermost block is not indented; a scalar's further lines always are. */
  #nested(by: number, write: () => void, isScalar = false): void {
    const outer = this.#indent;
    this.#indent = outer === undefined ? (isScalar ? INDENT : 0) : outer + by;
    write();
    this.#indent = outer;
  }

  #scalar(value: unknown, mayFold: boolean): void {
    this.#nested(INDENT, () => this.#scalarText(value, mayFold), true);
  }

  #scalarText(value: unknown, mayFold: boolean): void {
    if (value instanceof Uint8Array) this.#binary(value);
    else if (typeof value !== "string") this.#plain([...literal(value)], mayFold);
    else this.#styled(yamlStyle(value), [...value], mayFold);
  }

  #styled(style: YamlStyle, text: readonly string[], mayFold: boolean): void {
    if (style === "plain") this.#plain(text, mayFold);
    else if (style === "single") this.#singleQuoted(text, mayFold);
    else this.#doubleQuoted(text, mayFold);
  }

  #plain(text: readonly string[], mayFold: boolean): void {
    if (!this.#isSpaced) this.#put(" ");
    this.#isSpaced = false;
    this.#isIndentation = false;
    for (const [index, word] of wordsOf(text).entries()) {
      const folds = mayFold && word === " " && index > 0 && this.#column > WIDTH;
      if (folds) this.#newLine();
      else this.#put(word);
      if (folds) this.#isSpaced = this.#isIndentation = false;
    }
  }

  #singleQuoted(text: readonly string[], mayFold: boolean): void {
    this.#indicator("'");
    const words = wordsOf(text);
    for (const [index, word] of words.entries()) {
      const isInner = index > 0 && index < words.length - 1;
      if (word.startsWith("\n")) this.#breaks(word);
      else if (word === " " && isInner && mayFold && this.#column > WIDTH) this.#newLine();
      else this.#put(word.replaceAll("'", "''"));
    }
    this.#indicator("'", { isTight: true });
  }

  /** One line feed in a quoted text is two in the file, because one alone is read as a space. */
  #breaks(feeds: string): void {
    for (let count = 0; count <= feeds.length; count++) this.#lineBreak();
    this.#pad();
  }

  #doubleQuoted(text: readonly string[], mayFold: boolean): void {
    this.#indicator('"');
    let run = "";
    for (const [index, character] of text.entries()) {
      const folds = (column: number) => mayFold && index > 0 && index < text.length - 1 && column > WIDTH;
      const escaped = yamlEscape(character);
      if (escaped !== undefined) {
        this.#put(run + escaped);
        run = "";
        if (folds(this.#column - 1)) this.#foldBefore(text[index + 1]!);
        continue;
      }
      if ((character === " " || run === "") && folds(this.#column + run.length)) {
        this.#put(run);
        run = "";
        this.#foldBefore(character);
      }
      run += character;
    }
    this.#put(run);
    this.#indicator('"', { isTight: true });
  }

  /** White space at the beginning of a line is lost, unless a backslash stands before it. */
  #foldBefore(next: string): void {
    this.#put("\\");
    this.#newLine();
    this.#isSpaced = this.#isIndentation = false;
    if (next === " ") this.#put("\\");
  }

  #binary(bytes: Uint8Array): void {
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
    this.#indicator("!!binary");
    if (base64 === "") {
      this.#doubleQuoted([], false);
      return;
    }
    this.#indicator("|");
    this.#lineBreak();
    for (let at = 0; at < base64.length; at += BASE64_LINE) {
      this.#pad();
      this.#put(base64.slice(at, at + BASE64_LINE));
      this.#lineBreak();
    }
  }

  #indicator(
    mark: string,
    { isTight = false, isIndentation = false }: { isTight?: boolean; isIndentation?: boolean } = {},
  ): void {
    this.#put(this.#isSpaced || isTight ? mark : ` ${mark}`);
    this.#isSpaced = mark === "[" || mark === "{";
    this.#isIndentation = this.#isIndentation && isIndentation;
  }

  /** Begins a line at the present indentation, unless one has just begun there. */
  #newLine(): void {
    const indent = this.#indent ?? 0;
    const isThere = this.#column < indent || (this.#column === indent && this.#isSpaced);
    if (!this.#isIndentation || !isThere) this.#lineBreak();
    this.#pad();
  }

  #pad(): void {
    const missing = (this.#indent ?? 0) - this.#column;
    if (missing <= 0) return;
    this.#isSpaced = true;
    this.#put(" ".repeat(missing));
  }

  #lineBreak(): void {
    this.#text += "\n";
    this.#isSpaced = this.#isIndentation = true;
    this.#column = 0;
  }

  #put(text: string): void {
    this.#text += text;
    this.#column += [...text].length;
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array)
  );
}

function isPlainScalar(value: unknown): boolean {
  if (typeof value === "string") return yamlStyle(value) === "plain";
  return !Array.isArray(value) && !isMapping(value) && !(value instanceof Uint8Array);
}

function isSimpleKey(name: string): boolean {
  return name !== "" && !LINE_BREAK.test(name) && [...name].length < SIMPLE_KEY_LENGTH;
}

/** Runs of spaces, runs of line feeds, and what stands between them. */
function wordsOf(text: readonly string[]): readonly string[] {
  return text.join("").match(/ +|\n+|[^ \n]+/g) ?? [];
}

function literal(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Date) return isoText(value, " ");
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new KombuError("internal", `YAML has no word for a ${typeof value}`);
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  const text = writeNumber(value);
  // A number with an exponent must have a point, or YAML takes it for a text.
  return text.includes("e") && !text.includes(".") ? text.replace("e", ".0e") : text;
}

/** Python compares texts by code points, JavaScript by UTF-16. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
