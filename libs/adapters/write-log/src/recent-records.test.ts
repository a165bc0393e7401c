/** Protects memory from small pushes: records that are kept for consumers keep nothing else alive. */
import { RecentRecords } from './recent-records.ts';

test('small records keep no slab, and as many as the bound has room for', () => {
  const bytesMax = 1 << 20;
  const recent = new RecentRecords(bytesMax);
  for (let offset = 0; offset < 5_000; offset++) {
    Buffer.allocUnsafe(20_000); // what else a push takes of the slab
    recent.push({
      offset,
      writerId: 'w',
      sequence: offset,
      payload: Buffer.from(`${offset}`.padStart(500, '.')),
    });
  }
  const oldest = Array.from({ length: 5_000 }, (_, offset) => offset).find((offset) =>
    recent.from(offset, 1),
  )!;
  const records = recent.from(oldest, bytesMax)!;
  expect(records.map(({ payload }) => Number(payload.toString().replaceAll('.', '')))).toEqual(
    Array.from({ length: 5_000 - oldest }, (_, i) => oldest + i),
  );
  const slabs = new Set(records.map(({ payload }) => payload.buffer));
  const heldBytes = [...slabs].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(heldBytes).toBeLessThan(bytesMax);
  expect(records.length).toBeGreaterThan(1_000);
});

test('a large record is not copied', () => {
  const recent = new RecentRecords(1 << 20);
  const payload = Buffer.alloc(100_000);
  recent.push({ offset: 7, writerId: 'w', sequence: 0, payload });
  expect(recent.from(7, 1)![0].payload).toBe(payload);
});
