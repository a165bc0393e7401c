/** Protects: a head is flushed by size, age, idleness or on request, in bounded pieces. */
import { planFlush } from './flush-plan.ts';
import type { FlushInput } from './flush-plan.ts';
import type { HeadRecord } from './head/head-record.ts';

const limits = { flushRawBytes: 100, headBytesPartitionMax: 1000, flushAgeMs: 1000, flushIdleMs: 100 };

function record(offset: number, lineBytes: number, consumedAtMs = 0): HeadRecord {
  return { offset, lineBytes, consumedAtMs } as HeadRecord;
}

function input(records: HeadRecord[], over: Partial<FlushInput> = {}): FlushInput {
  return {
    records,
    lineBytes: records.reduce((sum, each) => sum + each.lineBytes, 0),
    memoryBytes: 0,
    isPressed: false,
    consumedOffset: records.length === 0 ? 0 : records[records.length - 1].offset + 1,
    committedOffset: 0,
    lastConsumedAtMs: 0,
    nowMs: 0,
    ...over,
  };
}

describe('planning a flush', () => {
  test('nothing consumed: nothing to flush, forced or not', () => {
    expect(planFlush(input([]), limits, true)).toBeUndefined();
  });

  test.each([
    ['full', input([record(0, 100)])],
    ['full', input([record(0, 1)], { memoryBytes: 500 })],
    ['full', input([record(0, 1)], { isPressed: true })],
    ['max_age', input([record(0, 1, 0)], { lastConsumedAtMs: 950, nowMs: 1000 })],
    ['idle', input([record(0, 1, 0)], { nowMs: 100 })],
  ])('%s is a reason', (reason, given) => {
    expect(planFlush(given, limits)).toEqual({ reason, count: 1, startOffset: 0, endOffset: 1 });
  });

  test('a small fresh head waits', () => {
    expect(planFlush(input([record(0, 99)], { nowMs: 99 }), limits)).toBeUndefined();
  });

  test('a plan takes about one segment and ends where the next record begins', () => {
    const records = [record(0, 60), record(3, 60), record(7, 60)];
    expect(planFlush(input(records), limits)).toEqual({
      reason: 'full',
      count: 2,
      startOffset: 0,
      endOffset: 7,
    });
  });

  test('what was consumed without leaving anything in the head is covered by the last plan', () => {
    const given = input([record(0, 60)], { consumedOffset: 9 });
    expect(planFlush(given, limits, true)).toEqual({
      reason: 'forced',
      count: 1,
      startOffset: 0,
      endOffset: 9,
    });
    expect(planFlush(input([], { consumedOffset: 9, committedOffset: 4 }), limits, true)).toEqual({
      reason: 'forced',
      count: 0,
      startOffset: 4,
      endOffset: 9,
    });
  });
});
