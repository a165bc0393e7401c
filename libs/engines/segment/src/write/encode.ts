/** Encodes rows as a segment: step *shard, batch* of a written line, and tests. */
import { zstdLevelDefault } from '@loki/bytes';
import { compareText, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { RawColumn } from '../columns/dictionary.ts';
import { lowerBound, sliceColumn } from '../columns/slice-column.ts';
import { blockBytesDefault, blockRowsTarget, recordBlockBytesDefault } from '../format/format-bounds.ts';
import type { RawSection, SegmentKind } from '../format/types.ts';
import type { EncodedBlock } from '../read/block-table.ts';
import { assemble } from './assemble.ts';
import type { EncodedSection } from './assemble.ts';
import { encodeBlock, freeBlocks } from './encode-block.ts';
import type { BlockColumns } from './encode-block.ts';

interface EncodeOptions {
  readonly kind: SegmentKind;
  /** zstd level; default 1: 3 s/GB at nearly the ratio of 3. */
  readonly level?: number;
  /** Target of line bytes per block; default 4 MiB in a record, else 1 MiB. */
  readonly blockBytes?: number;
}

/**
 * Encodes rows as a segment, in the order of rows and runs: the caller has already sorted those of a flushed
 * or compacted segment. Sections of one tenant (RowWriter makes several for times that are months apart)
 * become one section.
 */
export function encodeSegment(sections: readonly RawSection[], options: EncodeOptions): Buffer {
  const { kind, level = zstdLevelDefault } = options;
  const blockBytes = options.blockBytes ?? (kind === 'record' ? recordBlockBytesDefault : blockBytesDefault);
  const byTenant = new Map<TenantId, RawSection[]>();
  for (const section of sections) {
    if (section.rowCount === 0) continue;
    const tenant = parseTenantId(section.tenant);
    const group = byTenant.get(tenant);
    if (group) group.push(section);
    else byTenant.set(tenant, [section]);
  }
  const encoded: EncodedSection[] = [];
  for (const [tenant, group] of byTenant) {
    const { streams, maps } = uniteStreams(group);
    const form = { blockBytes, level, hasMetadataBytes: kind !== 'record' };
    const blocks = group.flatMap((section, i) => encodeBlocks(section, maps[i], form));
    encoded.push({ tenant, streams, blocks });
  }
  encoded.sort((a, b) => compareText(a.tenant, b.tenant));
  const { bytes } = assemble(encoded, kind, level);
  for (const { blocks } of encoded) freeBlocks(blocks);
  return bytes;
}

/**
 * One stream table for all sections, and for each section the new indexes of its streams; undefined:
 * unchanged.
 */
function uniteStreams(group: readonly RawSection[]): {
  streams: RawSection['streams'];
  maps: (Uint32Array | undefined)[];
} {
  if (group.length === 1) return { streams: group[0].streams, maps: [undefined] };
  const streams: RawSection['streams'][number][] = [];
  const idOf = new Map<string, number>();
  const maps = group.map((section) =>
    Uint32Array.from(section.streams, (stream) => {
      const key = JSON.stringify([stream.names, stream.values]);
      let id = idOf.get(key);
      if (id === undefined) idOf.set(key, (id = streams.push(stream) - 1));
      return id;
    }),
  );
  return { streams, maps };
}

function encodeBlocks(
  section: RawSection,
  streamMap: Uint32Array | undefined,
  form: { readonly blockBytes: number; readonly level: number; readonly hasMetadataBytes: boolean },
): EncodedBlock[] {
  const { blockBytes, level } = form;
  const metadata = [...section.metadata].sort((a, b) => compareText(a.name, b.name));
  const blocks: EncodedBlock[] = [];
  const ends = section.lineEnds;
  for (let from = 0; from < section.rowCount;) {
    const start = from === 0 ? 0 : ends[from - 1];
    const restBytes = ends[section.rowCount - 1] - start;
    let to = from;
    // Remaining rows just over the target stay one block: a small block would compress badly.
    if (restBytes <= blockBytes * 1.25 && section.rowCount - from <= blockRowsTarget * 2) {
      to = section.rowCount;
    } else {
      while (to < section.rowCount && ends[to] - start <= blockBytes && to - from < blockRowsTarget) to++;
    }
    if (to === from) to++; // one line larger than a block
    blocks.push(encodeBlock(sliceSection(section, metadata, streamMap, from, to), level, form));
    from = to;
  }
  return blocks;
}

/** The columns of rows [from, to) as a block, as views where possible. */
function sliceSection(
  section: RawSection,
  metadata: readonly RawColumn[],
  streamMap: Uint32Array | undefined,
  from: number,
  to: number,
): BlockColumns {
  const { runStream, runFirstRow } = section;
  // The run that contains row `from`, and the first one that starts at or after `to`.
  const firstRun = lowerBound(runFirstRow, from + 1) - 1;
  const endRun = lowerBound(runFirstRow, to);
  const first = new Uint32Array(endRun - firstRun + 1);
  for (let run = firstRun; run < endRun; run++) first[run - firstRun] = Math.max(0, runFirstRow[run] - from);
  first[endRun - firstRun] = to - from;
  const streams = runStream.subarray(firstRun, endRun);
  const start = from === 0 ? 0 : section.lineEnds[from - 1];
  let lineEnds = section.lineEnds.subarray(from, to);
  if (start > 0) lineEnds = lineEnds.map((end) => end - start);
  return {
    rowCount: to - from,
    baseNs: section.baseNs,
    runStream: streamMap ? streams.map((stream) => streamMap[stream]) : streams,
    runFirstRow: first,
    timestamps: section.timestamps.subarray(from, to),
    lineEnds,
    lines: section.lines.subarray(start, section.lineEnds[to - 1]),
    metadata: metadata.flatMap((column) => sliceColumn(column, from, to) ?? []),
  };
}
