/** Merges segments into one sorted segment: steps *flush* of a written line and *merge* of a stored day. */
import { zstdLevelDefault } from '@loki/bytes';
import type { ZstdEffort } from '@loki/bytes';
import { compareText } from '@loki/model';
import type { TenantId } from '@loki/model';
import { columnLevel } from '../columns/unit.ts';
import { buildSearchFilter } from '../filter/filter-build.ts';
import { blockBytesDefault } from '../format/format-bounds.ts';
import type { Section, Segment, SegmentKind } from '../format/types.ts';
import { openSegment } from '../read/open.ts';
import { assemble } from '../write/assemble.ts';
import type { EncodedSection, SectionSummary } from '../write/assemble.ts';
import { freeBlocks } from '../write/encode-block.ts';
import { BlockGatherer } from './block-gatherer.ts';
import type { FilterBuilder, LineRoom } from './block-gatherer.ts';
import type { MergeInput } from './merge-pieces.ts';
import { newestBytesDefault } from './newest-rows.ts';
import { PieceSorter } from './piece-sorter.ts';
import { TenantMerge } from './tenant-merge.ts';

export interface MergeOptions {
  readonly kind: SegmentKind;
  /** Of compression; default level 1. */
  readonly effort?: ZstdEffort;
  /** Target of line bytes per block; default 1 MiB. */
  readonly blockBytes?: number;
  /** Only these tenants; default all. */
  readonly tenants?: readonly string[];
  /** Only rows of this UTC day, counted from 1970-01-01; default all. */
  readonly day?: number;
  /** Line bytes of the newest rows that get blocks of their own, the most first; default 8 and 1 MiB. */
  readonly newestBytes?: readonly number[];
  /** Builds each block's search filter; default `buildSearchFilter`. */
  readonly buildFilter?: FilterBuilder;
}

interface MergeResult {
  readonly bytes: Buffer;
  /** Empty when no rows remain: then there is nothing to store. */
  readonly sections: readonly SectionSummary[];
  readonly rowCount: number;
  /** Rows that were dropped because an equal row (stream, timestamp, line, metadata) exists. */
  readonly duplicateRows: number;
}

/**
 * Merges segments into one, sorted by tenant, era (104 days, so nearly always one), slice (the newest rows of
 * a large section are apart), stream (in the order of label texts, so that similar streams are neighbours)
 * and time. Equal timestamps stay in the order of the inputs, which are given oldest first. Exact duplicates
 * are dropped.
 *
 * Memory: blocks of the inputs are decoded at first use and released after their last row. A sorted input has
 * one block in memory, and those across a cut (cutNewest) until it; a record has all of its rows. CPU:
 * figures in segment.bench.ts.
 *
 * @throws LokiError `corrupt` that names the damaged input
 */
export function mergeSegments(inputs: readonly MergeInput[], options: MergeOptions): MergeResult {
  const { kind, tenants, day, effort = zstdLevelDefault, newestBytes = newestBytesDefault } = options;
  const segments = inputs.map((input) =>
    'sections' in input ? input : openSegment(input.bytes, input.name),
  );
  const byTenant = new Map<TenantId, [Segment, Section][]>();
  for (const segment of segments) {
    for (const section of segment.sections) {
      if (tenants && !tenants.includes(section.tenant)) continue;
      const group = byTenant.get(section.tenant);
      if (group) group.push([segment, section]);
      else byTenant.set(section.tenant, [[segment, section]]);
    }
  }
  const encoded: EncodedSection[] = [];
  // Of all tenants: a buffer for each would have the garbage collector run for each.
  const room: LineRoom = { bytes: Buffer.alloc(0) };
  const sorter = new PieceSorter();
  let duplicateRows = 0;
  for (const tenant of [...byTenant.keys()].sort(compareText)) {
    const { blockBytes = blockBytesDefault, buildFilter = buildSearchFilter } = options;
    const gatherer = new BlockGatherer({ room, blockBytes, effort, buildFilter });
    const merge = new TenantMerge(byTenant.get(tenant)!, { day, newestBytes, sorter });
    const streams = merge.run(gatherer);
    duplicateRows += merge.duplicateRows;
    if (gatherer.blocks.length > 0) encoded.push({ tenant, streams, blocks: gatherer.blocks });
  }
  const { bytes, sections } = assemble(encoded, kind, columnLevel(effort));
  for (const { blocks } of encoded) freeBlocks(blocks);
  const rowCount = sections.reduce((sum, section) => sum + section.rowCount, 0);
  return { bytes, sections, rowCount, duplicateRows };
}
