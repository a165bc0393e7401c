// For tests: the rows behind testdata/v1-*.segment. The files were written once by these functions and are
// never written again; readers of every later version must give back the same rows.
import type { FilteredColumns } from '../filter/filter-build.ts';
import { mergeSegments } from '../merge/merge.ts';
import { encodeSegment } from '../write/encode.ts';
import { writeRows } from './rows.ts';
import type { InputRow } from './rows.ts';

/** Deterministic text that does not compress. */
function noise(seed: number, size: number): string {
  let text = '';
  for (let state = seed + 1; text.length < size;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += (state >>> 16).toString(36);
  }
  return text.slice(0, size);
}

/**
 * Small, yet with every form of unit and column: stored, compressed, bundled, own, uniform, dense, sparse.
 */
export function goldenRows(): InputRow[] {
  const rows: InputRow[] = [];
  const base = 1_700_000_000_000_000_000n;
  for (let i = 0; i < 24; i++) {
    rows.push({
      labels: [
        ['app', 'checkout'],
        ['pod', `checkout-${i < 12 ? 'a' : 'b'}`],
      ],
      ts: base + BigInt(i * i) * 1_000_003n,
      line: `level=info msg="request ${i} done" path=/api/v1/cart`,
      metadata: [
        ['detected_level', 'info'],
        ...(i % 2 === 0 ? ([['trace_id', noise(i, 12)]] as const) : []),
        ...(i === 5 ? ([['once', 'żółw']] as const) : []),
        // Long enough to be a unit of its own, plain enough to stay small.
        ...(i < 3 ? ([['stack', `${i}`.repeat(1500)]] as const) : []),
      ],
    });
  }
  rows.push({ labels: [], ts: base, line: '', metadata: [] });
  // Whole milliseconds, then months away, then before 1970.
  for (let i = 0; i < 5; i++) {
    rows.push({
      labels: [['ms', 'y']],
      ts: base + BigInt(i * 7 + 1) * 1_000_000n,
      line: `${i}`,
      metadata: [],
    });
  }
  rows.push({ labels: [['ms', 'y']], ts: base + 2n ** 54n, line: 'later \u{1f422}', metadata: [] });
  rows.push({ labels: [['ms', 'y']], ts: -1n, line: 'before', metadata: [['k', '']] });
  return rows;
}

/** Just enough lines for a search filter. */
export function filteredRows(): InputRow[] {
  return Array.from({ length: 64 }, (_, i) => ({
    labels: [['app', 'checkout']] as const,
    ts: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
    line: `level=info msg="Request ${i % 8} done" path=/api/v1/cart trace=${noise(i % 8, 16)}`,
    metadata: [['trace_id', noise(i % 4, 12)]] as const,
  }));
}

export const goldenNames = ['record', 'flushed', 'compacted', 'filtered', 'summed', 'tiny', 'empty'] as const;

/** The bytes that this version writes for a golden file. */
export function makeGolden(name: (typeof goldenNames)[number]): Buffer {
  if (name === 'empty') return encodeSegment([], { kind: 'record' });
  if (name === 'tiny') return encodeSegment(writeRows('t', goldenRows().slice(24, 25)), { kind: 'record' });
  if (name === 'filtered') {
    const rows = encodeSegment(writeRows('tenant-1', filteredRows()), { kind: 'record' });
    return mergeSegments([{ bytes: rows }], { kind: 'compacted' }).bytes;
  }
  const sections = [
    ...writeRows('tenant-2', goldenRows()),
    ...writeRows('tenant-1', goldenRows().slice(0, 3)),
  ];
  const record = encodeSegment(sections, { kind: 'record' });
  if (name === 'record') return record;
  const buildFilter = ({ lines }: FilteredColumns) => ({ kind: 7, bytes: lines.subarray(0, 8) });
  // The older files do not state the metadata bytes of runs.
  if (name === 'flushed' || name === 'summed') {
    return mergeSegments([{ bytes: record }], { kind: 'flushed', blockBytes: 400 }).bytes;
  }
  return mergeSegments([{ bytes: record }], { kind: 'compacted', tenants: ['tenant-2'], buildFilter }).bytes;
}
