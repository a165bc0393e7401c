/** The fold of the compactors' log: the story of a stored day, step *commit*. */
import { ByteReader, ByteWriter, zstdCompress, zstdDecompress } from '@loki/bytes';
import { dayNs, LokiError } from '@loki/model';
import type { DeadSegment } from './catalog-state.ts';
import { CompactedDay } from './compacted-day.ts';
import {
  decodeCompactionManifest,
  encodeCompactionManifest,
  getCompacted,
  getList,
  getRange,
  putCompacted,
  putRange,
} from './compaction-manifest.ts';
import type { CompactionManifest, DayChange, FlushedInput } from './compaction-manifest.ts';
import { decode, appendChecksum } from './manifest.ts';
import type { FoldedLog } from './numbered-log.ts';
import { dayOf, daysMax } from './section-index.ts';
import type { SegmentRef } from './section-index.ts';

/** `LMC1`. The last byte is the version. */
const magic = 0x3143_4d4c;
const unpackedBytesMax = 512 << 20;
const listMax = 10_000_000;
/**
 * Milliseconds for which a change can be undone for a reader that holds older offsets. Its inputs live
 * longer.
 */
export const undoableMs = 3_600_000;

/** Merges, drops and rewrites of compactors: all manifests of their log, folded. */
export class CompactionState implements FoldedLog<CompactionManifest> {
  number = 0;
  /** Dropped compacted segments whose objects still exist. */
  readonly dead = new Map<string, DeadSegment>();
  readonly #tenants = new Map<string, Map<number, CompactedDay>>();
  /** The days in which a flushed segment was replaced, by tenant. */
  readonly #replaced = new Map<string, { tenant: string; day: number }[]>();
  readonly #checkpointBytesMax: number;

  /** @param checkpointBytesMax largest unpacked checkpoint; tests set it */
  constructor(checkpointBytesMax = unpackedBytesMax) {
    this.#checkpointBytesMax = checkpointBytesMax;
  }

