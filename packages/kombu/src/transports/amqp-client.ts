import type { ConnectionOptions as TlsOptions } from "node:tls";
import { KombuError } from "../errors.js";

/**
 * The package amqplib, described by what is used of it. `sendMessage` and `pushConfirmCallback` stand for its `publish`, which
 * has no place for `cluster_id` and would write numbers in other widths than Python does.
 */

/** A table of AMQP: headers or arguments, with the types that `amqp-table.ts` gives them. */
export type ClientTable = Readonly<Record<string, unknown>>;

/** The properties of a message under amqplib's names. */
export interface ClientProperties {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly headers?: ClientTable | undefined;
  readonly deliveryMode?: number | undefined;
  readonly priority?: number | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly expiration?: string | undefined;
  readonly messageId?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  readonly userId?: string | undefined;
  readonly appId?: string | undefined;
  readonly clusterId?: string | undefined;
}

/** A message that the broker sent. */
export interface ClientMessage {
  readonly fields: {
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly exchange: string;
    readonly routingKey: string;
  };
  readonly properties: ClientProperties;
  readonly content: Buffer;
}

/** What the broker says about a queue. */
interface ClientQueue {
  readonly queue: string;
  readonly messageCount: number;
  readonly consumerCount: number;
}

/** What can be said about a queue or an exchange. */
interface ClientDeclaration {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly exclusive?: boolean;
  readonly arguments: ClientTable;
}

/** One channel. Calls that the broker answers are promises; the others are written at once. */
export interface ClientChannel {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "return", listener: (message: ClientMessage) => void): unknown;
  prependListener(event: "close", listener: () => void): unknown;
  close(): Promise<unknown>;
  assertExchange(name: string, type: string, options: ClientDeclaration): Promise<unknown>;
  checkExchange(name: string): Promise<unknown>;
  deleteExchange(name: string, options: { readonly ifUnused: boolean }): Promise<unknown>;
  bindExchange(destination: string, source: string, key: string, args: ClientTable): Promise<unknown>;
  unbindExchange(destination: string, source: string, key: string, args: ClientTable): Promise<unknown>;
  assertQueue(name: string, options: ClientDeclaration): Promise<ClientQueue>;
  checkQueue(name: string): Promise<ClientQueue>;
  deleteQueue(
    name: string,
    options: { readonly ifEmpty: boolean; readonly ifUnused: boolean },
  ): Promise<{ readonly messageCount: number }>;
  purgeQueue(name: string): Promise<{ readonly messageCount: number }>;
  bindQueue(queue: string, exchange: string, key: string, args: ClientTable): Promise<unknown>;
  unbindQueue(queue: string, exchange: string, key: string, args: ClientTable): Promise<unknown>;
  get(queue: string): Promise<ClientMessage | false>;
  consume(
    queue: string,
    callback: (message: ClientMessage | null) => void,
    options: { readonly consumerTag: string; readonly arguments: ClientTable },
  ): Promise<{ readonly consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  prefetch(count: number, global: boolean): Promise<unknown>;
  ack(message: ClientMessage): void;
  nack(message: ClientMessage, allUpTo: boolean, requeue: boolean): void;
  sendMessage(fields: object, properties: ClientProperties, content: Buffer): boolean;
  /** On channels with confirms, after each `sendMessage`: called with null when the broker has the message. */
  pushConfirmCallback(callback: (error: Error | null) => void): void;
}

/** One connection. */
export interface Client {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "close", listener: (error?: Error) => void): unknown;
  createChannel(): Promise<ClientChannel>;
  createConfirmChannel(): Promise<ClientChannel>;
  close(): Promise<unknown>;
  /** Below it: the socket, for when the broker does not answer any more, and what was read from it and not used. */
  readonly connection: {
    readonly stream: { destroy(): void; read(): Buffer | null };
    rest: Buffer;
  };
}

/** Where to connect to and as whom. */
export interface ClientAddress {
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Percent-encoded. */
  readonly vhost: string;
  /** In seconds; 0 switches heartbeats off. */
  readonly heartbeat: number;
  readonly frameMax: number;
}

/** How the socket is opened. `timeout` bounds the handshake, in milliseconds. */
export interface ClientSocketOptions extends TlsOptions {
  readonly noDelay: boolean;
  /** Destroys a socket without TLS. */
  readonly signal: AbortSignal;
  readonly clientProperties: Readonly<Record<string, unknown>>;
}

/** The package. */
export interface ClientLibrary {
  connect(address: ClientAddress, socket: ClientSocketOptions): Promise<Client>;
}

/** Loads amqplib when it is first needed. Error: `not_supported` where it is not installed. */
export async function loadClientLibrary(): Promise<ClientLibrary> {
  try {
    const { default: library } = await import("amqplib");
    // Its own types leave out the two methods that are named above.
    return library as unknown as ClientLibrary;
  } catch (cause) {
    throw new KombuError(
      "not_supported",
      "the amqp transport needs the package amqplib, version 2: run npm install amqplib@2",
      { cause },
    );
  }
}
