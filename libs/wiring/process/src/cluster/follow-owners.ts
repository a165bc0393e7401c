/** Follows a partition through changes of its owner, for tails. */
import { LokiError } from '@loki/model';
import type { Clock, IngesterService, LeafRequest, TailFrame, Timers } from '@loki/ports';

interface FollowDeps {
  /** Owners of a partition at present, best first. */
  readonly owners: (partition: number) => readonly IngesterService[];
  readonly clock: Clock;
  readonly timers: Timers;
}

const pauseMinMs = 50;
const pauseMaxMs = 1_000;
/** Time without an answer after which the tail ends: a silent partition would look like one without lines. */
const givenUpMs = 60_000;

/**
 * Follows a partition through changes of owner: when an owner leaves or releases the partition, the next one
 * continues after the last frame. Each record is followed once.
 */
export async function* followOwners(
  deps: FollowDeps,
  partition: number,
  request: LeafRequest,
  signal: AbortSignal,
): AsyncGenerator<TailFrame> {
  const { clock, timers, owners } = deps;
  let nextOffset: number | undefined;
  let pauseMs = pauseMinMs;
  let failingSinceMs: number | undefined;
  for (let attempt = 0; !signal.aborted; attempt++) {
    const all = owners(partition);
    const owner = all[attempt % Math.max(1, all.length)];
    let failure: unknown = new LokiError('unavailable', `partition ${partition} has no owner to follow`);
    try {
      for await (const frame of boxed(owner?.tail(partition, request, signal, nextOffset))) {
        // A first frame without rows is no news for a reader that has already received one.
        const isNews = nextOffset === undefined || frame.isNews;
        nextOffset = frame.nextOffset ?? nextOffset;
        [attempt, pauseMs, failingSinceMs] = [-1, pauseMinMs, undefined];
        if (isNews) yield frame.take();
      }
    } catch (error) {
      if (signal.aborted) return;
      // A fault of the request itself fails the same way everywhere.
      if (!(error instanceof LokiError) || error.code !== 'unavailable') throw error;
      failure = error;
    }
    if (signal.aborted) return;
    failingSinceMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - failingSinceMs > givenUpMs) throw failure;
    // Tries the other owners at once; pauses after a full round.
    if (attempt < 0 || (attempt + 1) % Math.max(1, all.length) === 0) {
      await timers.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(pauseMaxMs, 2 * pauseMs);
    }
  }
}

/** Hands a frame over once: a suspended generator must not hold it in its variables. */
interface FrameBox {
  readonly isNews: boolean;
  readonly nextOffset: number | undefined;
  take(): TailFrame;
}

function boxed(frames: AsyncIterable<TailFrame> | undefined): AsyncIterable<FrameBox> {
  const iterator = frames?.[Symbol.asyncIterator]();
  const end = { done: true, value: undefined } as const;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const next = await iterator?.next();
        return next === undefined || next.done ? end : { done: false, value: boxOf(next.value) };
      },
      return: async () => {
        await iterator?.return?.();
        return end;
      },
    }),
  };
}

function boxOf(frame: TailFrame): FrameBox {
  let content: TailFrame | undefined = frame;
  return {
    isNews: frame.dropped > 0 || rowsOf(frame) > 0,
    nextOffset: frame.nextOffset,
    take: () => {
      const whole = content!;
      content = undefined;
      return whole;
    },
  };
}

function rowsOf({ result }: TailFrame): number {
  return result.kind === 'log' ? result.timestampNs.length : 0;
}