  tenants(): readonly string[] {
    return [...this.#tenants.keys()];
  }

  days(tenant: string): readonly number[] {
    return [...(this.#tenants.get(tenant)?.keys() ?? [])];
  }

  day(tenant: string, day: number): CompactedDay | undefined {
    return this.#tenants.get(tenant)?.get(day);
  }

  /** Keys of all segments that are read or wait for their deletion. */
  *keys(): Iterable<string> {
    for (const days of this.#tenants.values()) {
      for (const { outputs } of days.values()) for (const { key } of outputs) yield key;
    }
    yield* this.dead.keys();
  }

  /** Whether some day of a flushed segment was replaced, and the segment not erased. */
  wasReplaced(key: string): boolean {
    return this.#replaced.has(key);
  }

  /** The reason why the change cannot be committed now; undefined: it can. */
  problemOf(change: Pick<DayChange, 'tenant' | 'day' | 'flushed' | 'compacted'>): string | undefined {
    return (this.day(change.tenant, change.day) ?? new CompactedDay()).problemOf(change);
  }

  fold(manifest: CompactionManifest): void {
    const { number, createdMs, changes, erased } = manifest;
    if (number !== this.number + 1) {
      throw new LokiError('corrupt', `catalog: compactions: manifest ${number} follows ${this.number}`);
    }
    for (const change of changes) {
      const problem = this.problemOf(change);
      if (problem) throw new LokiError('corrupt', `catalog: compactions: manifest ${number}: ${problem}`);
    }
    this.number = number;
    for (const change of changes) {
      const day = this.#makeDay(change.tenant, change.day);
      for (const { key } of day.apply(change, createdMs)) this.dead.set(key, { key, droppedMs: createdMs });
      for (const { key } of change.flushed) this.#noteReplaced(key, change);
      day.forgetBefore(createdMs - undoableMs);
    }
    for (const key of erased) {
      this.dead.delete(key);
      for (const { tenant, day } of this.#replaced.get(key) ?? []) this.#forget(tenant, day, key);
      this.#replaced.delete(key);
    }
  }

  /**
   * The sections to read in place of `refs` (the tenant's flushed sections in a window): first the compacted
   * segments of the window, then `refs` without their replaced days.
   *
   * @param reader `upTo`: offsets that it got from heads, by partition; `isKept`: whether the partition's
   *   catalog still has the tenant's section of a flushed segment
   */
  apply(
    tenant: string,
    refs: readonly SegmentRef[],
    window: { startNs: bigint; endNs: bigint },
    { upTo, isKept }: { upTo?: ReadonlyMap<number, number>; isKept: (input: FlushedInput) => boolean },
  ): SegmentRef[] {
    const days = this.#tenants.get(tenant);
    if (!days) return [...refs];
    const views = new Map(
      [...days].map(([day, each]) => [day, inWindow(day, window) && each.view(upTo, isKept)]),
    );
    const compacted = [...views].sort(([a], [b]) => a - b).flatMap(([, view]) => (view ? view.outputs : []));
    const outputs = compacted.flatMap(({ sources, ...segment }): SegmentRef[] => {
      const isWanted = segment.minNs < window.endNs && segment.maxNs >= window.startNs;
      return isWanted ? [{ ...segment, ...sources[0], sources }] : [];
    });
    return [...outputs, ...refs.flatMap((ref) => parts(ref, (day) => views.get(day) || undefined))];
  }

  encodeManifest(manifest: CompactionManifest): Buffer {
    return encodeCompactionManifest(manifest);
  }

  decodeManifest(bytes: Uint8Array, key: string): CompactionManifest {
    return decodeCompactionManifest(bytes, key);
  }

  encodeCheckpoint(): Buffer {
    const body = new ByteWriter(1 << 16);
    body.uvarint(this.number);
    body.uvarint(this.dead.size);
    for (const { key, droppedMs } of this.dead.values()) {
      body.sizedText(key);
      body.uvarint(droppedMs);
    }
    const days = [...this.#tenants].flatMap(([tenant, each]) =>
      [...each].map(([day, content]) => ({ tenant, day, content })),
    );
    body.uvarint(days.length);
    for (const { tenant, day, content } of days) {
      body.sizedText(tenant);
      body.varint(day);
      body.uvarint(content.flushed.size);
      for (const input of content.flushed.values()) {
        body.sizedText(input.key);
        putRange(body, input);
        body.uvarint(input.replacedMs);
      }
      body.uvarint(content.outputs.length);
      for (const output of content.outputs) putCompacted(body, output);
    }
    // Throws, so that the former checkpoint and the manifests since then stay: a checkpoint of this size
    // could not be read.
    if (body.length > this.#checkpointBytesMax) {
      throw new LokiError(
        'internal',
        `catalog: a checkpoint of compactions has ${body.length} bytes, more than readers take`,
      );
    }
    const writer = new ByteWriter(body.length / 4 + 64);
    writer.u32(magic);
    writer.uvarint(body.length);
    writer.sizedBytes(zstdCompress(body.view()));
    return appendChecksum(writer);
  }

  decodeCheckpoint(bytes: Uint8Array, key: string): void {
    decode(bytes, key, magic, (reader) => {
      const size = reader.count(unpackedBytesMax);
      const body = new ByteReader(zstdDecompress(reader.sizedBytes(), size));
      const number = body.uvarint();
      const read = <T>(readItem: () => T) => getList(body, readItem, listMax);
      const dead = read(() => ({ key: body.sizedText(), droppedMs: body.uvarint() }));
      const days = read(() => ({
        tenant: body.sizedText(),
        day: body.varint(),
        flushed: read(() => ({ key: body.sizedText(), ...getRange(body), replacedMs: body.uvarint() })),
        outputs: read(() => getCompacted(body)),
      }));
      body.expectEnd();
      this.#tenants.clear();
      this.#replaced.clear();
      this.dead.clear();
      this.number = number;
      for (const { tenant, day, flushed, outputs } of days) {
        this.#makeDay(tenant, day).restore(flushed, outputs);
        for (const { key: input } of flushed) this.#noteReplaced(input, { tenant, day });
      }
      for (const each of dead) this.dead.set(each.key, each);
    });
  }

  #makeDay(tenant: string, day: number): CompactedDay {
    let days = this.#tenants.get(tenant);
    if (!days) this.#tenants.set(tenant, (days = new Map<number, CompactedDay>()));
    let content = days.get(day);
    if (!content) days.set(day, (content = new CompactedDay()));
    return content;
  }

  #noteReplaced(key: string, { tenant, day }: { tenant: string; day: number }): void {
    const replacedDays = this.#replaced.get(key);
    if (replacedDays) replacedDays.push({ tenant, day });
    else this.#replaced.set(key, [{ tenant, day }]);
  }

  #forget(tenant: string, day: number, key: string): void {
    const days = this.#tenants.get(tenant);
    const content = days?.get(day);
    if (!days || !content) return;
    content.flushed.delete(key);
    if (content.flushed.size > 0 || content.outputs.length > 0) return;
    days.delete(day);
    if (days.size === 0) this.#tenants.delete(tenant);
  }
}

function inWindow(day: number, window: { startNs: bigint; endNs: bigint }): boolean {
  const startNs = BigInt(day) * dayNs;
  return startNs < window.endNs && startNs + dayNs > window.startNs;
}

/** The parts of a flushed section that no compacted segment replaces, each as a reference of its own. */
function parts(
  ref: SegmentRef,
  viewOf: (day: number) => { isReplaced(key: string): boolean } | undefined,
): SegmentRef[] {
  const first = dayOf(ref.minNs);
  const last = dayOf(ref.maxNs);
  // Sections over this many days are never compacted.
  if (last - first >= daysMax) return [ref];
  let isWhole = true;
  const windows: { startNs: bigint; endNs: bigint }[] = [];
  for (let day = first; day <= last; day++) {
    if (viewOf(Number(day))?.isReplaced(ref.key)) {
      isWhole = false;
      continue;
    }
    const startNs = day === first ? ref.minNs : day * dayNs;
    const endNs = day === last ? ref.maxNs + 1n : (day + 1n) * dayNs;
    const lastWindow = windows.at(-1);
    if (lastWindow?.endNs === startNs) lastWindow.endNs = endNs;
    else windows.push({ startNs, endNs });
  }
  return isWhole ? [ref] : windows.map((clip) => ({ ...ref, clip }));
}
