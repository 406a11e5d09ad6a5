// npm run reference: writes docs/reference/, one page for each package, from the doc comments of what it exports.
// --check compares instead, for reviews: a page that is stale fails.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Application } from "typedoc";
import { prepare, ROOT, say } from "./prepare.mjs";

// What the packages say of each other is read as it was built, and so are GitHub's rules for headings.
await prepare();
const { headings } = await import("../packages/testing/dist/tidy/headings.js");

/** What signatures name and nobody outside makes: parts that the library's own classes hand to each other. */
const INSIDE = {
  kombu: [
    ...[
      "EventSource",
      "EntityChannel",
      "GracefulStop",
      "Holding",
      "HoldingWatcher",
      "LeaseRenewal",
      "LeaseSettings",
      "LeaseStandby",
    ],
    ...[
      "LeaseTicket",
      "LeaseTickets",
      "MessageReading",
      "MessageTools",
      "Notifier",
      "PidboxNodeParts",
      "SettleLimit",
      "StoredForm",
      "Tracing",
      "VirtualTopology",
    ],
  ],
  core: ["Eventual", "NaiveTransfer", "RequestHandler", "WireDeadLetter", "WireTagStats"],
  auth: ["Clock"],
  server: ["Authentication", "ServerMetrics"],
};
const FOLDER = join(ROOT, "docs/reference");

/** Stands two lines above its heading and says what the renderer calls it in links. The marks inside tables stay. */
const MARK = /^<a id="([^"]+)"><\/a>\n\n/gm;

const isCheck = process.argv.includes("--check");
const out = isCheck ? mkdtempSync(join(tmpdir(), "pullqueue-reference-")) : FOLDER;
try {
  if (!isCheck) rmSync(FOLDER, { recursive: true, force: true });
  for (const name of Object.keys(INSIDE)) await write(name);
  linkAsGitHubDoes();
  const stale = isCheck ? differing() : [];
  if (stale.length > 0) {
    say(
      `docs/reference is not what the doc comments say (${stale.join(", ")}); npm run reference writes it anew`,
    );
    process.exitCode = 1;
  }
} finally {
  if (isCheck) rmSync(out, { recursive: true, force: true });
}

async function write(name) {
  const folder = join(ROOT, "packages", name);
  const application = await Application.bootstrapWithPlugins({
    plugin: ["typedoc-plugin-markdown"],
    entryPoints: [join(folder, "src/index.ts")],
    tsconfig: join(folder, "tsconfig.json"),
    basePath: ROOT,
    readme: "none",
    excludePrivate: true,
    disableSources: true,
    disableGit: true,
    outputs: [{ name: "markdown", path: out }],
    cleanOutputDir: false,
    intentionallyNotExported: INSIDE[name],
    logLevel: "Warn",
    router: "module",
    entryFileName: `${name}.md`,
    flattenOutputFiles: true,
    hidePageHeader: true,
    hideBreadcrumbs: true,
    // For linkAsGitHubDoes, which takes them out again.
    useHTMLAnchors: true,
    parametersFormat: "table",
    interfacePropertiesFormat: "table",
    typeAliasPropertiesFormat: "table",
    sanitizeComments: true,
  });
  const project = await application.convert();
  if (project === undefined) throw new Error(`the sources of ${name} cannot be read; npm run types says why`);
  application.validate(project);
  await application.generateOutputs(project);
  if (application.logger.hasErrors() || application.logger.hasWarnings()) process.exitCode = 1;
}

/**
 * The renderer names headings before it writes them. It counts qualified names that are no headings, such as
 * Binding.definition where there is a BindingDefinition, and leaves out headings that it makes later, such as those of
 * an object type's members. Some of its links would lead nowhere, and others to a wrong heading. So every heading is
 * marked with that name, and links to a name become links to what GitHub calls the heading.
 */
function linkAsGitHubDoes() {
  const pages = readdirSync(out).map((page) => [page, readFileSync(join(out, page), "utf8")]);
  const slugs = new Map(pages.map(([page, text]) => [page, slugsByMark(text)]));
  for (const [page, text] of pages) {
    const linked = text.replace(MARK, "").replace(/\]\(([^)#\s]*)#([^)\s]+)\)/g, (link, target, name) => {
      const slug = slugs.get(target || page)?.get(name);
      return slug === undefined ? link : `](${target}#${slug})`;
    });
    writeFileSync(join(out, page), linked);
  }
}

/** What GitHub calls the headings of a page, by what the renderer calls them. */
function slugsByMark(text) {
  const byLine = new Map(headings(text).map(({ line, slug }) => [line, slug]));
  return new Map(
    [...text.matchAll(MARK)].map(({ 0: mark, 1: name, index }) => [
      name,
      byLine.get(text.slice(0, index + mark.length).split("\n").length),
    ]),
  );
}

/** The pages that are on one side alone, or not the same on both. */
function differing() {
  const pages = new Set([out, FOLDER].flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : [])));
  return [...pages].filter((page) => content(out, page) !== content(FOLDER, page));
}

function content(folder, page) {
  const path = join(folder, page);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
