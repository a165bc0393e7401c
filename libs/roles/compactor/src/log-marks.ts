/** For each delete request, the end of the write log when it was made: step *delete* of a stored day. */
import type { DeleteRequest } from '@loki/catalog';
import type { CompactorDeps } from './deps.ts';

interface Mark {
  /** End offset of each partition. */
  readonly endOffsets: readonly number[];
  hasFlushed: boolean;
}

/**
 * The end of the write log when this process first saw each delete request. A request is carried out when
 * everything below that end is in the catalog: then no head has rows that were acknowledged before the
 * request.
 */
export class LogMarks {
  readonly #deps: CompactorDeps;
  readonly #marks = new Map<string, Mark>();

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  /** Marks new requests of `pending`, and drops the marks of requests that are no longer pending. */
  async note(pending: readonly DeleteRequest[], signal?: AbortSignal): Promise<void> {
    const { writeLog, currentPartitions } = this.#deps;
    if (!writeLog) return;
    const names = new Set(pending.map(nameOf));
    for (const name of this.#marks.keys()) if (!names.has(name)) this.#marks.delete(name);
    const unmarked = [...names].filter((name) => !this.#marks.has(name));
    if (unmarked.length === 0) return;
    await currentPartitions?.(signal);
    const endOffsets = await Promise.all(
      this.#deps.partitions().map((_, partition) => writeLog.endOffset(partition)),
    );
    for (const name of unmarked) this.#marks.set(name, { endOffsets, hasFlushed: false });
  }

  isReached(request: DeleteRequest): boolean {
    const { writeLog, catalog, clock, options } = this.#deps;
    // Without access to the log: heads are flushed by age before a day closes.
    if (!writeLog) {
      return clock.nowMs() >= request.createdMs + Math.max(options.cancelPeriodMs, options.closeDelayMs);
    }
    const mark = this.#marks.get(nameOf(request));
    return mark?.endOffsets.every((end, partition) => catalog.state(partition).endOffset >= end) ?? false;
  }

  /** Requests a flush of heads that due requests wait for, once for each request. */
  async reach(due: readonly DeleteRequest[], signal?: AbortSignal): Promise<void> {
    const { flush, catalog, catchUp, logger } = this.#deps;
    if (!flush) return;
    const marks = due
      .filter((request) => !this.isReached(request))
      .flatMap((request) => this.#marks.get(nameOf(request)) ?? [])
      .filter(({ hasFlushed }) => !hasFlushed);
    if (marks.length === 0) return;
    try {
      await flush(signal);
      for (const mark of marks) mark.hasFlushed = true;
    } catch (error) {
      // The next round asks again; heads are flushed by age in any case.
      logger.warn('a flush for delete requests failed', { err: String(error) });
    }
    await (catchUp ? catchUp(signal) : catalog.refresh(signal));
  }
}

/** Ids are unique within a tenant. */
function nameOf({ tenant, id }: DeleteRequest): string {
  return `${tenant}/${id}`;
}
