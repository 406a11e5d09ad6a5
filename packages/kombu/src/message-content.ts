/** A message as it travels: serialized and compressed body, and what is said about it. */
export interface MessageContent {
  /** Serialized and, where `headers.compression` says so, compressed. */
  readonly body: Uint8Array;
  /** Media type, such as `application/json`; undefined for raw tasks that say nothing about themselves. */
  readonly contentType: string | undefined;
  /** `utf-8`, `binary`, … */
  readonly contentEncoding: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  /** Not a kombu envelope: the body is all there is. */
  readonly raw: boolean;
}

/** AMQP's properties under kombu's wire names; unknown ones are kept. */
export interface MessageProperties {
  readonly delivery_mode?: number;
  /** Milliseconds as decimal text, counted from the moment of publishing. */
  readonly expiration?: string;
  readonly priority?: number;
  readonly reply_to?: string;
  readonly correlation_id?: string;
  readonly message_id?: string;
  readonly timestamp?: unknown;
  readonly type?: string;
  readonly user_id?: string;
  readonly app_id?: string;
  readonly cluster_id?: string;
  readonly [name: string]: unknown;
}
