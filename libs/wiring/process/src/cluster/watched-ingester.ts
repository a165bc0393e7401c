/** A remote ingester whose calls end early when its process is stopped. */
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  HeadAnswer,
  PartitionHead,
  IngesterService,
  LeafRequest,
  LeafResult,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  TimerHandle,
  Timers,
} from '@loki/ports';
import type { Suspects } from './suspects.ts';

interface WatchedIngesterDeps {
  readonly ingester: IngesterService;
  readonly address: string;
  readonly suspects: Suspects;
  readonly timers: Timers;
}

/** Time after which a pending call triggers a health check. */
const askAgainMs = 2_000;

/**
 * A remote ingester. If it does not answer a health check, its calls fail and it becomes a suspect: a stopped
 * process keeps its connections, and would block every query until they time out. A slow but living one is
 * waited for.
 */
export class WatchedIngester implements IngesterService {
  readonly #deps: WatchedIngesterDeps;

  constructor(deps: WatchedIngesterDeps) {
    this.#deps = deps;
  }

  partitions(): Promise<readonly number[]> {
    return this.#deps.ingester.partitions();
  }

  queryHead(partition: number, request: LeafRequest, signal?: AbortSignal): Promise<HeadAnswer<LeafResult>> {
    return this.#watch(signal, (callSignal) => this.#deps.ingester.queryHead(partition, request, callSignal));
  }

  headBounds(
    partitions: readonly number[],
    tenant: TenantId,
    signal?: AbortSignal,
  ): Promise<readonly PartitionHead[]> {
    const { ingester } = this.#deps;
    return this.#watch(
      signal,
      (callSignal) => ingester.headBounds?.(partitions, tenant, callSignal) ?? Promise.resolve([]),
    );
  }

  headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    return this.#watch(signal, (callSignal) =>
      this.#deps.ingester.headStreams(partition, request, callSignal),
    );
  }

  tail(
    partition: number,
    request: LeafRequest,
    signal: AbortSignal,
    fromOffset?: number,
  ): AsyncIterable<TailFrame> {
    return this.#deps.ingester.tail(partition, request, signal, fromOffset);
  }

  flush(signal?: AbortSignal): Promise<void> {
    return this.#deps.ingester.flush(signal);
  }

  async #watch<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { ingester, address, suspects, timers } = this.#deps;
    const giveUp = new AbortController();
    let isOver = false;
    let timer: TimerHandle | undefined;
    const wait = () => {
      if (isOver) return;
      timer = timers.after(askAgainMs, () => {
        ingester.partitions().then(wait, () => {
          giveUp.abort(new LokiError('unavailable', `${address} does not answer`));
        });
      });
    };
    wait();
    try {
      const answer = await work(signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal);
      suspects.clear(address);
      return answer;
    } catch (error) {
      if (error instanceof LokiError && error.code === 'unavailable') suspects.add(address);
      throw error;
    } finally {
      isOver = true;
      timer?.cancel();
    }
  }
}
