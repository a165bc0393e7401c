/** Bounds of flushed streams before the head drops records: step *flush, commit* of a written line. */
import type { SlicedWork } from '@loki/ports';
import type { HeadRecord } from './head-record.ts';
import type { HeadRuns } from './head-runs.ts';
import type { HeadStreams } from './head-streams.ts';

/** The index of a head. */
interface RunsOfRecords {
  readonly runs: HeadRuns;
  readonly streams: HeadStreams;
  recordOf(run: number): HeadRecord;
}

/** Runs between two looks at the clock: some hundred nanoseconds each. */
const runsPerLook = 2_048;

/**
 * Tells the newest timestamp of each stream among its runs in records below `offset`. O(runs), in slices:
 * records may enter in between, and none may leave.
 *
 * @param onStream called with the stream's hash, and that timestamp or a newer one
 */
export function* boundsBelow(
  head: RunsOfRecords,
  offset: number,
  onStream: (streamHash: number, newestUs: number) => void,
): SlicedWork<void> {
  const { runs, streams } = head;
  const isTold = new Uint8Array(streams.end);
  for (let run = runs.end - 1; run >= runs.first; run--) {
    const stream = runs.stream(run);
    if (isTold[stream] === 0 && head.recordOf(run).offset < offset) {
      isTold[stream] = 1;
      onStream(streams.hash(stream), runs.newestUs(run));
    }
    if (run % runsPerLook === 0) yield;
  }
}
