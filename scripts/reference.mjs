// npm run reference: writes docs/reference/, one page for each package, from the doc comments of what it exports.
// --check compares instead, for reviews: a page that is stale fails.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Application } from "typedoc";
import { ROOT, say } from "./prepare.mjs";

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

const isCheck = process.argv.includes("--check");
const out = isCheck ? mkdtempSync(join(tmpdir(), "pullqueue-reference-")) : FOLDER;
try {
  if (!isCheck) rmSync(FOLDER, { recursive: true, force: true });
  for (const name of Object.keys(INSIDE)) await write(name);
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
    useHTMLAnchors: false,
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

/** The pages that are on one side alone, or not the same on both. */
function differing() {
  const pages = new Set([out, FOLDER].flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : [])));
  return [...pages].filter((page) => content(out, page) !== content(FOLDER, page));
}

function content(folder, page) {
  const path = join(folder, page);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
