/** End offsets of a shared write log, for a process that neither writes nor reads it. */
import { LokiError } from '@loki/model';
import type { WriteLog } from '@loki/ports';

/**
 * End offsets of a shared log's partitions, for a process that neither writes nor reads it. The log is opened
 * at the first call: a process without calls needs no brokers.
 */
export class LogEnds implements Pick<WriteLog, 'endOffset'> {
  readonly #open: () => Promise<WriteLog>;
  readonly #closed = Promise.withResolvers<never>();
  #log: Promise<WriteLog> | undefined;
  #isClosed = false;

  constructor(open: () => Promise<WriteLog>) {
    this.#open = open;
    this.#closed.promise.catch(() => undefined); // waiting callers get it
  }

  async endOffset(partition: number): Promise<number> {
    const log = await Promise.race([this.#opened(), this.#closed.promise]);
    return Promise.race([log.endOffset(partition), this.#closed.promise]);
  }

  /** Ends waiting calls. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closed.reject(new LokiError('unavailable', 'the process stops'));
    const log = await this.#log?.catch(() => undefined);
    await log?.close();
  }

  #opened(): Promise<WriteLog> {
    if (this.#isClosed) return this.#closed.promise;
    if (!this.#log) {
      const log = this.#open();
      this.#log = log;
      // The next call tries the brokers again.
      log.catch(() => (this.#log = undefined));
    }
    return this.#log;
  }
}
