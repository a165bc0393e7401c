/** Protects the figures that Grafana shows of a query: they count what an answer stands for, read or not. */
import type { LeafRequest, LeafStats } from '@loki/ports';
import type { LeafSource } from '../leaf/open-section.ts';
import { runLeaf, segmentOf, tenant, testEnv } from './blocks.ts';
import type { TestRow } from './blocks.ts';

const second = 1_000_000_000n;
/** Two streams of 100 lines of 20 bytes, a second apart; each line of the first has two pairs of metadata. */
const rows: TestRow[] = Array.from({ length: 200 }, (_, i) => ({
  labels: { app: i < 100 ? 'a' : 'b' },
  ts: BigInt(i % 100) * second,
  line: `line ${String(i).padStart(3, '0')} ${i % 2 === 0 ? 'even words' : 'odd  words'}.`,
  ...(i < 100 ? { metadata: { level: i % 4 === 0 ? 'warn' : 'info', trace: `t${i}` } } : {}),
}));
const segment = segmentOf(rows);
const env = testEnv(new Map([['k', segment]]));
const stored: LeafSource = { kind: 'object', key: 'k' };

async function statsOf(
  expr: string,
  more: Partial<LeafRequest> = {},
  source: LeafSource = stored,
): Promise<LeafStats> {
  const request = {
    kind: 'samples',
    tenant,
    expr,
    startNs: 200n * second,
    endNs: 200n * second,
    stepNs: 0n,
    seriesMax: 0,
    ...more,
  } as LeafRequest;
  return (await runLeaf(request, [source], env)).stats;
}

test.each([
  // The index has the answer: no line is read.
  ['sum(count_over_time({app="b"}[1h]))', { linesProcessed: 100, lineBytes: 2000, metadataBytes: 0 }],
  ['sum(bytes_over_time({app=~"a|b"}[1h]))', { linesProcessed: 200, lineBytes: 4000, metadataBytes: 0 }],
  // Times alone are read: of a run that lies in the range in part, its share.
  ['sum(count_over_time({app="b"}[150s]))', { linesProcessed: 49, lineBytes: 980, metadataBytes: 0 }],
  // Metadata is read: 8 bytes for each pair that the query looks at.
  [
    'sum by (level) (count_over_time({app="a"}[1h]))',
    { linesProcessed: 100, lineBytes: 2000, metadataBytes: 800 },
  ],
  ['count_over_time({app="a"}[1h])', { linesProcessed: 100, lineBytes: 2000, metadataBytes: 1600 }],
  ['sum(count_over_time({app="a"} | level="warn" [1h]))', { linesProcessed: 25, lineBytes: 500 }],
  [
    'count_over_time({app="a"} |= "even" [1h])',
    { linesProcessed: 100, lineBytes: 2000, metadataBytes: 50 * 16 },
  ],
])('%s has the figures %j', async (expr, figures) => {
  expect(await statsOf(expr)).toMatchObject(figures);
});

const log = { kind: 'log', direction: 'forward', limit: 10, startNs: 0n } as Partial<LeafRequest>;

test('a log query counts the metadata of the lines that it returns', async () => {
  expect(await statsOf('{app="a"}', log)).toMatchObject({
    linesProcessed: 10,
    lineBytes: 200,
    metadataBytes: 160,
  });
});

test.each<[string, Partial<LeafRequest>]>([
  ['count_over_time({app="a"} |= "even" [1h])', {}],
  ['sum by (level) (count_over_time({app="a"}[1h]))', {}],
  ['sum(count_over_time({app="b"}[1h]))', {}],
  ['{app="a"} | level="warn"', log],
])('%s has the same figures in memory and in the store, and says which are of memory', async (expr, more) => {
  const flushed = await statsOf(expr, more);
  const { linesProcessed, linesMatched, lineBytes, metadataBytes } = flushed;
  expect(flushed).toMatchObject({
    headLines: 0,
    headLinesMatched: 0,
    headLineBytes: 0,
    headMetadataBytes: 0,
  });
  expect(await statsOf(expr, more, { kind: 'bytes', bytes: segment })).toMatchObject({
    linesProcessed,
    linesMatched,
    lineBytes,
    metadataBytes,
    headLines: linesProcessed,
    headLinesMatched: linesMatched,
    headLineBytes: lineBytes,
    headMetadataBytes: metadataBytes,
  });
});
