/**
 * Proves at the start of an embedded write log, and while it runs, that the object store belongs to this log
 * alone.
 */
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
  /** Arguments of lokictl that open the store: its directory, or `--config FILE`. */
  readonly storeWords: string;
  /** The store is taken from another log at the start. */
  readonly takesStore: boolean;
  /**
   * Called once when the mark has moved to another log: this process must neither flush nor acknowledge any
   * more.
   */
  readonly onLost: (error: LokiError) => void;
  /** Time between two reads of the mark. Default 15 s. */
  readonly pollMs?: number;
}

/**
 * Marks the store as this log's, and watches the mark until `stop`. A failed read of the mark is repeated.
 *
 * @throws LokiError `internal`, with the remedy in its text, when the store belongs to another log
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
