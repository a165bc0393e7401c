/** Finds the patterns of one record in a worker, beside step *consume* of a written line. */
import { nsPerMs } from '@loki/model';
import type { Labels } from '@loki/model';
import type { Task } from '@loki/ports';
import { columns, openSegment } from '@loki/segment';
import type { Block, BlockInfo, MetadataColumn, Section } from '@loki/segment';
import { Drain } from './drain.ts';
import { bucketSeconds } from './time-counts.ts';
import { tokenize } from './tokens.ts';

/** The name of the metadata with a line's level. */
const levelName = 'detected_level';
const levelUnknown = 'unknown';

/** Most patterns of one stream and level in one record. */
const clustersMax = 200;
/** Most lines of one record that are examined: the first ones. */
const rowsMax = 200_000;

/** A pattern with its counts, in wire form. */
interface PatternSummary {
  readonly words: readonly string[];
  readonly separators: readonly string[];
  /** The kind of each word, as in its cluster. */
  readonly kinds: Uint8Array;
  readonly buckets: readonly number[];
  readonly counts: readonly number[];
}

/** Patterns of one stream's lines of one level. */
export interface StreamSummary {
  readonly tenant: string;
  /** Labels of the stream: sorted names, and their values. */
  readonly names: readonly string[];
  readonly values: readonly string[];
  readonly level: string;
  readonly patterns: readonly PatternSummary[];
}

export interface RecordSummary {
  readonly streams: readonly StreamSummary[];
  readonly lines: number;
  /** Lines without a pattern: too long, with too many words, or beyond the bound of lines of a record. */
  readonly skipped: number;
}

/**
 * Reduces a write-log record to the patterns of its lines, in a worker: merging them into the store then
 * costs the main thread little, even for many lines.
 */
export const summarizeTask: Task<{ readonly bytes: Uint8Array }, RecordSummary> = {
  name: 'patterns.summarize',
  run({ bytes }) {
    const segment = openSegment(bytes);
    const summarizer = new Summarizer();
    for (const section of segment.sections) {
      for (const info of section.blocks) {
        const mask = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
        summarizer.addBlock(section, info, segment.block(section, info.index, mask));
      }
    }
    return summarizer.summary();
  },
};

interface Group {
  readonly tenant: string;
  readonly labels: Labels;
  readonly level: string;
  readonly drain: Drain;
}

class Summarizer {
  readonly #groups = new Map<string, Group>();
  #lines = 0;
  #skipped = 0;

  addBlock(section: Section, info: BlockInfo, block: Block): void {
    const { runs } = info;
    const timestamps = block.timestamps();
    const ends = block.lineEnds();
    const bytes = block.lines();
    const levels = info.metadataNames.includes(levelName) ? block.metadataColumn(levelName) : undefined;
    // Milliseconds are fine enough, and exact in doubles.
    const baseMs = Number(info.baseNs / nsPerMs);
    for (let run = 0; run < runs.count; run++) {
      const labels = section.streams.labels(runs.stream[run]);
      let code = -1;
      let group: Group | undefined;
      for (let row = runs.firstRow[run]; row < runs.firstRow[run + 1]; row++) {
        const rowCode = levels ? levels.codes[row] : 0;
        if (!group || rowCode !== code) {
          code = rowCode;
          group = this.#group(section.tenant, labels, levelOf(levels, code));
        }
        const line = bytes.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]);
        this.#addLine(group, line, baseMs + timestamps[row] / 1e6);
      }
    }
  }

  summary(): RecordSummary {
    const streams = [...this.#groups.values()].map(({ tenant, labels, level, drain }): StreamSummary => ({
      tenant,
      names: labels.names,
      values: labels.values,
      level,
      patterns: [...drain.clusters].map(({ words, separators, kinds, counts }) => ({
        words,
        separators,
        kinds,
        buckets: counts.buckets,
        counts: counts.counts,
      })),
    }));
    return { streams, lines: this.#lines, skipped: this.#skipped };
  }

  #addLine(group: Group, line: string, ms: number): void {
    this.#lines++;
    const tokens = this.#lines <= rowsMax ? tokenize(line) : undefined;
    if (!tokens) {
      this.#skipped++;
      return;
    }
    group.drain.train(tokens).counts.add(Math.floor(ms / 1000 / bucketSeconds), 1);
  }

  #group(tenant: string, labels: Labels, level: string): Group {
    const key = `${tenant}\u0000${level}\u0000${labels.toString()}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = { tenant, labels, level, drain: new Drain({ clustersMax }) };
      this.#groups.set(key, group);
    }
    return group;
  }
}

function levelOf(column: MetadataColumn | undefined, code: number): string {
  return (column && code > 0 ? column.values[code - 1] : '') || levelUnknown;
}
