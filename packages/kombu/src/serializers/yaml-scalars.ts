/** How a text may stand in YAML: the rules of PyYAML, whose version is 1.1, so that both choose the same quotes. */

/** What each tag's texts look like without quotes. PyYAML's resolvers; YAML 1.1 itself has more. */
export const IMPLICIT_TEXTS: ReadonlyMap<string, RegExp> = new Map([
  [
    "tag:yaml.org,2002:bool",
    /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
  ],
  ["tag:yaml.org,2002:null", /^(?:~|null|Null|NULL|)$/],
  [
    "tag:yaml.org,2002:float",
    /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  ],
  [
    "tag:yaml.org,2002:int",
    /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/,
  ],
  [
    "tag:yaml.org,2002:timestamp",
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?$/,
  ],
  ["tag:yaml.org,2002:merge", /^(?:<<)$/],
  ["tag:yaml.org,2002:value", /^(?:=)$/],
]);
const IMPLICIT: readonly RegExp[] = [...IMPLICIT_TEXTS.values()];

/** Characters at the beginning, or combinations anywhere, that mean something in YAML outside of quotes. */
const INDICATORS = /^(?:---|\.\.\.)|^[#,[\]{}&*!|>'"%@`]|^[-?:](?:[ \n]|$)|:(?:[ \n]|$)|[ \n]#/;

/** Anything but printable ASCII and line feeds: only double quotes have escapes for it. */
const SPECIAL = /[^\n -~]/;

/** White space at an end, or a line feed beside a space, does not survive outside of double quotes. */
const OUTER_SPACE = /^[ \n]|[ \n]$/;
const SPACE_BREAK = / \n/;
const BREAK_SPACE = /\n /;

/** A way of writing a text. */
export type YamlStyle = "plain" | "single" | "double";

/** The plainest style that keeps a text what it is. */
export function yamlStyle(text: string): YamlStyle {
  const hasBreaks = text.includes("\n");
  const needsEscapes = SPECIAL.test(text) || SPACE_BREAK.test(text) || BREAK_SPACE.test(text);
  const isSpecial = needsEscapes || hasBreaks || OUTER_SPACE.test(text) || INDICATORS.test(text);
  if (!isSpecial && !IMPLICIT.some((pattern) => pattern.test(text))) return "plain";
  return needsEscapes ? "double" : "single";
}

/** PyYAML's names of characters behind a backslash. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\0", "0"],
  ["\x07", "a"],
  ["\b", "b"],
  ["\t", "t"],
  ["\n", "n"],
  ["\v", "v"],
  ["\f", "f"],
  ["\r", "r"],
  ["\x1b", "e"],
  ['"', '"'],
  ["\\", "\\"],
  ["\x85", "N"],
  ["\xa0", "_"],
  ["\u2028", "L"],
  ["\u2029", "P"],
]);

/** How a character stands between double quotes; undefined when it stands for itself. */
export function yamlEscape(character: string): string | undefined {
  const name = ESCAPES.get(character);
  if (name !== undefined) return `\\${name}`;
  if (character >= " " && character <= "~") return undefined;
  const code = character.codePointAt(0)!;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
