/** Repeats an action of a simulated process until the virtual world lets it succeed. */
import { LokiError } from '@loki/model';
import type { VirtualProcess } from '@loki/virtual';

/**
 * Repeats a read until it succeeds; the process starts only then. The catalog has the offset below which the
 * log must not place a new record.
 */
export async function patiently(read: () => Promise<void>, process: VirtualProcess): Promise<void> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof LokiError)) throw error;
      await process.timers.sleep(100);
    }
  }
}
