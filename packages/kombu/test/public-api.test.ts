import * as kombu from "@pullqueue/kombu";
import { expect, it } from "vitest";
import { ROWS } from "./public-api-functions.js";
import { METHODS } from "./public-api-methods.js";
import { type Garbage, garbage, type Row } from "./public-api-parameters.js";

/** Longer than any of these calls takes. */
const HANG_MS = 2_000;

const REFUSALS = ["invalid_argument", "serializer_unknown", "not_supported"] as const;

/** What came of a call: undefined when it was refused as it must be. */
async function outcomeOf(row: Row, index: number, value: unknown): Promise<string | undefined> {
  const args = await Promise.all(row.parameters.map(({ good }) => good()));
  args[index] = value;
  const hang = new Promise<string>((resolve) => void setTimeout(() => resolve("hangs"), HANG_MS).unref());
  try {
    const call = (async () => void (await row.call(...(args as never[]))))();
    return await Promise.race([call.then(() => "is taken"), hang]);
  } catch (error) {
    return REFUSALS.some((code) => kombu.isKombuError(error, code)) ? undefined : String(error);
  }
}

async function complaintsAbout(row: Row): Promise<string[]> {
  const complaints: string[] = [];
  for (const [index, { takes, options = [], good, extensible = false }] of row.parameters.entries()) {
    for (const name of garbage.names.filter((one: Garbage) => !takes.includes(one))) {
      const outcome = await outcomeOf(row, index, garbage.named(name));
      if (outcome !== undefined) complaints.push(`argument ${index + 1}, ${name}: ${outcome}`);
    }
    const base = options.length === 0 ? {} : ((await good()) as object);
    for (const name of options) {
      const outcome = await outcomeOf(row, index, { ...base, [name]: Symbol("garbage") });
      if (outcome !== undefined) complaints.push(`option ${name}, a symbol: ${outcome}`);
      const other = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      if (other === name || extensible) continue;
      const python = await outcomeOf(row, index, { ...base, [other]: 1 });
      if (python !== undefined) complaints.push(`option ${other}: ${python}`);
    }
  }
  return complaints;
}

it.each(Object.entries({ ...ROWS, ...METHODS }))(
  "%s() refuses what it does not understand",
  async (_name, row) => {
    expect(await complaintsAbout(row)).toEqual([]);
  },
);

/** For authors of transports, who are inside the house and are trusted; and what asks of any value whether it is something. */
const INSIDE =
  /^(is[A-Z].*|backoffMs|credentialsSource|decodeEnvelope|decompress|encodeEnvelope|fromQueueError|rawContent|tokenSourceOf|topicMatches|BindingTable|VirtualTransport)$/;

/** Made by the package itself, or known by another name. */
const MADE = /^(KombuError|Message|PidboxNode|ConsumerProducerMixin)$/;

/** Hooks, which the package calls; what channels and `drainEvents` say to their own. */
const INNER =
  /^((ConsumerMixin|Worker)\.(on[A-Z].*|extraContext|getConsumers|work)|Consumer\.(fill|dispatch|checkReady)|Binding\.definition)$/;

const hasParameters = (value: unknown) => !/^(async )?(\*)?\w+\(\)/.test(String(value));

it("every public function, constructor and method has a row", () => {
  const values = Object.entries(kombu).filter(
    ([name, value]) => typeof value === "function" && !INSIDE.test(name),
  );
  const names = values.flatMap(([name, value]) => {
    const isClass = String(value).startsWith("class");
    const own =
      name === "ConsumerProducerMixin" || !isClass
        ? []
        : Object.entries(Object.getOwnPropertyDescriptors((value as { prototype: object }).prototype));
    const methods = own.filter(
      ([method, { value: code }]) =>
        method !== "constructor" && typeof code === "function" && hasParameters(code),
    );
    return [...(MADE.test(name) ? [] : [name]), ...methods.map(([method]) => `${name}.${method}`)];
  });
  const rows = { ...ROWS, ...METHODS };
  expect(names.filter((name) => !INNER.test(name) && !Object.hasOwn(rows, name))).toEqual([]);
});
