/** Symbols that are shared between streams count as if each stream had a table of its own. */
import fc from 'fast-check';
import { loadHash } from '@loki/model';
import { columns, openSegment } from '@loki/segment';
import { segmentOf, tenant } from '../test/blocks.ts';
import { MetadataSymbols } from './metadata-symbols.ts';
import type { SymbolTable } from './metadata-symbols.ts';

beforeAll(loadHash);

const texts = fc.oneof(fc.constantFrom('', 'a', 'bb', 'żó'), fc.nat({ max: 40 }).map(String));
const metadata = fc.dictionary(fc.constantFrom('a', 'key', 'trace'), texts, { maxKeys: 3 });

/** 8 bytes a pair, and each distinct name and value once. */
function naive(rows: readonly Record<string, string>[]): number {
  const pairs = rows.flatMap((row) => Object.entries(row)).filter(([, value]) => value !== '');
  const distinct = new Set(pairs.flat());
  return pairs.length * 8 + [...distinct].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

test('counts what a table for each stream would, however rows of streams take turns', () => {
  const row = fc.tuple(fc.nat({ max: 3 }), metadata);
  const scenario = fc.array(fc.array(row, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(scenario, (blocks) => {
      const symbols = new MetadataSymbols();
      const tables = new Map<number, SymbolTable>();
      const bytes = new Map<number, number>();
      const plain = new Map<number, Record<string, string>[]>();
      for (const rows of blocks) {
        const segment = openSegment(
          segmentOf(
            rows.map(([, each], i) => ({ labels: { app: 'a' }, ts: BigInt(i), line: '', metadata: each })),
          ),
        );
        const section = segment.section(tenant)!;
        const block = segment.block(section, 0, columns.metadata);
        rows.forEach(([stream, each], at) => {
          plain.set(stream, [...(plain.get(stream) ?? []), each]);
          tables.set(stream, symbols.with(tables.get(stream) ?? symbols.empty, block, at, at + 1));
          bytes.set(stream, (bytes.get(stream) ?? 0) + symbols.bytes);
        });
      }
      for (const [stream, rows] of plain) expect(bytes.get(stream)).toBe(naive(rows));
    }),
    { numRuns: 300 },
  );
});
