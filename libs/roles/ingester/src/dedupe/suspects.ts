/** Runs of a record that may repeat entries: the first filter of dropping repeated entries. */
import type { SlicedWork } from '@loki/ports';
import type { BlockInfo, Section, Segment } from '@loki/segment';
import { usAt, usBase } from '../common/time.ts';
import type { FlushedBounds } from '../head/flushed-bounds.ts';
import type { Head } from '../head/head.ts';
import { SectionStreams } from '../head/section-streams.ts';

/** A run of the incoming record that begins at or before the newest known row of its stream. */
export interface Suspect {
  readonly section: Section;
  readonly info: BlockInfo;
  readonly run: number;
  /** The stream's number in the head; -1: the head does not have it. */
  readonly stream: number;
  readonly streamHash: number;
  readonly minUs: number;
  readonly maxUs: number;
  /** The previous run of the same stream in this record, as linked by `RunLinks`; -1: none. */
  readonly previous: number;
  /** Number of earlier runs. */
  readonly earlierRuns: number;
  readonly links: RunLinks;
}

/** For each run of a section, over all its blocks, the previous run of the same stream. */
export interface RunLinks {
  readonly block: Int32Array;
  readonly run: Int32Array;
  readonly previous: Int32Array;
}

/** Runs between two looks at the clock: about a microsecond each. */
const runsPerSlice = 512;

/** The runs of a record that may repeat entries of the head, the store or the record itself. */
export function* findSuspects(segment: Segment, head: Head, bounds: FlushedBounds): SlicedWork<Suspect[]> {
  const suspects: Suspect[] = [];
  for (const section of segment.sections) {
    const streamCount = section.streams.count;
    const sectionStreams = yield* SectionStreams.of(section, head.streams);
    // Newest row of each stream: known before, or in an earlier run of this record.
    const newest = new Float64Array(streamCount).fill(Number.NaN);
    const lastRun = new Int32Array(streamCount).fill(-1);
    const runCounts = new Uint32Array(streamCount);
    const links = runLinks(section);
    let at = 0;
    for (const info of section.blocks) {
      const base = usBase(info.baseNs);
      for (let run = 0; run < info.runs.count; run++, at++) {
        if (at % runsPerSlice === 0) yield;
        const stream = info.runs.stream[run];
        const streamHash = sectionStreams.hash(stream);
        const number = sectionStreams.numbers[stream];
        if (Number.isNaN(newest[stream])) {
          newest[stream] = Math.max(bounds.newestUs(streamHash), head.newestUs(number));
        }
        const previous = (links.previous[at] = lastRun[stream]);
        const earlierRuns = runCounts[stream]++;
        lastRun[stream] = at;
        const minUs = usAt(base, info.runs.minTs[run]);
        const maxUs = usAt(base, info.runs.maxTs[run]);
        if (minUs <= newest[stream]) {
          const place = { section, info, run, stream: number, streamHash };
          suspects.push({ ...place, minUs, maxUs, previous, earlierRuns, links });
        }
        newest[stream] = Math.max(newest[stream], maxUs);
      }
    }
  }
  return suspects;
}

function runLinks(section: Section): RunLinks {
  let count = 0;
  for (const info of section.blocks) count += info.runs.count;
  const block = new Int32Array(count);
  const run = new Int32Array(count);
  let at = 0;
  section.blocks.forEach((info, position) => {
    for (let r = 0; r < info.runs.count; r++, at++) {
      block[at] = position;
      run[at] = r;
    }
  });
  return { block, run, previous: new Int32Array(count) };
}
