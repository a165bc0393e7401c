/** The end of a query: the tenant's query_timeout, or the departure of its client. */
import { LokiError } from '@loki/model';
import type { Timers } from '@loki/ports';

const timeoutText =
  'request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed';

/** Runs `work` until `timeoutMs` have passed (0: without such a bound), or until the client has gone. */
export async function withQueryDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { client, timeoutMs, timers }: { client: AbortSignal; timeoutMs: number; timers: Timers },
): Promise<T> {
  const deadline = new AbortController();
  const timer =
    timeoutMs > 0
      ? timers.after(timeoutMs, () => deadline.abort(new LokiError('timeout', timeoutText)))
      : undefined;
  const onGone = () => deadline.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
  if (client.aborted) onGone();
  client.addEventListener('abort', onGone, { once: true });
  const gaveUp = Promise.withResolvers<never>();
  // The race may be decided before this promise rejects.
  gaveUp.promise.catch(() => undefined);
  deadline.signal.addEventListener('abort', () => gaveUp.reject(deadline.signal.reason as Error), {
    once: true,
  });
  try {
    deadline.signal.throwIfAborted();
    return await Promise.race([work(deadline.signal), gaveUp.promise]);
  } finally {
    timer?.cancel();
    client.removeEventListener('abort', onGone);
  }
}
