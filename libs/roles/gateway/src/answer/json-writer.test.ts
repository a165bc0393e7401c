/** Protects: lines become the JSON strings that Go writes, for any bytes. */
import fc from 'fast-check';
import { goJsonString } from '@loki/go';
import { JsonWriter } from './json-writer.ts';

describe('a line written as a JSON string', () => {
  test('is what Go writes of it, for any text', () => {
    const units = fc.constantFrom(
      '"',
      '\\',
      '<',
      '>',
      '&',
      '\u2028',
      '\u2029',
      '\n',
      '\0',
      '\x7f',
      'a',
      'é',
      '\u2030',
      '漢',
      '😀',
    );
    const text = fc.oneof(fc.string({ unit: units }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(text, text, (before, line) => {
        const source = Buffer.from(`${before}${line}\u2028`);
        const writer = new JsonWriter(undefined, 1);
        writer.json('[');
        const start = Buffer.byteLength(before);
        writer.utf8(source, start, start + Buffer.byteLength(line));
        writer.json(',"é"]');
        expect(writer.finish().toString()).toBe(`[${goJsonString(line)},"é"]`);
      }),
    );
  });

  test('grows as far as it must', () => {
    const writer = new JsonWriter(undefined, 16);
    const line = Buffer.alloc(100_000);
    writer.utf8(line, 0, line.length);
    writer.json('é'.repeat(5000));
    expect(writer.finish().toString()).toBe(`"${'\\u0000'.repeat(100_000)}"${'é'.repeat(5000)}`);
  });
});
