import fc from 'fast-check';
import { ByteReader, BytesError } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { crc32c } from './crc32c.ts';
import { zstdCompress, zstdDecompress } from './zstd.ts';

describe('what ByteWriter writes, ByteReader reads', () => {
  test('every kind of value survives the round trip', () => {
    const value = fc.oneof(
      fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 65535 }) }),
      fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
      fc.record({ kind: fc.constant('u53' as const), value: fc.maxSafeNat() }),
      fc.record({ kind: fc.constant('uvarint' as const), value: fc.maxSafeNat() }),
      fc.record({
        kind: fc.constant('varint' as const),
        value: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
      }),
      fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
      fc.record({ kind: fc.constant('u64' as const), value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }),
      fc.record({
        kind: fc.constant('i64' as const),
        value: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
      }),
      fc.record({
        kind: fc.constant('uvarint64' as const),
        value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      }),
      fc.record({
        kind: fc.constant('varint64' as const),
        value: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
      }),
      fc.record({ kind: fc.constant('sizedText' as const), value: fc.string({ unit: 'grapheme' }) }),
      fc.record({ kind: fc.constant('sizedBytes' as const), value: fc.uint8Array() }),
    );
    fc.assert(
      fc.property(fc.array(value), (items) => {
        const writer = new ByteWriter(16);
        for (const item of items) (writer[item.kind] as (v: unknown) => void)(item.value);
        const reader = new ByteReader(writer.take());
        for (const item of items) {
          const got = reader[item.kind]();
          expect(got instanceof Uint8Array ? new Uint8Array(got) : got).toEqual(item.value);
        }
        reader.expectEnd();
      }),
    );
  });

  test('a column of uvarints is read at once, into either kind of array', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(200), fc.nat(0xffff_ffff))), (values) => {
        const writer = new ByteWriter();
        for (const value of values) writer.uvarint(value);
        const narrow = new Uint32Array(values.length);
        const reader = new ByteReader(writer.view());
        reader.uvarints(narrow);
        reader.expectEnd();
        expect([...narrow]).toEqual(values);
        const wide = new Float64Array(values.length);
        new ByteReader(writer.view()).uvarints(wide);
        expect([...wide]).toEqual(values);
      }),
    );
  });

  test('a patched length is where it was reserved', () => {
    const writer = new ByteWriter();
    const at = writer.reserve(4);
    writer.text('abc');
    writer.patchU32(at, 3);
    const reader = new ByteReader(writer.view());
    expect(reader.u32()).toBe(3);
    expect(reader.text(3)).toBe('abc');
    expect(() => writer.patchU32(4, 1)).toThrow(RangeError);
  });
});

describe('hostile bytes are refused', () => {
  test('no read passes the end, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.infiniteStream(fc.nat(9)), (bytes, picks) => {
        const outer = new Uint8Array([...bytes, 1, 2, 3]);
        const reader = new ByteReader(outer, 0, bytes.length);
        const reads = [
          () => reader.u8(),
          () => reader.u32(),
          () => reader.u64(),
          () => reader.f64(),
          () => reader.uvarint(),
          () => reader.varint64(),
          () => reader.sizedBytes(),
          () => reader.sizedText(),
          () => reader.uvarints(new Uint32Array(5)),
          () => reader.count(7),
        ];
        try {
          for (let i = 0; i < 50; i++) reads[picks.next().value]();
        } catch (error) {
          expect(error).toBeInstanceOf(BytesError);
        }
        expect(reader.position).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test('overlong numbers, NaN lengths and bad ranges are errors', () => {
    expect(() => new ByteReader(new Uint8Array(12).fill(0xff)).uvarint()).toThrow(BytesError);
    expect(() => new ByteReader(new Uint8Array(12).fill(0xff)).uvarint64()).toThrow(BytesError);
    expect(() => new ByteReader(new Uint8Array(12).fill(0xff)).u53()).toThrow(BytesError);
    expect(() => new ByteReader(new Uint8Array(4)).bytes(Number.NaN)).toThrow(BytesError);
    expect(() => new ByteReader(new Uint8Array(4)).skip(-1)).toThrow(BytesError);
    expect(() => new ByteReader(new Uint8Array(4), 2, 5)).toThrow(BytesError);
    expect(() =>
      new ByteReader(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x20)).uvarints(new Uint32Array(1)),
    ).toThrow(BytesError);
  });
});

describe('crc32c', () => {
  // RFC 3720, B.4.
  test.each([
    ['32 zero bytes', Buffer.alloc(32), 0x8a9136aa],
    ['32 bytes of 0xff', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['ascending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['descending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ])('knows the published value of %s', (_name, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  test('equals the bit by bit definition on any range, and continues over pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
        const middle = Math.min(cut, bytes.length);
        expect(crc32c(bytes, middle)).toBe(plain(bytes.subarray(middle)));
        expect(crc32c(bytes, middle, bytes.length, crc32c(bytes, 0, middle))).toBe(plain(bytes));
      }),
    );
    expect(() => crc32c(new Uint8Array(3), 0, 4)).toThrow(RangeError);
  });

  test('goes on over inputs longer than its memory', () => {
    const bytes = Buffer.alloc(700_001, 'the quick brown fox ');
    expect(crc32c(bytes, 1)).toBe(plain(bytes.subarray(1)));
  });

  function plain(bytes: Uint8Array): number {
    let crc = 0xffff_ffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
    }
    return ~crc >>> 0;
  }
});

describe('zstd', () => {
  test('gives back what went in, and refuses damage or another size', () => {
    for (const raw of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(300_000, 'level=info msg=hello ')]) {
      const packed = zstdCompress(raw);
      expect(zstdDecompress(packed, raw.length).equals(raw)).toBe(true);
      expect(() => zstdDecompress(packed, raw.length + 1)).toThrow(BytesError);
      if (raw.length > 0) expect(() => zstdDecompress(packed, raw.length - 1)).toThrow(BytesError);
      expect(() => zstdDecompress(packed.subarray(0, packed.length - 2), raw.length)).toThrow(BytesError);
    }
  });
});

test('a frame that cannot hold what it claims is refused before memory is taken', () => {
  const frame = zstdCompress(Buffer.alloc(2 ** 20));
  // The densest that there is: a byte that repeats.
  expect(zstdDecompress(frame, 2 ** 20)).toHaveLength(2 ** 20);
  expect(() => zstdDecompress(frame, 2 ** 29)).toThrow('cannot hold');
});
