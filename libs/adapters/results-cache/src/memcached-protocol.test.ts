import fc from 'fast-check';
import {
  expirationOf,
  getCommand,
  GetReader,
  memcachedKey,
  ProtocolFault,
  ServerRefusal,
  setCommand,
  SetReader,
} from './memcached-protocol.ts';
import type { AnswerReader } from './memcached-protocol.ts';

// Protects the reader of a cache's protocol: an answer is what the server said, however it comes in pieces;
// what is no answer is a failure, never a value.

/** Gives `bytes` to the reader in pieces that end at `cuts`. */
function read<T>(reader: AnswerReader<T>, bytes: Buffer, cuts: readonly number[] = []): T | undefined {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let from = 0;
  for (const end of ends) {
    const whole = reader.take(bytes.subarray(from, end));
    from = end;
    if (whole) return whole.answer;
  }
  return undefined;
}

const valueText = (key: string, value: Buffer, flags = 0): Buffer =>
  Buffer.concat([Buffer.from(`VALUE ${key} ${flags} ${value.length}\r\n`), value, Buffer.from('\r\n')]);
const end = Buffer.from('END\r\n');
const bytesOf = (...parts: (Buffer | string)[]) => Buffer.concat(parts.map((part) => Buffer.from(part)));

test('values come back byte for byte, whatever pieces the answer comes in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (values, cuts) => {
        const keys = values.map((_, i) => `key${i}`);
        const answer = Buffer.concat([
          ...values.map((value, i) => valueText(keys[i], Buffer.from(value))),
          end,
        ]);
        const found = read(new GetReader([...keys, 'absent'], 100), answer, cuts)!;
        expect([...found.keys()]).toEqual(keys);
        keys.forEach((key, i) => expect([...found.get(key)!]).toEqual([...values[i]]));
      },
    ),
  );
});

test('a value may contain the text of an answer', () => {
  const tricky = Buffer.from('x\r\nEND\r\nVALUE a 0 1\r\n');
  expect(read(new GetReader(['a'], 100), bytesOf(valueText('a', tricky), end))).toEqual(
    new Map([['a', tricky]]),
  );
});

test('a value that somebody else wrote in a form of theirs is none', () => {
  const answer = bytesOf(valueText('a', Buffer.from('1'), 2), valueText('b', Buffer.from('2')), end);
  expect(read(new GetReader(['a', 'b'], 100), answer)).toEqual(new Map([['b', Buffer.from('2')]]));
});

test.each([
  ['another key', 'VALUE b 0 1\r\n1\r\nEND\r\n'],
  ['a key twice', 'VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n'],
  ['a value that is longer than told', 'VALUE a 0 1\r\n12\r\nEND\r\n'],
  ['a value that is shorter than told', 'VALUE a 0 9\r\n1\r\nEND\r\nEND\r\n'],
  ['more than is ever kept', 'VALUE a 0 101\r\n'],
  ['an enormous length', 'VALUE a 0 9999999999\r\n'],
  ['a negative length', 'VALUE a 0 -1\r\n'],
  ['no length', 'VALUE a 0\r\n'],
  ['an answer to something else', 'STORED\r\n'],
  ['nonsense', '\r\n'],
  ['a line without end', 'x'.repeat(513)],
  ['a long line', `VALUE ${'x'.repeat(600)} 0 1\r\n`],
  ['more behind the end', 'END\r\nEND\r\n'],
  ['an error', 'ERROR\r\n'],
  ['an error of ours', 'CLIENT_ERROR bad command line format\r\n'],
  ['an error with more behind it', 'SERVER_ERROR x\r\nEND\r\n'],
])('%s is no answer', (_, text) => {
  expect(() => read(new GetReader(['a'], 100), Buffer.from(text))).toThrow(ProtocolFault);
  // Nor is it one byte by byte.
  const everywhere = Array.from(text, (__, i) => i);
  const reader = new GetReader(['a'], 100);
  const gave = (): unknown => read(reader, Buffer.from(text), everywhere);
  if (text.includes('END\r\nEND') || text.includes('SERVER_ERROR')) return;
  expect(gave).toThrow(ProtocolFault);
});

test('values of one answer are bounded together', () => {
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  const value = Buffer.alloc(8 << 20);
  const reader = new GetReader(keys, value.length);
  const give = () => {
    for (const key of keys) reader.take(valueText(key, value));
  };
  expect(give).toThrow('more bytes than are ever kept');
});

test('no bytes make it hang, crash or hold more than came', () => {
  const words = [
    'VALUE a 0 3\r\n',
    'abc\r\n',
    'END\r\n',
    'VALUE ',
    'ERROR\r\n',
    '\r\n',
    'SERVER_ERROR no\r\n',
    '\0',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), fc.array(fc.nat()), (parts, cuts) => {
      const answer = parts.join('');
      try {
        const values = read(new GetReader(['a'], 100), Buffer.from(answer), cuts);
        // Any three bytes behind the length are a value, those of END too.
        for (const value of values?.values() ?? []) {
          expect(answer).toContain(`VALUE a 0 3\r\n${value.toString()}\r\n`);
        }
      } catch (error) {
        expect(error instanceof ProtocolFault || error instanceof ServerRefusal).toBe(true);
      }
    }),
  );
});

test('a write is kept, not kept, refused, or lost with the connection', () => {
  const answer = (text: string) => read(new SetReader(), Buffer.from(text), [3]);
  expect(answer('STORED\r\n')).toBe(true);
  expect(answer('NOT_STORED\r\n')).toBe(false);
  expect(() => answer('SERVER_ERROR object too large for cache\r\n')).toThrow(ServerRefusal);
  for (const text of ['ERROR\r\n', 'CLIENT_ERROR bad data chunk\r\n', 'END\r\n', 'STORED\r\nSTORED\r\n']) {
    expect(() => answer(text)).toThrow(ProtocolFault);
  }
});

test('commands are as the protocol has them', () => {
  expect(getCommand(['a', 'b']).toString()).toBe('get a b\r\n');
  expect(setCommand('a', Buffer.from('1\r\n'), 60).toString()).toBe('set a 0 60 3\r\n1\r\n\r\n');
});

test('every key has a name that memcached takes, and no two have one', () => {
  const keys = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.string({ minLength: 200, maxLength: 300 }),
  );
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      expect(memcachedKey(a)).toMatch(/^[\x21-\x7e]{1,250}$/);
      expect(memcachedKey(a) === memcachedKey(b)).toBe(a === b);
    }),
  );
  expect(memcachedKey('lokits/results/t/abc')).toBe('lokits/results/t/abc');
  expect(memcachedKey('x'.repeat(250))).toBe('x'.repeat(250));
  expect(memcachedKey('x'.repeat(251))).toMatch(/^#/);
  // A key that looks like a hashed one is not taken for it.
  const hashed = memcachedKey('a b');
  expect(memcachedKey(hashed)).not.toBe(hashed);
});

test('a time to live is whole seconds, and a moment where it is long', () => {
  const nowMs = 1_700_000_000_999;
  expect([0, 1, 1000, 1001, 2_592_000_000].map((ms) => expirationOf(ms, nowMs))).toEqual([
    0, 1, 1, 2, 2_592_000,
  ]);
  expect(expirationOf(2_592_000_001, nowMs)).toBe(1_700_000_000 + 2_592_001);
});
