/**
 * Protects the meaning of a run without findings: the fuzzer proves that it can find mistakes. Each planted
 * decoder has one mistake, which has to be found, made small, and found again by the printed seed.
 */
import { cutAtEveryByte, flipEveryBit } from './damage.ts';
import { fuzz, inputAt } from './fuzz.ts';
import { judge } from './judge.ts';
import { minimise } from './minimise.ts';
import { varintOf } from './mutate-bytes.ts';
import type { FuzzTarget, GoldenFile } from './target.ts';

class Refusal extends Error {}

const target = (fields: Partial<FuzzTarget> & Pick<FuzzTarget, 'run'>): FuzzTarget => ({
  name: 'planted',
  shape: 'bytes',
  corpus: () => ['planted corpus'],
  isRefusal: (error) => error instanceof Refusal,
  ...fields,
});

/** A list of sized texts, whose count nothing bounds. */
function readList(input: Buffer, sizeOf: (at: number) => number): string[] {
  const texts: string[] = [];
  for (let at = 0; at < input.length;) {
    const size = sizeOf(at);
    if (at + 1 + size > input.length) throw new Refusal('cut short');
    texts.push(input.toString('utf8', at + 1, at + 1 + size));
    at += 1 + size;
  }
  return texts;
}

const list = Buffer.concat(
  ['one', 'two', 'three'].flatMap((text) => [varintOf(text.length), Buffer.from(text)]),
);

const planted: readonly (FuzzTarget & { kind: string })[] = [
  {
    ...target({
      name: 'a length that is used unchecked',
      corpus: () => [list],
      run: (input) =>
        readList(input, (at) => (input[at] > 200 ? input[input.length + at] : input[at])).map(
          (text) => text.normalize('NFC').at(0)!.length,
        ),
    }),
    kind: 'exception',
  },
  {
    ...target({
      name: 'memory by the length that is claimed',
      corpus: () => [Buffer.from([0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])],
      run: (input) => (input.length < 4 ? 0 : Buffer.alloc(input.readUInt32BE(0) % 2 ** 22, 1)),
      limitBytes: 2 ** 18,
    }),
    kind: 'memory',
  },
  {
    ...target({
      name: 'the square of the nesting',
      shape: 'text',
      corpus: () => ['a(b(c))'],
      run: (all) => {
        const input = all.subarray(0, 1500);
        let steps = 0;
        for (const byte of input) if (byte === 0x28) for (const each of input) steps += each & 1;
        return steps > 0;
      },
      cpuMsMax: 1,
    }),
    kind: 'slow',
  },
  {
    ...target({
      name: 'a word that is taken for a field',
      shape: 'text',
      corpus: () => ['{a="b"} |= "c"'],
      words: ['constructor'],
      run: (input) => {
        const known: Record<string, string> = { a: 'b' };
        const name = /\w+/.exec(input.toString())?.[0] ?? '';
        return known[name]?.toUpperCase();
      },
    }),
    kind: 'exception',
  },
  {
    ...target({
      name: 'a field of a message given twice',
      shape: 'protobuf',
      corpus: () => [Buffer.from([0x0a, 4, 0x0a, 2, 0x68, 0x69])],
      run: (input) => {
        const names = new Set<number>();
        for (let at = 2; at + 1 < input.length; at += 2 + input[at + 1]) {
          if (names.has(input[at])) throw new TypeError('twice');
          names.add(input[at]);
        }
      },
    }),
    kind: 'exception',
  },
  {
    ...target({
      name: 'a mistake behind a checksum',
      corpus: () => [Buffer.from([1, 2, 3, 6])],
      mend: (input) => Buffer.from([...input.subarray(0, -1), sumOf(input.subarray(0, -1))]),
      run: (input) => {
        if (input.length === 0 || input.at(-1) !== sumOf(input.subarray(0, -1))) {
          throw new Refusal('checksum');
        }
        if (input[0] === 0xff) throw new RangeError('out of range');
      },
    }),
    kind: 'exception',
  },
];

function sumOf(bytes: Buffer): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

test.each(planted)('a planted mistake is found: $name', async (decoder) => {
  const { failures } = await fuzz(decoder, { seed: 7, count: 600 });
  expect(failures.map(({ finding }) => finding.kind)).toContain(decoder.kind);
  const failure = failures.find(({ finding }) => finding.kind === decoder.kind)!;
  const again = await inputAt(decoder, failure.seed, failure.count);
  expect(again.equals(failure.input)).toBe(true);
  const small = await minimise(decoder, failure.input, 500);
  expect(small.length).toBeLessThanOrEqual(failure.input.length);
  // A small slow input is just above the bound, and the next time just below it.
  if (decoder.kind !== 'slow') {
    expect((await judge(decoder, small)).finding?.kind).toBe(decoder.kind);
  }
});

test('a decoder without a mistake has no finding, and its outcomes are told apart', async () => {
  const sound = target({ corpus: () => [list], run: (input) => readList(input, (at) => input[at]).length });
  const { failures, outcomes, inputs } = await fuzz(sound, { seed: 7, count: 1000 });
  expect(failures).toEqual([]);
  expect(inputs).toBe(1000);
  expect(outcomes).toBeGreaterThan(2);
});

describe('damage to files', () => {
  const record = (text: string) => {
    const body = Buffer.from(text);
    return Buffer.concat([Buffer.from([body.length, sumOf(Buffer.from([body.length, ...body]))]), body]);
  };
  const records = ['first', 'second', 'third'].map(record);
  const file = (fields: Partial<GoldenFile>): GoldenFile => ({
    name: 'file',
    bytes: () => Buffer.concat(records),
    recordEnds: () => records.map((_, i) => Buffer.concat(records.slice(0, i + 1)).length),
    isRefusal: (error) => error instanceof Refusal,
    read: () => [],
    ...fields,
  });
  const read = (bytes: Buffer, isSound: (body: Buffer, sum: number) => boolean): string[] => {
    const texts: string[] = [];
    for (let at = 0; at + 2 < bytes.length; at += 2 + bytes[at]) {
      const body = bytes.subarray(at + 2, at + 2 + bytes[at]);
      if (body.length === bytes[at] && isSound(body, bytes[at + 1])) texts.push(body.toString());
    }
    return texts;
  };
  const checked = (body: Buffer, sum: number) => sumOf(Buffer.from([body.length, ...body])) === sum;

  test('a reader that serves a damaged record is found, and one that checks is not', async () => {
    const careless = file({ read: (bytes) => read(bytes, () => true) });
    expect((await flipEveryBit(careless)).faults.length).toBeGreaterThan(0);
    // A length that is damaged hides the records behind it: such a file is refused.
    const careful = file({
      read: (bytes) => {
        const texts = read(bytes, checked);
        if (texts.length < 3 && bytes.length === Buffer.concat(records).length) throw new Refusal('damaged');
        return texts;
      },
    });
    expect((await flipEveryBit(careful)).faults).toEqual([]);
    expect((await cutAtEveryByte(careful)).faults).toEqual([]);
  });

  test('a reader that gives up the whole records before a cut is found', async () => {
    const strict = file({
      read: (bytes) => {
        const texts = read(bytes, checked);
        return texts.length === 3 ? texts : [];
      },
    });
    expect((await cutAtEveryByte(strict)).faults.length).toBeGreaterThan(0);
  });
});
