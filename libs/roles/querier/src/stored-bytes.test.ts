/** Protects: stored bytes are spread over intervals by the time of each segment. */
import type { SegmentRef } from '@loki/catalog';
import type { TenantId } from '@loki/model';
import { bytesByInterval } from './stored-bytes.ts';

const segment = (minNs: bigint, maxNs: bigint, lineBytes: number, clip?: SegmentRef['clip']) =>
  ({ key: 's', minNs, maxNs, lineBytes, clip }) as SegmentRef;
const request = { tenant: 'a' as TenantId, startNs: 100n, endNs: 140n, intervalNs: 10n };

describe('stored bytes by interval', () => {
  test('a segment is spread over its time, and what lies outside of the range does not count', () => {
    expect(bytesByInterval([segment(100n, 139n, 400)], request)).toEqual([100, 100, 100, 100]);
    expect(bytesByInterval([segment(115n, 124n, 10)], request)).toEqual([0, 5, 5, 0]);
    expect(bytesByInterval([segment(90n, 109n, 20), segment(130n, 149n, 20)], request)).toEqual([
      10, 0, 0, 10,
    ]);
    expect(bytesByInterval([segment(120n, 120n, 7)], request)).toEqual([0, 0, 7, 0]);
  });

  test('a segment that is read in part counts in part', () => {
    expect(bytesByInterval([segment(100n, 139n, 400, { startNs: 105n, endNs: 120n })], request)).toEqual([
      50, 100, 0, 0,
    ]);
  });

  test('the last interval may be shorter; an empty range has none; too many are refused', () => {
    expect(bytesByInterval([], { ...request, endNs: 101n })).toEqual([0]);
    expect(bytesByInterval([], { ...request, endNs: 100n })).toEqual([]);
    expect(() => bytesByInterval([], { ...request, endNs: 1n << 60n })).toThrow('too many intervals');
    expect(() => bytesByInterval([], { ...request, intervalNs: 0n })).toThrow('too many intervals');
  });
});
