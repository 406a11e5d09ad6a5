import { parseProject, systemClock } from "@pullqueue/core";
import {
  createToken,
  listTokens,
  ROLES,
  type Role,
  revokeToken,
  type StoredToken,
  TOKENS_FILE_DEFAULT,
} from "@pullqueue/server";
import { type Command, Option } from "commander";
import { parseLife } from "../argument-parsers.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation, type Run } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { parseScopes, SHORT_SCOPE_NAMES, scopeText } from "../scopes.js";
import { printable, tableLines } from "../table.js";
import { isoTime } from "../time.js";

/** The tokens of `serve --auth tokens`, on the machine where the server runs: it asks no server. */

interface TokenOptions extends GlobalOptions {
  readonly tokensFile?: string;
}

interface CreateOptions extends TokenOptions {
  readonly email: string;
  readonly role: Role;
  readonly scope?: readonly string[];
  readonly expires?: number;
}

const HEADINGS = ["ID", "EMAIL", "ROLE", "SCOPES", "PROJECTS", "EXPIRES"];

/** Adds `token` with its commands `create`, `list` and `revoke`. */
export const addToken: AddCommand = (program, run) => {
  const token = program
    .command("token")
    .description("make, list and revoke the tokens of serve --auth tokens")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      examples(
        ["pullqueue token create --email worker@example.com", "for what the acl of queues lets it do"],
        ["pullqueue token list", "all but the tokens themselves, which are not kept"],
        ["pullqueue token revoke 1f0c5b6a7d8e", "counts within a second, without a restart"],
      ),
    );
  addCreate(token, run);
  addList(token, run);
  addRevoke(token, run);
};

function addCreate(token: Command, run: Run): void {
  withTokensFile(token.command("create"))
    .description("make a token, and print it this once")
    .requiredOption("--email <address>", "whom the token is for, as the acl of queues names it")
    .addOption(new Option("--role <role>", "what its caller is").choices(ROLES).default("user"))
    .option(
      "--scope <scopes>",
      `what it is good for: ${SHORT_SCOPE_NAMES} or a whole URL, with commas between them (default: taskqueue)`,
      parseScopes,
    )
    .option("--project <ids>", "the projects that it is for, with commas between them (default: all)")
    .option(
      "--expires <duration>",
      "how long it holds, such as 30d (default: until it is revoked)",
      parseLife,
    )
    .addHelpText(
      "after",
      examples(
        ["pullqueue token create --email me@example.com --role admin", "for everything"],
        ["pullqueue token create --email app@example.com --expires 90d > app.token", "for --token-file"],
        ["pullqueue token create --email prometheus@example.com --role monitor", "for /metrics alone"],
      ),
    )
    .action((_options: unknown, command: Command) =>
      run(command, (invocation) => create(command.optsWithGlobals(), invocation)),
    );
}

function addList(token: Command, run: Run): void {
  withTokensFile(token.command("list"))
    .description("show whose tokens there are")
    .action((_options: unknown, command: Command) =>
      run(command, (invocation) => list(command.optsWithGlobals(), invocation)),
    );
}

function addRevoke(token: Command, run: Run): void {
  withTokensFile(token.command("revoke"))
    .description("take tokens back")
    .argument("<id...>", "as token list shows them")
    .action((ids: readonly string[], _options: unknown, command: Command) =>
      run(command, (invocation) => revoke(ids, command.optsWithGlobals(), invocation)),
    );
}

function withTokensFile(command: Command): Command {
  return command
    .configureHelp({ showGlobalOptions: false })
    .option("--json", "results, and errors too, as one JSON value a line")
    .option(
      "--tokens-file <file>",
      `where the server keeps its tokens (default: PULLQUEUE_TOKENS_FILE, else ${TOKENS_FILE_DEFAULT})`,
    );
}

async function create(options: CreateOptions, { output, env }: Invocation): Promise<ExitCode> {
  const clock = systemClock();
  const { email, role, expires } = options;
  const { token, stored } = await createToken(
    fileOf(options, env),
    {
      email,
      role,
      scopes: options.scope ?? (role === "monitor" ? [] : parseScopes("taskqueue")),
      projects: projectsOf(options.project),
      expiresAtUs: expires === undefined ? undefined : clock.nowUs() + expires * 1000,
    },
    clock,
  );
  if (output.json) await output.value({ token, ...tokenJson(stored) });
  else await output.line(token);
  output.note(`made for ${printable(email)} with the id ${stored.id}; the token is not shown again`);
  return EXIT.done;
}

async function list(options: TokenOptions, { output, env }: Invocation): Promise<ExitCode> {
  const tokens = await listTokens(fileOf(options, env));
  if (output.json) {
    for (const token of tokens) await output.value(tokenJson(token));
    return EXIT.done;
  }
  if (tokens.length === 0) output.note("there are no tokens");
  else for (const line of tableLines(HEADINGS, tokens.map(rowOf))) await output.line(line);
  return EXIT.done;
}

async function revoke(
  ids: readonly string[],
  options: TokenOptions,
  { output, env }: Invocation,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  for (const id of ids) {
    const revoked = await revokeToken(fileOf(options, env), id, systemClock());
    if (revoked === undefined) {
      output.warn(
        "not_found",
        `there is no token with the id ${JSON.stringify(id)}; see pullqueue token list`,
      );
      exitCode = EXIT.nothing;
    } else if (output.json) await output.value(tokenJson(revoked));
    else await output.line(`revoked ${id}, the token of ${printable(revoked.email)}`);
  }
  return exitCode;
}

function fileOf({ tokensFile }: TokenOptions, env: Invocation["env"]): string {
  return tokensFile ?? (env.PULLQUEUE_TOKENS_FILE || TOKENS_FILE_DEFAULT);
}

function projectsOf(given: string | undefined): readonly string[] | "all" {
  return given === undefined ? "all" : given.split(",").map((project) => parseProject(project.trim()));
}

function tokenJson({ sha256: _, createdAtUs, expiresAtUs, ...token }: StoredToken): object {
  return {
    ...token,
    createdAt: isoTime(createdAtUs),
    expiresAt: expiresAtUs === undefined ? undefined : isoTime(expiresAtUs),
  };
}

function rowOf({ id, email, role, scopes, projects, expiresAtUs }: StoredToken): string[] {
  const shortNames = scopes.map(scopeText);
  return [
    id,
    printable(email),
    role,
    shortNames.join(","),
    projects === "all" ? "all" : projects.join(","),
    expiresAtUs === undefined ? "never" : isoTime(expiresAtUs),
  ];
}
