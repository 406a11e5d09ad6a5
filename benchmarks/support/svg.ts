/** Attributes of an element; numbers are rounded to a tenth of a pixel. */
export type Attributes = Readonly<Record<string, string | number>>;

/** An element of SVG with text or other elements in it, which are taken as they are. */
export function element(name: string, attributes: Attributes, content = ""): string {
  const written = Object.entries(attributes)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === "number" ? Math.round(value * 10) / 10 : escaped(value)}"`,
    )
    .join("");
  return content === "" ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** Some words at a place. */
export function words(text: string, attributes: Attributes): string {
  return element("text", attributes, escaped(text));
}

/** A line through points. */
export function path(points: readonly (readonly [x: number, y: number])[], attributes: Attributes): string {
  const text = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return element("polyline", { points: text, fill: "none", ...attributes });
}

/** Colours of contenders, ours first: told apart also by those who see fewer colours, and on white and on black. */
const COLOURS = [
  { light: "#c2410c", dark: "#fb923c" },
  { light: "#1d4ed8", dark: "#7aa7ff" },
  { light: "#0f766e", dark: "#3fd0bf" },
  { light: "#86198f", dark: "#e38be9" },
  { light: "#6b5900", dark: "#d8c24a" },
];

/** The classes `s0` and so on draw, `f0` and so on fill in a contender's colour. */
export function colourOf(index: number): string {
  return String(index % COLOURS.length);
}

/** A whole picture; what is drawn uses the classes `ink`, `grid` and those of colours, which follow the reader's light or dark. */
export function picture(title: string, width: number, height: number, content: readonly string[]): string {
  const rules = (mode: "light" | "dark") =>
    COLOURS.map((colour, i) => `.s${i}{stroke:${colour[mode]}}.f${i}{fill:${colour[mode]}}`).join("");
  const style = [
    "text{font:12px system-ui,sans-serif}.title{font-size:14px;font-weight:600}",
    `.ink{fill:#1f2328}.grid{stroke:#d0d7de}${rules("light")}`,
    `@media(prefers-color-scheme:dark){.ink{fill:#e6edf3}.grid{stroke:#3d444d}${rules("dark")}}`,
  ].join("");
  const attributes = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, role: "img" };
  const all = [element("title", {}, escaped(title)), element("style", {}, style), ...content];
  return `${element("svg", { ...attributes, width, height }, `\n${all.join("\n")}\n`)}\n`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
