/** Encoding and merging as tasks of worker threads. */
import { freeMemory } from '@loki/model';
import type { Task } from '@loki/ports';
import type { RawSection } from './format/types.ts';
import { mergeSegments } from './merge/merge.ts';
import type { MergeOptions } from './merge/merge.ts';
import type { SectionSummary } from './write/assemble.ts';
import { encodeRecords } from './write/records.ts';

interface EncodeInput {
  readonly sections: readonly RawSection[];
  /** Most bytes of one record. */
  readonly bytesMax: number;
}

/**
 * `encodeRecords` on a worker. The sections' columns are moved to the worker; the caller can no longer use
 * them.
 */
export const encodeRecordsTask: Task<EncodeInput, { records: readonly Uint8Array[] }> = {
  name: 'segment.encode',
  run({ sections, bytesMax }) {
    const records = encodeRecords(sections, bytesMax).map(unshared);
    // The next batch comes before the collector has looked.
    for (const buffer of new Set(sections.flatMap(buffersOf))) freeMemory(new Uint8Array(buffer));
    return { records };
  },
  transfer: ({ sections }) => [...new Set(sections.flatMap(buffersOf))],
  transferOutput: ({ records }) => records.map(({ buffer }) => buffer as ArrayBuffer),
};

/** A segment to merge: its bytes, or its key in the object store, from which the worker reads it. */
type MergeTaskSource = { readonly bytes: Uint8Array; readonly name?: string } | { readonly key: string };

interface MergeTaskInput {
  /** Oldest first. */
  readonly inputs: readonly MergeTaskSource[];
  readonly options: MergeOptions;
}

/** A merged segment and its contents; `bytes` is empty when no row was left. */
export interface MergeTaskOutput {
  readonly bytes: Uint8Array;
  readonly sections: readonly SectionSummary[];
  readonly rowCount: number;
  readonly duplicateRows: number;
}

/**
 * `mergeSegments` on a worker. Inputs are copied to the worker, because a head still answers queries from
 * them.
 */
export const mergeTask: Task<MergeTaskInput, MergeTaskOutput> = {
  name: 'segment.merge',
  async run({ inputs, options }, env) {
    const segments: { bytes: Uint8Array; name?: string }[] = [];
    for (const input of inputs) {
      segments.push(
        'key' in input ? { bytes: await env.objectStore.get(input.key), name: input.key } : input,
      );
    }
    const { bytes, ...result } = mergeSegments(segments, options);
    return { ...result, bytes: unshared(bytes) };
  },
  transferOutput: ({ bytes }) => [bytes.buffer as ArrayBuffer],
};

function buffersOf(section: RawSection): ArrayBuffer[] {
  const { runStream, runFirstRow, timestamps, lineEnds, lines, metadata } = section;
  const arrays = [runStream, runFirstRow, timestamps, lineEnds, lines];
  for (const { codes, rows } of metadata) arrays.push(codes, rows ?? codes);
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}

/** The bytes in a buffer that can be moved; a copy when most of their buffer belongs to others. */
function unshared(bytes: Buffer): Uint8Array {
  const isPooled = bytes.byteOffset !== 0 || bytes.buffer.byteLength > bytes.length * 1.5;
  return isPooled ? new Uint8Array(bytes) : bytes;
}
