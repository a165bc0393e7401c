/** Merges the tail frames of several partitions as they arrive. */
import { emptyLogResult } from '@loki/ports';
import type { TailFrame, TimerHandle, Timers } from '@loki/ports';

/**
 * A frame that waits longer is dropped, and its lines are reported as dropped: a stalled reader would hold a
 * frame of each partition without end. Longer than a reader needs that delays each frame by some seconds,
 * which clients may request (`delay_for`).
 */
const waitMaxMs = 30_000;
/**
 * Bytes of lines of one frame, or of all waiting frames, above which a new one is dropped sooner: one long
 * line, or the record of a large push, is megabytes.
 */
const waitingBytesMax = 256 * 1024;
const largeWaitMaxMs = 1_000;

/** A frame or the end of one source that the reader has not taken yet. */
interface Arrival {
  readonly source: number;
  frame?: TailFrame;
  readonly failure?: unknown;
  readonly isEnd: boolean;
  patience?: TimerHandle;
}

/**
 * Frames of several partitions in order of arrival, until all have ended; the first one after all have begun.
 * Requests the next frame of a source after the reader has processed the last one.
 */
export async function* mergeFrames(
  sources: readonly AsyncIterable<TailFrame>[],
  timers: Timers | undefined,
): AsyncGenerator<TailFrame> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const arrivals: Arrival[] = [];
  let wake = (): void => undefined;
  const arrive = (arrival: Arrival): void => {
    arrivals.push(arrival);
    if (arrival.frame) {
      const waitingBytes = arrivals.reduce((sum, { frame }) => sum + bytesOf(frame), 0);
      const waitMs = waitingBytes > waitingBytesMax ? largeWaitMaxMs : waitMaxMs;
      arrival.patience = timers?.after(waitMs, () => (arrival.frame = withoutLines(arrival.frame!)));
    }
    wake();
  };
  const ask = (source: number): void => {
    iterators[source].next().then(
      (result) =>
        arrive({ source, isEnd: result.done === true, ...(result.done ? {} : { frame: result.value }) }),
      (failure: unknown) => arrive({ source, isEnd: true, failure }),
    );
  };
  try {
    const firstFrames = await Promise.all(iterators.map((iterator) => iterator.next()));
    const first = firstFrames.find((each) => !each.done);
    const open = [...iterators.keys()].filter((i) => !firstFrames[i].done);
    if (first) yield first.value;
    for (const source of open) ask(source);
    for (let openCount = open.length; openCount > 0;) {
      while (arrivals.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const arrival = arrivals.shift()!;
      arrival.patience?.cancel();
      if (arrival.failure !== undefined) throw arrival.failure;
      if (arrival.frame) yield takeFrame(arrival);
      if (arrival.isEnd) openCount--;
      else ask(arrival.source);
    }
  } finally {
    for (const { patience } of arrivals) patience?.cancel();
    await Promise.allSettled(iterators.map(async (iterator) => iterator.return?.()));
  }
}

/** Drops the generator's reference: a paused generator would keep the frame in memory. */
function takeFrame(arrival: { frame?: TailFrame }): TailFrame {
  const frame = arrival.frame!;
  arrival.frame = undefined;
  return frame;
}

function bytesOf(frame: TailFrame | undefined): number {
  return frame?.result.kind === 'log' ? frame.result.lines.length : 0;
}

/** The frame without its lines. */
function withoutLines({ result, dropped, nextOffset }: TailFrame): TailFrame {
  const lines = result.kind === 'log' ? result.timestampNs.length : 0;
  return {
    result: emptyLogResult(),
    dropped: dropped + lines,
    nextOffset,
  };
}
