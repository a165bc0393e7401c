/** Verifies a whole segment: step *merge, remove* of a stored day, before a commit. */
import { LokiError, compareText } from '@loki/model';
import { metadataBytesOfDecoded } from '../columns/metadata-bytes.ts';
import { isWholeFilter, searchFilterKind } from '../filter/filter-build.ts';
import { corrupt, unnamed } from '../format/corrupt.ts';
import { columns } from '../format/types.ts';
import type { Block, MetadataColumn, Segment } from '../format/types.ts';
import type { StoredBlockInfo } from './block-table.ts';
import type { StoredBlock } from './block.ts';
import { openSegment } from './open.ts';
import type { StoredSection } from './section.ts';

interface SegmentReport {
  readonly sections: number;
  readonly streams: number;
  readonly blocks: number;
  readonly rows: number;
  readonly lineBytes: number;
}

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata | columns.filter;

/**
 * Decodes a segment completely and checks every checksum, every bound, and the order that types.ts
 * guarantees. It costs a full read; compaction does it with its output before it removes an input.
 *
 * @param name name in errors
 * @param filterEvery the search filter of every n-th block is compared with its lines (1.3 CPU s/GB for all)
 * @throws LokiError `corrupt`, with place and problem
 */
export function verifySegment(bytes: Uint8Array, name = unnamed, filterEvery = 1): SegmentReport {
  const segment = openSegment(bytes, name);
  const report = { sections: 0, streams: 0, blocks: 0, rows: 0, lineBytes: 0 };
  for (const section of segment.sections as readonly StoredSection[]) {
    report.sections++;
    report.streams += section.streams.count;
    report.rows += section.rowCount;
    report.lineBytes += section.lineBytes;
    report.blocks += section.blocks.length;
    const failed = new Failures(name, section.place);
    verifyStreams(section, failed);
    for (const info of section.blocks) {
      const block = verifyBlock(segment, section, info, failed);
      if (info.index % filterEvery === 0) verifyFilter(block, failed);
    }
  }
  return report;
}

class Failures {
  readonly #name: string;
  readonly #place: string;

  constructor(name: string, place: string) {
    this.#name = name;
    this.#place = place;
  }

  require(holds: boolean, place: string, problem: string): void {
    if (!holds) throw corrupt(this.#name, `${this.#place}: ${place}`, problem);
  }
}

function verifyStreams(section: StoredSection, failed: Failures): void {
  const { streams, labelIndex } = section;
  const labelTexts = new Set<string>();
  for (let stream = 0; stream < streams.count; stream++) {
    labelTexts.add(streams.labels(stream).toString());
    failed.require(streams.entries(stream) > 0, `stream ${stream}`, 'has no rows');
  }
  failed.require(labelTexts.size === streams.count, 'streams', 'two have the same labels');
  for (const name of labelIndex.names) {
    const values = labelIndex.values(name);
    let listed = 0;
    values.forEach((value, i) => {
      failed.require(
        i === 0 || compareText(values[i - 1], value) < 0,
        `label ${name}`,
        'values are not in order',
      );
      const count = labelIndex.streamsWith(name, i).length;
      failed.require(count > 0, `label ${name}`, 'a value has no stream');
      listed += count;
    });
    failed.require(listed > 0, `label ${name}`, 'no stream has it');
  }
}

function verifyBlock(
  segment: Segment,
  section: StoredSection,
  info: StoredBlockInfo,
  failed: Failures,
): Block {
  const place = `block ${info.index}`;
  const { runs, metadataNames } = info;
  if (segment.kind !== 'record') {
    for (let run = 1; run < runs.count; run++) {
      failed.require(runs.stream[run] > runs.stream[run - 1], place, 'streams are not in order');
    }
  }
  for (let i = 1; i < metadataNames.length; i++) {
    failed.require(
      compareText(metadataNames[i - 1], metadataNames[i]) < 0,
      place,
      'metadata keys are not in order',
    );
  }
  const block = segment.block(section, info.index, all);
  // Decoding checks the order within runs and the sums.
  block.timestamps();
  block.lineEnds();
  block.lines();
  for (const column of block.metadata()) verifyColumn(column, place, failed);
  verifyMetadataBytes(block as StoredBlock, place, failed);
  block.filter();
  return block;
}

/** Checks the sums of metadata that the index states. */
function verifyMetadataBytes(block: StoredBlock, place: string, failed: Failures): void {
  const { metadataBytes, runs } = block.info;
  if (!metadataBytes) return;
  const counted = metadataBytesOfDecoded(block.decodedColumns(), runs.firstRow);
  const isRight = counted.every((bytes, run) => bytes === metadataBytes[run]);
  failed.require(isRight, place, 'the metadata bytes of a run are not those of its rows');
}

/** Checks that the filter has the marks of all lines and metadata. */
function verifyFilter(block: Block, failed: Failures): void {
  const filter = block.filter();
  if (filter?.kind !== searchFilterKind) return;
  const isWhole = isWholeFilter(filter, { lines: block.lines(), metadata: block.metadata() });
  failed.require(isWhole, `block ${block.info.index}`, 'the search filter misses what the lines hold');
}

/** Checks that values are distinct, each is used, and they are in order of first appearance. */
function verifyColumn(column: MetadataColumn, place: string, failed: Failures): void {
  const { name, values } = column;
  let max = 0;
  for (const code of column.rowCodes ?? column.codes) {
    failed.require(code <= max + 1, `${place}: metadata ${name}`, 'values are not in order of appearance');
    if (code > max) max = code;
  }
  failed.require(max === values.length, `${place}: metadata ${name}`, 'a value is not used');
  failed.require(new Set(values).size === values.length, `${place}: metadata ${name}`, 'a value comes twice');
}

/** The fault of a segment, or undefined: for tools that continue with the next segment. */
export function damageOf(bytes: Uint8Array, name = unnamed): string | undefined {
  try {
    verifySegment(bytes, name);
    return undefined;
  } catch (error) {
    if (error instanceof LokiError && error.code === 'corrupt') return error.message;
    throw error;
  }
}
