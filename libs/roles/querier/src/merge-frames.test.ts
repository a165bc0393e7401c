/** Protects this process from readers that are slow: a frame of each partition is megabytes. */
import { emptyLeafStats } from '@loki/ports';
import type { TailFrame, Timers } from '@loki/ports';
import { mergeFrames } from './merge-frames.ts';

function frameOf(lines: number, nextOffset: number, dropped = 0, bytes = lines): TailFrame {
  return {
    result: {
      kind: 'log',
      labelSets: [],
      labelSet: new Uint32Array(lines),
      timestampNs: new BigInt64Array(lines),
      lineEnds: new Uint32Array(lines),
      lines: new Uint8Array(bytes),
      stats: emptyLeafStats(),
    },
    dropped,
    nextOffset,
  };
}

/** A source that is asked one frame at a time, and says how often. */
function source(count: number, bytes = 10) {
  const requests = { times: 0 };
  async function* frames(): AsyncGenerator<TailFrame> {
    for (let i = 0; i < count; i++) {
      requests.times++;
      await Promise.resolve();
      yield i === 0 ? frameOf(0, i) : frameOf(10, i, 0, bytes);
    }
  }
  return { requests, frames: frames() };
}

/** Time passes on command. */
function handTimers() {
  const due: { atMs: number; run: () => void }[] = [];
  let nowMs = 0;
  const timers: Timers = {
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      due.push(timer);
      return { cancel: () => void due.splice(due.indexOf(timer), 1) };
    },
    sleep: () => Promise.resolve(),
  };
  const pass = (ms: number): void => {
    nowMs += ms;
    for (const { atMs, run } of due) if (atMs <= nowMs) run();
  };
  return { timers, pass };
}

const linesOf = ({ result }: TailFrame) => (result.kind === 'log' ? result.timestampNs.length : 0);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a source is not asked again before the reader is done with its frame', async () => {
  const { requests, frames } = source(3);
  const merged = mergeFrames([frames], undefined);
  await merged.next();
  const { value } = await merged.next();
  await turn();
  expect([linesOf(value as TailFrame), requests.times]).toEqual([10, 2]);
  await merged.next();
  expect(requests.times).toBe(3);
  expect((await merged.next()).done).toBe(true);
});

test('frames that wait for a reader for long are let go, and their lines told as dropped', async () => {
  const { timers, pass } = handTimers();
  const sources = [source(2), source(2), source(2)];
  const merged = mergeFrames(
    sources.map(({ frames }) => frames),
    timers,
  );
  await merged.next();
  // All are asked now; one of the frames is taken, the reader stands still for a while.
  const first = (await merged.next()).value as TailFrame;
  await turn();
  pass(29_000);
  const inTime = (await merged.next()).value as TailFrame;
  pass(2_000);
  const second = (await merged.next()).value as TailFrame;
  expect([first, inTime, second].map((frame) => [linesOf(frame), frame.dropped, frame.nextOffset])).toEqual([
    [10, 0, 1],
    [10, 0, 1],
    [0, 10, 1],
  ]);
  expect((await merged.next()).done).toBe(true);
});

test('frames beyond some bytes wait for a reader for a second', async () => {
  const { timers, pass } = handTimers();
  const sources = Array.from({ length: 3 }, () => source(2, 120_000));
  const merged = mergeFrames(
    sources.map(({ frames }) => frames),
    timers,
  );
  await merged.next();
  await merged.next();
  await turn();
  pass(2_000);
  const waiting = [(await merged.next()).value as TailFrame, (await merged.next()).value as TailFrame];
  expect(waiting.map((frame) => [linesOf(frame), frame.dropped])).toEqual([
    [10, 0],
    [0, 10],
  ]);
});

test('a line of megabytes waits for a reader for a second', async () => {
  const { timers, pass } = handTimers();
  const sources = [source(2), source(2, 4 << 20)];
  const merged = mergeFrames(
    sources.map(({ frames }) => frames),
    timers,
  );
  await merged.next();
  await merged.next();
  await turn();
  pass(2_000);
  const late = (await merged.next()).value as TailFrame;
  expect([linesOf(late), late.dropped]).toEqual([0, 10]);
});

test('a source that fails ends all, and one that ends leaves the others', async () => {
  async function* failing(): AsyncGenerator<TailFrame> {
    yield frameOf(0, 0);
    throw new Error('gone');
  }
  const { frames } = source(1);
  const merged = mergeFrames([frames, failing()], undefined);
  await merged.next();
  await expect(merged.next()).rejects.toThrow('gone');
});
