import { KombuError } from "../errors.js";
import { requireOptional } from "../optional-module.js";
import { type PlainFormat, plainValue, withNumbers } from "../plain-value.js";
import type { Serializer } from "../serializer.js";
import { decodeText } from "../text-encoding.js";
import { IMPLICIT_TEXTS } from "./yaml-scalars.js";
import { writePythonYaml } from "./yaml-writer.js";

/** What is used of https://www.npmjs.com/package/yaml. */
interface YamlLibrary {
  parseDocument(
    text: string,
    options: {
      readonly version: "1.1";
      readonly intAsBigInt: true;
      readonly uniqueKeys: false;
      readonly customTags: (tags: readonly YamlTag[]) => readonly YamlTag[];
    },
  ): YamlDocument;
}

/** How the library reads one kind of value; some stand there by name. */
type YamlTag =
  | string
  | {
      readonly tag: string;
      /** The texts that need no tag. */
      readonly test?: { test(text: string): boolean };
    };

interface YamlDocument {
  readonly errors: readonly Error[];
  readonly warnings: readonly Error[];
  toJS(options: { readonly maxAliasCount: number }): unknown;
}

/** Integers have any size. */
const FORMAT: PlainFormat = { name: "YAML", number: (value) => value };

/** The library's own limit against texts whose aliases multiply. */
const MAX_ALIAS_COUNT = 100;

/**
 * YAML as kombu has it: written as PyYAML's `safe_dump` writes it, read as `safe_load` reads it, which is version 1.1. Tags that
 * name classes are refused. Reading needs the package yaml.
 */
export const yamlSerializer: Serializer = {
  name: "yaml",
  contentType: "application/x-yaml",
  contentEncoding: "utf-8",
  encode: (value) => Buffer.from(writePythonYaml(plainValue(FORMAT, value))),
  decode: (body, contentEncoding) => readYaml(decodeText(body, contentEncoding)),
};

function readYaml(text: string): unknown {
  const library = requireOptional<YamlLibrary>("yaml", 'reading with the serializer "yaml"');
  const options = { version: "1.1", intAsBigInt: true, uniqueKeys: false } as const;
  const customTags = (tags: readonly YamlTag[]) => tags.map(asPython);
  const document = library.parseDocument(text, { ...options, customTags });
  // An unknown tag is only a warning there, and its value would be taken for what it is not.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new KombuError("decode_failed", `YAML text: ${problem.message.split("\n", 1)[0]}`, {
      cause: problem,
    });
  }
  return withNumbers(document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }));
}

/** The library takes more texts for booleans and numbers than PyYAML, such as `y` and `1e5`: they stay texts. */
function asPython(tag: YamlTag): YamlTag {
  if (typeof tag === "string" || tag.test === undefined) return tag;
  const { test } = tag;
  const python = IMPLICIT_TEXTS.get(tag.tag);
  if (python === undefined) return tag;
  return { ...tag, test: { test: (text) => python.test(text) && test.test(text) } };
}
