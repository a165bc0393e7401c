/** Protects tails: a follower gets each new record once, and bounded memory holds its unread ones. */
import type { LogLeafResult, TailFrame } from '@loki/ports';
import { encodeRows, headRecord } from './test/records.ts';
import type { Row } from './test/records.ts';
import { everything, linesOf, World } from './test/world.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const row = (ms: number, line = `line ${ms}`, app = 'x'): Row => ({ app, ns: ns(ms), line });

describe('following', () => {
  const follow = async (world: World, frames: AsyncIterator<TailFrame>) => {
    const { value } = await world.do(frames.next());
    const { result, dropped } = value as TailFrame;
    return { lines: linesOf(result as LogLeafResult), dropped };
  };

  test('a follower gets what arrives from now on', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    await world.headLines(ingester);
    const abort = new AbortController();
    const request = everything({ expr: '{app="x"} |= "line"', limit: 1, direction: 'backward' });
    const frames = ingester.tail(0, request, abort.signal)[Symbol.asyncIterator]();
    expect((await frames.next()).value).toMatchObject({ result: { labelSets: [] }, dropped: 0 });
    await world.append([row(2), row(3), row(4, 'no match')]);
    expect(await follow(world, frames)).toEqual({ lines: ['line 2', 'line 3'], dropped: 0 });
    await world.append([row(5, 'line of y', 'y')]);
    await world.append([row(6)]);
    expect(await follow(world, frames)).toEqual({ lines: ['line 6'], dropped: 0 });
    const last = frames.next();
    abort.abort();
    expect(await world.do(last)).toEqual({ done: true, value: undefined });
  });

  test('a slow follower loses the oldest entries, counted', async () => {
    const world = await World.open();
    const ingester = await world.ready({
      tailBytesMax: headRecord(0, encodeRows([row(1)])).bytes.length * 3,
    });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 10; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    const { lines, dropped } = await follow(world, frames);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => `line ${10 - lines.length + i}`));
    expect(dropped).toBe(10 - lines.length);
    expect(dropped).toBeGreaterThan(5);
    expect(world.counted.tailDropped).toBe(dropped);
    await frames.return?.();
  });

  test('a slow follower keeps a quarter of its bound of what the head has let go', async () => {
    const world = await World.open();
    const recordBytes = headRecord(0, encodeRows([row(1)])).bytes.length;
    const ingester = await world.ready({ tailBytesMax: 12.5 * recordBytes });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 10; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    await world.do(ingester.flush());
    await world.pass(6_000);
    const { lines, dropped } = await follow(world, frames);
    expect({ lines, dropped }).toEqual({ lines: ['line 7', 'line 8', 'line 9'], dropped: 7 });
    expect(world.counted.tailDropped).toBe(7);
    await frames.return?.();
  });

  test('what is waiting comes a frame at a time, however well it was compressed: each line once', async () => {
    const world = await World.open();
    const ingester = await world.ready({ tailFrameBytes: 2 * 'line 1'.length, logMarginRecords: 1_000 });
    const frames = ingester.tail(0, everything(), new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    for (let i = 0; i < 5; i++) await world.append([row(i)]);
    await world.append([row(5), row(6), row(7)]);
    await world.headLines(ingester);
    const offsets: (number | undefined)[] = [];
    const lines: string[][] = [];
    while (lines.flat().length < 8) {
      const { value } = await world.do(frames.next());
      const { result, nextOffset } = value as TailFrame;
      offsets.push(nextOffset);
      lines.push(linesOf(result as LogLeafResult));
    }
    expect(lines).toEqual([
      ['line 0', 'line 1'],
      ['line 2', 'line 3'],
      ['line 4'],
      ['line 5', 'line 6', 'line 7'],
    ]);
    expect(offsets).toEqual([2, 4, 5, 6]);
    await frames.return?.();
    await world.do(ingester.flush());
    const again = ingester.tail(0, everything(), new AbortController().signal, 2)[Symbol.asyncIterator]();
    expect(await follow(world, again)).toEqual({ lines: ['line 2', 'line 3'], dropped: 0 });
    expect(await follow(world, again)).toEqual({ lines: ['line 4'], dropped: 0 });
    await again.return?.();
  });

  test('who goes on where another owner’s frames ended gets each line once: of the head, of the log, and new ones', async () => {
    const world = await World.open();
    const first = await world.ready({ logMarginRecords: 1_000 });
    const abort = new AbortController();
    const frames = first.tail(0, everything(), abort.signal)[Symbol.asyncIterator]();
    await world.do(frames.next());
    await world.append([row(1)]);
    const { value } = await world.do(frames.next());
    const { nextOffset } = value as TailFrame;
    expect(nextOffset).toBe(1);
    abort.abort();
    // Not seen by the follower: two that were committed since, one that was not.
    await world.append([row(2)]);
    await world.append([row(3), row(3, 'other')]);
    await world.do(first.flush());
    await world.append([row(4)]);
    await world.do(first.stop());
    const second = await world.ready({ logMarginRecords: 1_000 });
    const after = second
      .tail(0, everything(), new AbortController().signal, nextOffset)
      [Symbol.asyncIterator]();
    expect(await follow(world, after)).toEqual({ lines: ['line 2', 'line 3', 'other'], dropped: 0 });
    expect(await follow(world, after)).toEqual({ lines: ['line 4'], dropped: 0 });
    await world.append([row(5)]);
    expect(await follow(world, after)).toEqual({ lines: ['line 5'], dropped: 0 });
    await after.return?.();
  });

  test('a follower without lines hears how far it has come, so that the next owner need not look again', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    const request = everything({ expr: '{app="silent"}' });
    const frames = ingester.tail(0, request, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await world.do(frames.next())).value).toMatchObject({ nextOffset: 0 });
    for (let i = 0; i < 210; i++) await world.append([row(i)]);
    await world.headLines(ingester);
    const { value } = await world.do(frames.next());
    expect((value as TailFrame).nextOffset).toBeGreaterThanOrEqual(200);
    expect((value as TailFrame).result).toMatchObject({ labelSets: [] });
    await frames.return?.();
  });

  test('a follower beyond tailsMax is refused', async () => {
    const world = await World.open();
    const ingester = await world.ready({ tailsMax: 1 });
    const signal = new AbortController().signal;
    const frames = ingester.tail(0, everything(), signal)[Symbol.asyncIterator]();
    expect(() => ingester.tail(0, everything(), signal)).toThrow('max concurrent tail requests');
    await frames.return?.();
    expect(() => ingester.tail(0, everything(), signal)).not.toThrow();
  });
});
