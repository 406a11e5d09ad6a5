import type { BindingDefinition, ExchangeDefinition } from "../definitions.js";
import { KombuError } from "../errors.js";
import { checkExchange, isGiven } from "./declaration-rules.js";

/** The exchanges that one connection has declared, for brokers that have no place for exchanges. */
export class DeclaredExchanges {
  readonly #byName = new Map<string, ExchangeDefinition>();

  /** Passively it only looks. Errors: `not_found`, and those of `checkExchange`. */
  declare(exchange: ExchangeDefinition, passive: boolean): void {
    const { name } = exchange;
    if (isGiven(name)) return;
    if (passive) return void this.get(name);
    checkExchange(exchange, this.#byName.get(name));
    this.#byName.set(name, exchange);
  }

  /** Throws `not_found` for one that was not declared here. */
  get(name: string): ExchangeDefinition {
    const exchange = this.#byName.get(name);
    if (exchange !== undefined) return exchange;
    throw new KombuError(
      "not_found",
      `there is no exchange ${JSON.stringify(name)} in this connection; declare it first (the types of exchanges live in the process that declares them)`,
    );
  }

  names(): Iterable<string> {
    return this.#byName.keys();
  }

  delete(name: string): void {
    this.#byName.delete(name);
  }
}

/** Throws `precondition_failed` for an exchange that has bindings and may only be deleted without. */
export function checkUnused(name: string, [bound]: readonly Pick<BindingDefinition, "queue">[]): void {
  if (bound === undefined) return;
  throw new KombuError(
    "precondition_failed",
    `exchange ${JSON.stringify(name)} is in use: queue ${JSON.stringify(bound.queue)} is bound to it; unbind it first`,
  );
}
