import { newIdempotencyKey } from "@pullqueue/core";
import pg from "pg";

/** The database that tests share; everything is made in schemas of their own. `isMissing("postgres")` looks there too. */
const DATABASE_URL = process.env.PULLQUEUE_TEST_POSTGRES ?? "postgres://postgres@127.0.0.1:5432/postgres";

/** A schema of one test's own, dropped in the end. */
export interface TemporarySchema extends AsyncDisposable {
  /** Also what its stores call themselves to the database. */
  readonly name: string;
  /** The address of a store in it. The first one makes the schema. */
  readonly url: string;
  /** Runs SQL as another program would, with the schema as its search path; the rows of all statements. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

/** Makes a name for a schema in the database that tests share. */
export function temporarySchema(): TemporarySchema {
  const name = `test_${newIdempotencyKey().replace("-", "_")}`;
  const url = new URL(DATABASE_URL);
  url.searchParams.set("schema", name);
  url.searchParams.set("application_name", name);
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 2, options: `-c search_path=${name}` });
  pool.on("error", () => {});
  return {
    name,
    url: url.href,
    async sql(text, values) {
      const answers = await (values === undefined ? pool.query(text) : pool.query(text, [...values]));
      return [answers].flat().flatMap(({ rows }) => rows ?? []);
    },
    async [Symbol.asyncDispose]() {
      await pool.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
      await pool.end();
    },
  };
}
