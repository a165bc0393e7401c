/** Observes the calls to a store, for metrics. */
import type { Clock, ObjectInfo, ObjectStore } from '@loki/ports';
import type { StoreCall, StoreObserver } from '@loki/telemetry';

/**
 * Wraps a store and observes each call with its time, outcome and fetched bytes. A missing key is no failure.
 */
export function observedObjectStore(
  store: ObjectStore,
  observer: Pick<StoreObserver, 'called'>,
  clock: Clock,
): ObjectStore {
  async function observe<T>(
    operation: StoreCall['operation'],
    call: () => Promise<T>,
    bytesOf?: (result: T) => number,
  ): Promise<T> {
    const startedMs = clock.monotonicMs();
    const seconds = () => (clock.monotonicMs() - startedMs) / 1000;
    let result: T;
    try {
      result = await call();
    } catch (error) {
      const isFailed = (error as { code?: string }).code !== 'notFound';
      observer.called({ operation, seconds: seconds(), isFailed });
      throw error;
    }
    observer.called({ operation, seconds: seconds(), isFailed: false, fetchedBytes: bytesOf?.(result) });
    return result;
  }

  const lengthOf = ({ length }: Buffer) => length;
  return {
    put: (key, bytes, signal) => observe('upload', () => store.put(key, bytes, signal)),
    putIfAbsent: (key, bytes, signal) => observe('upload', () => store.putIfAbsent(key, bytes, signal)),
    get: (key, signal) => observe('get', () => store.get(key, signal), lengthOf),
    getRange: (key, offset, length, signal) =>
      observe('get_range', () => store.getRange(key, offset, length, signal), lengthOf),
    getTail: (key, length, signal) =>
      observe(
        'get_range',
        () => store.getTail(key, length, signal),
        ({ bytes }) => bytes.length,
      ),
    async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
      const startedMs = clock.monotonicMs();
      let isFailed = false;
      try {
        yield* store.list(prefix, startAfter);
      } catch (error) {
        isFailed = true;
        throw error;
      } finally {
        observer.called({ operation: 'iter', seconds: (clock.monotonicMs() - startedMs) / 1000, isFailed });
      }
    },
    delete: (key) => observe('delete', () => store.delete(key)),
  };
}
