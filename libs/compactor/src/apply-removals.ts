import { dayNs, dayOf, deleteOf } from '@loki/catalog';
import type { CompactedSegment, DeleteRequest } from '@loki/catalog';
import type { LeafDelete } from '@loki/ports';
import { compactDay, inventoryOf } from './compact.ts';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { rewriteTask } from './merge-day-task.ts';
import { expiryOf, removalName, settledRemovals } from './removals.ts';
import type { Expiry } from './removals.ts';
import { replace } from './replace.ts';

/** Segments known to have nothing for a removal; looking again costs a footer. */
const checkedMax = 200_000;

/** Takes rows out of the store: those past their retention, and those of delete requests whose time has come. */
export class RowRemover {
  readonly #deps: CompactorDeps;
  readonly #checked = new Set<string>();
  /** By request: offsets below which everything must be committed before it is carried out. */
  readonly #marks = new Map<string, readonly number[]>();

  constructor(deps: CompactorDeps) {
    this.#deps = deps;
  }

  expiry(tenant: string): Expiry {
    if (!this.#deps.options.removesRows) return { removals: [], wholeNs: undefined };
    return expiryOf(this.#deps.limits.forTenant(tenant), this.#deps.clock.nowMs());
  }

  /** Drops compacted segments that are past their time as a whole, and rewrites those that are for some streams. */
  async applyRetention(tenant: string, day: number, signal?: AbortSignal): Promise<void> {
    const { removals, wholeNs } = this.expiry(tenant);
    if (removals.length === 0) return;
    for (const segment of this.#deps.catalog.compacted.day(tenant, day)?.outputs ?? []) {
      if (wholeNs !== undefined && segment.maxNs < wholeNs) {
        await this.#put(
          tenant,
          day,
          segment,
          { removedRows: segment.rowCount, inputRows: segment.rowCount },
          signal,
        );
        continue;
      }
      const settled = settledRemovals(removals, segment).filter(
        (each) => !this.#checked.has(`${segment.key} ${removalName(each)}`),
      );
      if (settled.length === 0) continue;
      await this.#rewrite(tenant, day, segment, settled, signal);
      for (const each of settled) this.#remember(`${segment.key} ${removalName(each)}`);
    }
  }

  /** Carries out requests past their cancel period, part by part. */
  async applyDeletes(signal?: AbortSignal): Promise<void> {
    const { requests, clock, options, metrics } = this.#deps;
    if (!requests) return;
    const nowMs = clock.nowMs();
    const due = requests.state
      .tenants()
      .flatMap((tenant) => requests.state.requests(tenant))
      .filter((each) => each.processedMs === undefined && each.createdMs + options.cancelPeriodMs <= nowMs);
    const oldestMs = due.reduce((oldest, { createdMs }) => Math.min(oldest, createdMs), nowMs);
    metrics.pendingDeletes(due.length, (nowMs - oldestMs) / 1000);
    for (const request of due) await this.#carryOut(request, signal);
    for (const id of this.#marks.keys()) if (!due.some((each) => each.id === id)) this.#marks.delete(id);
  }

  async #carryOut(request: DeleteRequest, signal: AbortSignal | undefined): Promise<void> {
    const { tenant, id, parts, startMs, endMs } = request;
    const { limits, requests, catalog } = this.#deps;
    if (limits.forTenant(tenant).deletionMode !== 'filter-and-delete') return;
    if (!this.#owns(tenant, Number(dayOf(deleteOf(request).startNs)))) return;
    if (!(await this.#isSettled(request))) return;
    const partMs = (endMs - startMs) / parts;
    for (let part = request.partsDone; part < parts; part++) {
      const removal = deleteOf({
        ...request,
        startMs: Math.floor(startMs + part * partMs),
        endMs: part + 1 === parts ? endMs : Math.floor(startMs + (part + 1) * partMs),
      });
      const days = catalog
        .days(tenant)
        .filter((day) => BigInt(day) * dayNs < removal.endNs && BigInt(day + 1) * dayNs > removal.startNs);
      for (const day of days) await this.#removeFromDay(tenant, day, removal, signal);
      if (!days.every((day) => this.#isDone(tenant, day, removal))) return;
      if (this.#hasLongSections(tenant, removal)) return;
      await requests!.progress(tenant, id, part + 1);
      await this.#deps.simHook?.('delete.afterProgress');
    }
    this.#deps.logger.info('a delete request was carried out', { tenant, request: id });
  }

  async #removeFromDay(
    tenant: string,
    day: number,
    removal: LeafDelete,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const overlaps = inventoryOf(this.#deps, tenant, day).flushed.some((ref) => touches(ref, removal));
    if (overlaps) await compactDay(this.#deps, tenant, day, { removals: [removal], isForced: true, signal });
    for (const segment of this.#deps.catalog.compacted.day(tenant, day)?.outputs ?? []) {
      if (touches(segment, removal)) await this.#rewrite(tenant, day, segment, [removal], signal);
    }
  }

  /** No flushed section is left that is too young to be merged. */
  #isDone(tenant: string, day: number, removal: LeafDelete): boolean {
    return !inventoryOf(this.#deps, tenant, day).flushed.some((ref) => touches(ref, removal));
  }

  /** Sections over more days than are ever compacted keep their rows: the request goes on to be applied to answers. */
  #hasLongSections(tenant: string, { startNs, endNs }: LeafDelete): boolean {
    const { catalog } = this.#deps;
    return catalog
      .segmentsFor(tenant, startNs, endNs)
      .some((ref) => !ref.sources && !catalog.isCompactable(ref.minNs, ref.maxNs));
  }

  /** All that was acknowledged when the request fell due is in the catalog. */
  async #isSettled({ id, createdMs }: DeleteRequest): Promise<boolean> {
    const { writeLog, catalog, clock, options } = this.#deps;
    // Without sight of the log: what was acknowledged before the request has been flushed by then.
    if (!writeLog) return clock.nowMs() >= createdMs + Math.max(options.cancelPeriodMs, options.closeDelayMs);
    let marks = this.#marks.get(id);
    if (!marks) {
      const all = Array.from({ length: writeLog.partitionCount }, (_, partition) =>
        writeLog.endOffset(partition),
      );
      this.#marks.set(id, (marks = await Promise.all(all)));
    }
    return marks.every((offset, partition) => catalog.state(partition).endOffset >= offset);
  }

  async #rewrite(
    tenant: string,
    day: number,
    segment: CompactedSegment,
    removals: readonly LeafDelete[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const rewritten = await this.#deps.workers.run(
      rewriteTask,
      { tenant, key: segment.key, removals },
      { signal },
    );
    if (rewritten.removedRows > 0) await this.#put(tenant, day, segment, rewritten, signal);
  }

  async #put(
    tenant: string,
    day: number,
    segment: CompactedSegment,
    { bytes, removedRows, inputRows }: { bytes?: Uint8Array; removedRows: number; inputRows: number },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { metrics, logger } = this.#deps;
    const rowCount = inputRows - removedRows;
    const { level } = segment;
    const part = { tenant, day, compacted: [segment], flushed: [], bytes, rowCount, level };
    const outputBytes = await replace(this.#deps, part, signal);
    if (outputBytes === undefined) return metrics.mergeLost();
    metrics.merged({ inputBytes: segment.sizeBytes, outputBytes, removedRows });
    logger.info('rows removed', { tenant, day: dayText(day), removedRows, rowsLeft: rowCount, outputBytes });
  }

  #owns(tenant: string, day: number): boolean {
    return this.#deps.owns?.(tenant, day) ?? true;
  }

  #remember(checked: string): void {
    this.#checked.add(checked);
    if (this.#checked.size > checkedMax) this.#checked.delete(this.#checked.values().next().value!);
  }
}

function touches(
  { minNs, maxNs }: { readonly minNs: bigint; readonly maxNs: bigint },
  { startNs, endNs }: LeafDelete,
): boolean {
  return minNs < endNs && maxNs >= startNs;
}
