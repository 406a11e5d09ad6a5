import { stripVTControlCharacters } from "node:util";

/** Rows of text under headings as aligned lines, without spaces at their ends. Numbers are aligned to the right. */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  const isNumber = headings.map((_, column) => rows.every((row) => /^\d*$/.test(row[column] ?? "")));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - width(cell));
        return isNumber[column] && rows.length > 0 ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** A text that may come from anybody as one safe line: control characters would move a terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\u${code}`;
  });
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
