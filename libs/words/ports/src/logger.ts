/** Further fields of a log line, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logs. Never a line of a tenant's data, never a secret. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}
