/** The compacted segments of one tenant and day: the story of a stored day. */
import { LokiError } from '@loki/model';
import type { PartIdentity } from '../logs/segment-groups.ts';
import type { CompactedSegment, DayChange, FlushedInput, RecordRange } from './compaction-manifest.ts';

/** The part of a checkpoint that holds a day, and how many days it holds. */
export interface DayPart extends PartIdentity {
  readonly days: number;
}

/** Offsets, times and sizes of an output, and of an input, about. */
const outputBytes = 60;
const inputBytes = 20;

/** An applied change. It can be undone for a reader that may not see it yet. */
interface AppliedChange {
  readonly createdMs: number;
  /** Index of its inputs before the change, and of its outputs now, in the day's order. */
  readonly at: number;
  readonly inputs: readonly CompactedSegment[];
  readonly flushed: readonly FlushedInput[];
  readonly outputs: readonly string[];
  /** Highest end offset by partition of all inputs. */
  readonly ends: ReadonlyMap<number, number>;
}

/** A flushed segment whose rows of the day are no longer read from it. */
export interface ReplacedInput extends FlushedInput {
  readonly replacedMs: number;
}

/** The sections to read of a day. */
interface DayView {
  /** Oldest first: entries with equal timestamps keep their order of arrival. */
  readonly outputs: readonly CompactedSegment[];
  /** Flushed segments whose rows of the day are in `outputs`, or nowhere. */
  isReplaced(key: string): boolean;
}

/**
 * The compacted segments of one tenant and day.
 *
 * Their order is that of arrival: an input is merged only together with all that lies between it and the
 * other inputs. Outputs are older than every flushed segment of their partitions that is not replaced.
 */
export class CompactedDay implements DayView {
  outputs: readonly CompactedSegment[] = [];
  readonly flushed = new Map<string, ReplacedInput>();
  /** Highest end offset by partition of all rows that are or were here. */
  readonly ends = new Map<number, number>();
  /** Approximate bytes of the day in a checkpoint. */
  bytes = inputBytes;
  /** Of the checkpoint that was last written or read; undefined: the day has changed since. */
  part: DayPart | undefined;
  #history: AppliedChange[] = [];

  isReplaced(key: string): boolean {
    return this.flushed.has(key);
  }

  /** The reason why the change cannot be the next one; undefined: it can. */
  problemOf({ flushed, compacted }: Pick<DayChange, 'flushed' | 'compacted'>): string | undefined {
    const at = compacted.length === 0 ? this.outputs.length : this.#indexOf(compacted[0]);
    for (let i = 0; i < compacted.length; i++) {
      if (this.outputs[at + i]?.key !== compacted[i]) return `${compacted[i]} is not there, or not in order`;
    }
    if (flushed.length > 0 && at + compacted.length !== this.outputs.length) {
      return 'flushed segments come after all compacted ones';
    }
    const repeated = flushed.find(({ key }) => this.flushed.has(key));
    return repeated && `${repeated.key} was replaced before`;
  }

