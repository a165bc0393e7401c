/** Start of an embedded write log, and its life: the object store must be this log's alone. */
import { LokiError } from '@loki/model';
import type { Clock, Logger, ObjectStore, TimerHandle, Timers } from '@loki/ports';
import { foreignOwnerText, OwnerMark } from './owner-mark.ts';
import type { StoreOwner } from './owner-mark.ts';

interface StoreOwnerOptions {
  readonly objectStore: ObjectStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Identity of this process's log. */
  readonly logId: string;
  /** Its host and directory. */
  readonly place: string;
  /** The words with which lokictl opens the store: its directory, or `--config FILE`. */
  readonly storeWords: string;
  /** The store is taken from another log at the start. */
  readonly takesStore: boolean;
  /**
   * Called once when the mark was moved to another log: nothing may be flushed or acknowledged from then on.
   */
  readonly onLost: (error: LokiError) => void;
  /** Between two looks at the mark. Default 15 s. */
  readonly pollMs?: number;
}

/**
 * Marks the store as this log's, and watches the mark until `stop`. A look that fails proves nothing; it is
 * repeated.
 *
 * @throws LokiError `internal`, saying what to do, when the store is another log's
 */
export async function ownStore(options: StoreOwnerOptions): Promise<{ stop: () => void }> {
  const { objectStore, clock, timers, logger, logId, place, takesStore, onLost, pollMs = 15_000 } = options;
  const refused = (current: StoreOwner): LokiError =>
    new LokiError('internal', foreignOwnerText(current, thisOwner, options.storeWords));
  const mark = new OwnerMark(objectStore);
  const thisOwner: StoreOwner = { logId, place, sinceMs: clock.nowMs() };
  const owner = await mark.claim(thisOwner);
  if (owner.logId !== logId) {
    if (!takesStore) throw refused(owner);
    await mark.move(thisOwner);
    logger.warn('the object store was taken from another write log', {
      before: owner.logId,
      place: owner.place,
    });
  }
  let timer: TimerHandle | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    const current = await mark.current().catch((error: unknown) => {
      logger.warn('the mark of the store’s owner cannot be read', { err: String(error) });
      return undefined;
    });
    if (isStopped) return;
    if (current && current.logId !== logId) return onLost(refused(current));
    timer = timers.after(pollMs, () => void look());
  };
  timer = timers.after(pollMs, () => void look());
  const stop = (): void => {
    isStopped = true;
    timer?.cancel();
  };
  return { stop };
}
