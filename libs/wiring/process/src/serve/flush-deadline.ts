/** A deadline for flushes that operators request. */
import { LokiError } from '@loki/model';
import type { Timers } from '@loki/ports';

/** Longer than a flush of full heads takes, shorter than operators' tools wait. */
const flushMaxMs = 60_000;

/**
 * Flushes until the caller leaves or the time is up. Unflushed records stay in the write log, and are flushed
 * later.
 *
 * @throws LokiError `timeout`
 */
export async function withinDeadline(
  flush: (signal: AbortSignal) => Promise<void>,
  caller: AbortSignal,
  timers: Timers,
): Promise<void> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([caller, deadline.signal]);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = timers.after(flushMaxMs, () =>
    deadline.abort(
      new LokiError(
        'timeout',
        `not flushed within ${flushMaxMs / 1000} s: the write log keeps the remaining lines`,
      ),
    ),
  );
  try {
    await Promise.race([flush(signal), ended]);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
