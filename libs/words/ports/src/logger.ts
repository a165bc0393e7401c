/** Port: the process's own log. */

/** Further fields of a log line, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes structured log lines. They never hold a tenant's log lines or a secret. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}