  /** @returns the outputs that are no longer read */
  apply(change: DayChange, createdMs: number): readonly CompactedSegment[] {
    const { flushed, compacted, outputs } = change;
    const at = compacted.length === 0 ? this.outputs.length : this.#indexOf(compacted[0]);
    const inputs = this.outputs.slice(at, at + compacted.length);
    this.outputs = this.outputs.toSpliced(at, compacted.length, ...outputs);
    this.part = undefined;
    this.bytes += outputsBytes(outputs) - outputsBytes(inputs);
    for (const input of flushed) this.#addFlushed({ ...input, replacedMs: createdMs });
    const ends = new Map<number, number>();
    for (const range of [...flushed, ...inputs.flatMap(({ sources }) => sources)]) raise(ends, range);
    for (const [partition, endOffset] of ends) raise(this.ends, { partition, endOffset });
    this.#history.push({
      createdMs,
      at,
      inputs,
      flushed,
      outputs: outputs.map(({ key }) => key),
      ends,
    });
    return inputs;
  }

  /** Restores the day from a checkpoint; its changes cannot be undone. */
  restore(flushed: readonly ReplacedInput[], outputs: readonly CompactedSegment[]): void {
    this.outputs = outputs;
    this.bytes += outputsBytes(outputs);
    for (const input of flushed) this.#addFlushed(input);
    for (const range of [...flushed, ...outputs.flatMap(({ sources }) => sources)]) raise(this.ends, range);
  }

  /** The flushed segment is erased. */
  forgetFlushed(key: string): void {
    if (!this.flushed.delete(key)) return;
    this.bytes -= inputBytes + key.length;
    this.part = undefined;
  }

  /** No reader has offsets from before this time any more. */
  forgetBefore(ms: number): void {
    if (this.#history.length > 0 && this.#history[0].createdMs < ms) {
      this.#history = this.#history.filter(({ createdMs }) => createdMs >= ms);
    }
  }

  /**
   * The day for a reader that got offsets from heads: without changes that hold rows above these offsets,
   * because the heads have returned those rows.
   *
   * @param isKept whether the partition's catalog still names a flushed segment that was replaced
   * @throws LokiError `unavailable` when such a change is too old to be undone, or its flushed segments were
   *   dropped early, by a compactor whose clock is ahead
   */
  view(
    upTo: ReadonlyMap<number, number> | undefined,
    isKept: (input: FlushedInput) => boolean = () => true,
  ): DayView {
    if (!upTo || isBelow(this.ends, upTo)) return this;
    let outputs: readonly CompactedSegment[] = this.outputs;
    const unreplaced = new Set<string>();
    let isDropped = false;
    for (const change of this.#history.toReversed()) {
      if (isBelow(change.ends, upTo)) continue;
      const firstAt = outputs.findIndex(({ key }) => key === change.outputs[0]);
      const at = firstAt < 0 ? Math.min(change.at, outputs.length) : firstAt;
      outputs = outputs.toSpliced(at, change.outputs.length, ...change.inputs);
      for (const input of change.flushed) {
        unreplaced.add(input.key);
        isDropped ||= reaches(upTo, input) && !isKept(input);
      }
    }
    const isReplaced = (key: string): boolean => this.flushed.has(key) && !unreplaced.has(key);
    const tooNew =
      isDropped ||
      outputs.some(({ sources }) => sources.some((range) => !reaches(upTo, range))) ||
      [...this.flushed.values()].some((input) => !reaches(upTo, input) && isReplaced(input.key));
    if (tooNew) {
      throw new LokiError(
        'unavailable',
        'rows above the committed offset were compacted: ask the head again',
      );
    }
    return { outputs, isReplaced };
  }

  #addFlushed(input: ReplacedInput): void {
    this.flushed.set(input.key, input);
    this.bytes += inputBytes + input.key.length;
  }

  #indexOf(key: string): number {
    return this.outputs.findIndex((output) => output.key === key);
  }
}

function raise(ends: Map<number, number>, range: Omit<RecordRange, 'startOffset'>): void {
  if (range.endOffset > (ends.get(range.partition) ?? 0)) ends.set(range.partition, range.endOffset);
}

function isBelow(ends: ReadonlyMap<number, number>, upTo: ReadonlyMap<number, number>): boolean {
  for (const [partition, endOffset] of ends) if (!reaches(upTo, { partition, endOffset })) return false;
  return true;
}

function reaches(
  upTo: ReadonlyMap<number, number>,
  { partition, endOffset }: Omit<RecordRange, 'startOffset'>,
): boolean {
  return endOffset <= (upTo.get(partition) ?? Infinity);
}

function outputsBytes(outputs: readonly CompactedSegment[]): number {
  return outputs.reduce((sum, { key }) => sum + outputBytes + key.length, 0);
}
