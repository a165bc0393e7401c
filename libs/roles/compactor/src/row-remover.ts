/** Removes expired and deleted rows from stored segments: step *delete, expire* of a stored day. */
import { dayOf, deleteOf } from '@loki/catalog';
import type { CompactedSegment, DeleteRequest } from '@loki/catalog';
import type { LeafDelete } from '@loki/ports';
import { compactDay, inventoryOf } from './compact.ts';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { LogMarks } from './log-marks.ts';
import { rewriteTask } from './merge-day-task.ts';
import { expiryOf, removalName, settledRemovals } from './removals.ts';
import type { Expiry } from './removals.ts';
import { replaceAll } from './replace.ts';

/** Segments known to have no rows of a removal; another check costs a footer. */
const checkedMax = 200_000;
const dayMs = 86_400_000;

/** Removes rows from the store: expired ones, and those of due delete requests. */
export class RowRemover {
  readonly #deps: CompactorDeps;
  readonly #checked = new Set<string>();
  readonly #marks: LogMarks;
  /** True: the clock is doubtful, and nothing counts as expired. */
  isWithheld = false;

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
    this.#marks = new LogMarks(deps);
  }

  expiry(tenant: string): Expiry {
    if (!this.#deps.options.removesRows || this.isWithheld) return { removals: [], wholeNs: undefined };
    return expiryOf(this.#deps.limits.forTenant(tenant), this.#deps.clock.nowMs());
  }

  /** Drops compacted segments that are expired as a whole, and rewrites those with some expired streams. */
  async applyRetention(tenant: string, day: number, signal?: AbortSignal): Promise<void> {
    const { removals, wholeNs } = this.expiry(tenant);
    if (removals.length === 0) return;
    const { clock, metrics } = this.#deps;
    const beganMs = clock.monotonicMs();
    const outputs = this.#deps.catalog.compacted.day(tenant, day)?.outputs ?? [];
    let [dropped, rewritten] = [0, 0];
    for (const segment of outputs) {
      if (wholeNs !== undefined && segment.maxNs < wholeNs) {
        await this.#put(
          { tenant, day, segment, removes: 'expired' },
          { removedRows: segment.rowCount, inputRows: segment.rowCount },
          signal,
        );
        dropped++;
        continue;
      }
      const settled = settledRemovals(removals, segment).filter(
        (each) => !this.#checked.has(`${segment.key} ${removalName(each)}`),
      );
      if (settled.length === 0) continue;
      await this.#rewrite({ tenant, day, segment, removes: 'expired' }, settled, signal);
      for (const each of settled) this.#remember(`${segment.key} ${removalName(each)}`);
      rewritten++;
    }
    const isGone = outputs.length > 0 && dropped === outputs.length;
    const action = isGone ? 'deleted' : dropped + rewritten > 0 ? 'modified' : 'none';
    metrics.retentionLooked({ tenant, action, seconds: (clock.monotonicMs() - beganMs) / 1000 });
  }

  /**
   * Carries out requests past their cancel period, part by part.
   *
   * @throws after all requests were tried, if some failed
   */
  async applyDeletes(signal?: AbortSignal): Promise<void> {
    const { requests, clock, options, metrics, logger } = this.#deps;
    if (!requests) return;
    const nowMs = clock.nowMs();
    const isDue = ({ createdMs }: DeleteRequest) => createdMs + options.cancelPeriodMs <= nowMs;
    const pending = requests.state
      .tenants()
      .flatMap((tenant) => requests.state.requests(tenant))
      .filter(({ processedMs }) => processedMs === undefined);
    const allDue = pending.filter(isDue);
    const oldestMs = allDue.reduce((oldest, { createdMs }) => Math.min(oldest, createdMs), nowMs);
    metrics.pendingDeletes(allDue.length, (nowMs - oldestMs) / 1000);
    const own = pending.filter((request) => this.#isOwn(request));
    const due = own.filter(isDue);
    await this.#marks.note(own, signal);
    await this.#marks.reach(due, signal);
    let failures = 0;
    for (const request of due) {
      await this.#carryOut(request, signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        failures++;
        const { tenant, id } = request;
        logger.error('a delete request failed', { tenant, request: id, err: String(error) });
      });
    }
    if (failures > 0) throw new Error(`${failures} delete requests failed`);
  }

  /** Requests that this compactor carries out: its share, of tenants in deletion mode `filter-and-delete`. */
  #isOwn(request: DeleteRequest): boolean {
    const { tenant } = request;
    const { deletionMode } = this.#deps.limits.forTenant(tenant);
    return (
      deletionMode === 'filter-and-delete' && this.#owns(tenant, Number(dayOf(deleteOf(request).startNs)))
    );
  }

  async #carryOut(request: DeleteRequest, signal: AbortSignal | undefined): Promise<void> {
    const { tenant, id, parts } = request;
    const { requests, catalog } = this.#deps;
    if (!this.#marks.isReached(request)) return;
    const days = catalog.days(tenant);
    const hasLongSections = this.#hasLongSections(tenant, deleteOf(request));
    for (let part = request.partsDone, next = 0; part < parts; part++) {
      const piece = partOf(request, part);
      while (next < days.length && (days[next] + 1) * dayMs <= piece.startMs) next++;
      let end = next;
      while (end < days.length && days[end] * dayMs <= piece.endMs) end++;
      const removal = deleteOf(piece);
      if (hasLongSections && this.#hasLongSections(tenant, removal)) return;
      // A request over all time has thousands of parts without a row: they get no manifest each.
      if (end === next && part + 1 < parts) continue;
      const partDays = days.slice(next, end);
      for (const day of partDays) {
        if (!(await this.#removeFromDay(tenant, day, removal, signal))) return;
      }
      if (!partDays.every((day) => this.#isDone(tenant, day, removal))) return;
      await requests!.progress(tenant, id, part + 1);
      await this.#deps.simHook?.('delete.afterProgress');
    }
    this.#deps.metrics.deleteRequestDone(tenant);
    this.#deps.logger.info('a delete request was carried out', { tenant, request: id });
  }

  /**
   * @returns false: another compactor replaced a segment meanwhile, and its output may hold rows of the
   *   removal; the next round removes them
   */
  async #removeFromDay(
    tenant: string,
    day: number,
    removal: LeafDelete,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const overlaps = inventoryOf(this.#deps, tenant, day).flushed.some((ref) => touches(ref, removal));
    if (overlaps) await compactDay(this.#deps, { tenant, day, removals: [removal] }, signal);
    for (const segment of this.#deps.catalog.compacted.day(tenant, day)?.outputs ?? []) {
      const storedDay: StoredDay = { tenant, day, segment, removes: 'deleted' };
      if (touches(segment, removal) && !(await this.#rewrite(storedDay, [removal], signal))) return false;
    }
    return true;
  }

  /** True if no flushed section remains; a section that was committed meanwhile waits for the next round. */
  #isDone(tenant: string, day: number, removal: LeafDelete): boolean {
    return !inventoryOf(this.#deps, tenant, day).flushed.some((ref) => touches(ref, removal));
  }

  /**
   * Sections over more days than are ever compacted keep their rows: the request stays and is applied to
   * answers.
   */
  #hasLongSections(tenant: string, { startNs, endNs }: LeafDelete): boolean {
    const { catalog } = this.#deps;
    return catalog
      .segmentsFor(tenant, startNs, endNs)
      .some((ref) => !ref.sources && !catalog.isCompactable(ref.minNs, ref.maxNs));
  }

  /** @returns false: another compactor was faster, and nothing has changed here */
  async #rewrite(
    storedDay: StoredDay,
    removals: readonly LeafDelete[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { tenant, segment } = storedDay;
    const rewritten = await this.#deps.workers.run(
      rewriteTask,
      { tenant, key: segment.key, removals },
      { signal },
    );
    return rewritten.removedRows === 0 || this.#put(storedDay, rewritten, signal);
  }

  /** @returns false: another compactor was faster, and nothing has changed here */
  async #put(
    { tenant, day, segment, removes }: StoredDay,
    { bytes, removedRows, inputRows }: { bytes?: Uint8Array; removedRows: number; inputRows: number },
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { metrics, logger } = this.#deps;
    const rowCount = inputRows - removedRows;
    const { level } = segment;
    const part = { tenant, day, compacted: [segment], flushed: [], bytes, rowCount, level };
    const [outputBytes] = await replaceAll(this.#deps, [part], signal);
    if (outputBytes === undefined) {
      metrics.mergeLost();
      return false;
    }
    metrics.merged({ tenant, inputBytes: segment.sizeBytes, outputBytes, removedRows, removes });
    logger.info('rows removed', { tenant, day: dayText(day), removedRows, rowsLeft: rowCount, outputBytes });
    return true;
  }

  #owns(tenant: string, day: number): boolean {
    return this.#deps.owns?.(tenant, day) ?? true;
  }

  #remember(checked: string): void {
    this.#checked.add(checked);
    if (this.#checked.size > checkedMax) this.#checked.delete(this.#checked.values().next().value!);
  }
}

/** A compacted segment of a tenant's day. */
interface StoredDay {
  readonly tenant: string;
  readonly day: number;
  readonly segment: CompactedSegment;
  /** Reason of the removal. */
  readonly removes: 'expired' | 'deleted';
}

/** The request, restricted to one of its parts. */
function partOf(request: DeleteRequest, part: number): DeleteRequest {
  const { startMs, endMs, parts } = request;
  const partMs = (endMs - startMs) / parts;
  return {
    ...request,
    startMs: Math.floor(startMs + part * partMs),
    endMs: part + 1 === parts ? endMs : Math.floor(startMs + (part + 1) * partMs),
  };
}

function touches(
  { minNs, maxNs }: { readonly minNs: bigint; readonly maxNs: bigint },
  { startNs, endNs }: LeafDelete,
): boolean {
  return minNs < endNs && maxNs >= startNs;
}
