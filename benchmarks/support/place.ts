/** A broker, server or database that contenders talk to. */
export interface Place extends AsyncDisposable {
  readonly url: string;
  /** Its main process, where its memory or its processor time is asked for. */
  readonly pid?: number | undefined;
}
