/** An action of a simulated process that a failing store excuses. */
import { LokiError } from '@loki/model';

/** False: the store failed, and the process continues. */
export async function excused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof LokiError && error.code === 'unavailable') return false;
    throw error;
  }
}
