import { LokiError } from '@loki/model';
import type { WriteLog } from '@loki/ports';

/**
 * Where a shared log's partitions end, for a process that neither writes nor reads it. The log is opened when
 * somebody asks: a process that never does needs no brokers.
 */
export class LogEnds implements Pick<WriteLog, 'partitionCount' | 'endOffset'> {
  readonly partitionCount: number;
  readonly #open: () => Promise<WriteLog>;
  readonly #closed = Promise.withResolvers<never>();
  #log: Promise<WriteLog> | undefined;
  #isClosed = false;

  constructor(partitionCount: number, open: () => Promise<WriteLog>) {
    this.partitionCount = partitionCount;
    this.#open = open;
    this.#closed.promise.catch(() => undefined); // told to who waits, when somebody does
  }

  async endOffset(partition: number): Promise<number> {
    const log = await Promise.race([this.#opened(), this.#closed.promise]);
    return Promise.race([log.endOffset(partition), this.#closed.promise]);
  }

  /** Waiting calls end. */
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
      // Brokers that are away now are asked again next time.
      log.catch(() => (this.#log = undefined));
    }
    return this.#log;
  }
}
