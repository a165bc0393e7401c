/** A querier that records how a question was cut. */
import type { TenantId } from '@loki/model';
import type {
  LeafRequest,
  LeafResult,
  PartitionHead,
  QuerierService,
  StoredBytesRequest,
  StreamsRequest,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import type { Push } from './data.ts';

/**
 * A querier that records its requests, and reports the weight of all rows wherever they stand. Plans depend
 * on weights and answers must not: with these weights, rows in memory are cut like stored ones, which alone
 * have a weight in production.
 */
export class WatchedQuerier implements QuerierService {
  readonly #querier: QuerierService;
  readonly #pushes: readonly Push[];
  /** A part was one of several by stream. */
  isSharded = false;
  /** A part was answered from the cache. */
  isRecalled = false;

  constructor(querier: QuerierService, pushes: readonly Push[]) {
    this.#querier = querier;
    this.#pushes = pushes;
  }

  forget(): void {
    this.isSharded = false;
    this.isRecalled = false;
  }

  async runLeaf(request: LeafRequest, signal?: AbortSignal): Promise<LeafResult> {
    if (request.shard) this.isSharded = true;
    const result = await this.#querier.runLeaf(request, signal);
    if (result.stats.cacheEntriesFound > 0) this.isRecalled = true;
    return result;
  }

  async heads(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]> {
    return (await this.#querier.heads?.(tenant, signal)) ?? [];
  }

  streams(request: StreamsRequest, signal?: AbortSignal): Promise<readonly StreamVolume[]> {
    return this.#querier.streams(request, signal);
  }

  async storedBytes({ tenant, startNs, endNs, intervalNs }: StoredBytesRequest): Promise<readonly number[]> {
    const bytes = Array.from({ length: Number((endNs - startNs + intervalNs - 1n) / intervalNs) }, () => 0);
    for (const push of this.#pushes) {
      if (push.tenant !== tenant) continue;
      for (const { rows } of push.streams) {
        for (const { timestampNs, line } of rows) {
          if (timestampNs >= startNs && timestampNs < endNs) {
            bytes[Number((timestampNs - startNs) / intervalNs)] += Buffer.byteLength(line);
          }
        }
      }
    }
    return Promise.resolve(bytes);
  }

  tail(request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    return this.#querier.tail(request, signal);
  }
}
