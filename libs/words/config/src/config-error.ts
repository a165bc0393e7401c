/**
 * Thrown when the configuration cannot be used. The message names the key and the fault; the process exits
 * with 1.
 */
export class ConfigError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** A remark for the operator about keys that were accepted. */
export interface ConfigNotice {
  readonly level: 'debug' | 'info' | 'warn';
  readonly message: string;
}
