/**
 * Protects: rows are written about twice, merges stay within their bounds, and the order of arrival
 * survives.
 */
import type { CompactedSegment, SegmentRef } from '@loki/catalog';
import { mib } from '@loki/model';
import { compactorDefaults } from './deps.ts';
import { isFinal, planDay, storedBytes } from './plan.ts';
import type { DayInventory, MergePlan } from './plan.ts';

const minuteMs = 60_000;
const dayMs = 1440 * minuteMs;
function flushed(partition: number, startOffset: number, createdMs: number, sizeBytes: number): SegmentRef {
  return {
    key: `f${partition}-${startOffset}`,
    partition,
    startOffset,
    endOffset: startOffset + 1,
    minNs: 0n,
    maxNs: 1n,
    rowCount: sizeBytes / 32,
    lineBytes: sizeBytes * 8,
    sizeBytes,
    level: 0,
    createdMs,
  };
}

/** A day under a planner, with the bytes that its merges write. */
class Day {
  compacted: CompactedSegment[] = [];
  flushed: SegmentRef[] = [];
  written = 0;
  arrived = 0;
  largestInput = 0;
  #segmentCount = 0;

  add(ref: SegmentRef): void {
    this.flushed.push(ref);
    this.flushed.sort((a, b) => a.partition - b.partition || a.startOffset - b.startOffset);
    this.arrived += ref.sizeBytes;
  }

  inventory(): DayInventory {
    return { tenant: 'a', day: 0, compacted: this.compacted, flushed: this.flushed };
  }

  settle(nowMs: number): void {
    for (;;) {
      const plan = planDay(this.inventory(), nowMs, compactorDefaults);
      if (!plan) return;
      this.#run(plan);
    }
  }

  #run({ compacted, flushed: refs, level }: MergePlan): void {
    const inputs = [...compacted, ...refs];
    expect(inputs.length).toBeLessThanOrEqual(compactorDefaults.inputsMax);
    const bytes = inputs.reduce((sum, each) => sum + storedBytes(each), 0);
    if (inputs.length > 1) this.largestInput = Math.max(this.largestInput, bytes);
    const at = compacted.length === 0 ? this.compacted.length : this.compacted.indexOf(compacted[0]);
    expect(this.compacted.slice(at, at + compacted.length)).toEqual(compacted);
    if (refs.length > 0) expect(at + compacted.length).toBe(this.compacted.length);
    for (const ref of refs) {
      const older = this.flushed.filter(
        (each) => each.partition === ref.partition && each.startOffset < ref.startOffset,
      );
      expect(older.every((each) => refs.includes(each))).toBe(true);
    }
    const sizeBytes = inputs.reduce((sum, each) => sum + each.sizeBytes, 0);
    const output: CompactedSegment = {
      key: `c${this.#segmentCount++}`,
      sizeBytes,
      level,
      minNs: 0n,
      maxNs: 1n,
      rowCount: inputs.reduce((sum, each) => sum + each.rowCount, 0),
      lineBytes: inputs.reduce((sum, each) => sum + each.lineBytes, 0),
      createdMs: 0,
      sources: [],
    };
    this.compacted.splice(at, compacted.length, output);
    this.flushed = this.flushed.filter((each) => !refs.includes(each));
    this.written += sizeBytes;
  }
}

/** Three partitions that flush every few minutes all day, and a little late data afterwards. */
function runDay(sizeBytes: number, everyMs: number): Day {
  const day = new Day();
  let offset = 0;
  for (let nowMs = 0; nowMs < dayMs + 12 * 60 * minuteMs; nowMs += everyMs) {
    const isLate = nowMs >= dayMs;
    if (!isLate || nowMs % (60 * minuteMs) === 0) {
      const size = isLate ? sizeBytes / 64 : sizeBytes;
      for (let partition = 0; partition < 3; partition++) day.add(flushed(partition, offset, nowMs, size));
      offset++;
    }
    day.settle(nowMs + 3 * minuteMs);
  }
  day.settle(dayMs * 3);
  return day;
}

describe('the plan of a day', () => {
  test.each([
    ['small flushes', 64 << 10, 10 * minuteMs, 2],
    ['middling flushes', 4 * mib, 10 * minuteMs, 20],
    ['large flushes', 70 * mib, 20 * minuteMs, 120],
    ['few flushes', mib, 240 * minuteMs, 2],
  ])('%s: written about twice, few segments in the end', (_, sizeBytes, everyMs, segmentsMax) => {
    const day = runDay(sizeBytes, everyMs);
    expect(day.flushed).toEqual([]);
    expect(day.written / day.arrived).toBeLessThan(2.3);
    expect(day.compacted.length).toBeLessThanOrEqual(segmentsMax);
    expect(day.largestInput).toBeLessThanOrEqual(compactorDefaults.inputBytesMax);
  });

  test('a recent segment waits, and so do later segments of its partition', () => {
    const nowMs = 3 * dayMs;
    const day = new Day();
    day.add(flushed(0, 1, nowMs, 1000));
    day.add(flushed(0, 2, 0, 1000));
    day.add(flushed(1, 1, 0, 1000));
    const plan = planDay(day.inventory(), nowMs, compactorDefaults);
    expect(plan?.flushed.map(({ key }) => key)).toEqual(['f1-1']);
  });

  test('an open day with little in it is left alone, unless it is forced', () => {
    const day = new Day();
    day.add(flushed(0, 1, 0, 1000));
    expect(planDay(day.inventory(), dayMs / 2, compactorDefaults)).toBeUndefined();
    expect(planDay(day.inventory(), dayMs / 2, compactorDefaults, true)?.flushed).toHaveLength(1);
  });

  test('only outputs of a closed day are compressed for good', () => {
    const day = new Day();
    for (let offset = 0; offset < compactorDefaults.fanIn; offset++) day.add(flushed(0, offset, 0, 1000));
    const planAt = (nowMs: number) => planDay(day.inventory(), nowMs, compactorDefaults)!;
    expect(isFinal(planAt(dayMs / 2))).toBe(false);
    expect(isFinal(planAt(3 * dayMs))).toBe(true);
  });
});
