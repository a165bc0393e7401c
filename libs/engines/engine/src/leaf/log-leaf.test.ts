import fc from 'fast-check';
import { Labels } from '@loki/model';
import { atOnce } from '../common/sliced-work.ts';
import { mergeLogResults } from '../merge/merge-log.ts';
import { bytesSource, plainRows, runLeaf, runLog, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';
import type { LeafSource } from './open-section.ts';

const api = { app: 'api', env: 'prod' };

function linesOf(lines: readonly string[], labels: Record<string, string> = api): TestRow[] {
  return lines.map((line, i) => ({ labels, ts: BigInt(i + 1), line }));
}

async function linesFor(expr: string, rows: readonly TestRow[]): Promise<string[]> {
  return plainRows(await runLog({ expr }, [bytesSource(rows)])).map((row) => row.line);
}

async function labelsFor(stages: string, line: string, metadata?: Record<string, string>) {
  const [row] = plainRows(
    await runLog({ expr: `{app="api"} ${stages}` }, [bytesSource([{ labels: api, ts: 1n, line, metadata }])]),
  );
  return row?.labels;
}

describe('selectors', () => {
  const rows: TestRow[] = [
    { labels: { app: 'a', env: 'x' }, ts: 1n, line: 'a-x' },
    { labels: { app: 'b' }, ts: 2n, line: 'b' },
    { labels: { app: 'a' }, ts: 3n, line: 'a' },
  ];
  test.each([
    ['{app="a"}', ['a-x', 'a']],
    ['{app=~"a|b", env=""}', ['b', 'a']],
    ['{app=~".+", env!=""}', ['a-x']],
    ['{app=~".+", env!~"x"}', ['b', 'a']],
    // Anchored: a part of the value is not enough.
    ['{app=~"."}', ['a-x', 'b', 'a']],
    ['{app=~"x"}', []],
  ])('%s selects %j', async (expr, lines) => expect(await linesFor(expr, rows)).toEqual(lines));
});

describe('line filters', () => {
  const rows = linesOf(['the cat', 'a dog', 'cat and dog', '', 'from 10.1.2.3:80 to ::1', 'GET /x 404 1ms']);
  test.each([
    ['|= "cat"', ['the cat', 'cat and dog']],
    ['|= "cat" |= "dog"', ['cat and dog']],
    ['|= "cat" or "dog"', ['the cat', 'a dog', 'cat and dog']],
    ['!= "cat" or "dog"', ['', 'from 10.1.2.3:80 to ::1', 'GET /x 404 1ms']],
    ['!= "cat" |~ "d.g"', ['a dog']],
    ['|~ "^(a|the) "', ['the cat', 'a dog']],
    ['!~ "[a-z]"', ['']],
    ['|= ""', rows.map((row) => row.line)],
    ['!= ""', []],
    ['|= ip("10.1.0.0/16")', ['from 10.1.2.3:80 to ::1']],
    ['|= ip("::1")', ['from 10.1.2.3:80 to ::1']],
    ['!= ip("10.1.0.0/16")', rows.map((row) => row.line).filter((line) => !line.startsWith('from'))],
    ['|> "<_> 404 <_>"', ['GET /x 404 1ms']],
    ['|> "a <_>"', ['a dog']],
    ['|> "<_>dog"', ['a dog', 'cat and dog']],
    ['|> ""', ['']],
    ['!> "<_> <_>"', ['']],
    // A filter may run before a parser, but not before a stage that changes the line.
    ['| logfmt |= "dog" | logfmt', ['a dog', 'cat and dog']],
  ])('%s', async (filter, lines) => expect(await linesFor(`{app="api"} ${filter}`, rows)).toEqual(lines));

  test('a needle that runs from one line into the next is no match', async () => {
    expect(await linesFor('{app="api"} |= "ab"', linesOf(['xa', 'bx', 'xab', 'a', 'b']))).toEqual(['xab']);
  });
});

describe('parsers', () => {
  test.each([
    [
      '| json',
      '{"a":{"b":1.50,"c":[1]},"d":"\\u00e9\\n","e":null,"f":true}',
      { a_b: '1.50', d: 'é\n', f: 'true' },
    ],
    ['| json', '{"app":"x","9a":"y","b c":"z"}', { app_extracted: 'x', _9a: 'y', b_c: 'z' }],
    ['| json', '{"a":1,"a":2}', { a: '1' }],
    [
      '| json',
      '{"a":{"b":1',
      {
        __error__: 'JSONParserErr',
        __error_details__: "Value looks like object, but can't find closing '}' symbol",
      },
    ],
    ['| json x="a.b[1]", y="nope"', '{"a":{"b":[1,{"k":"v"}]}}', { x: '{"k":"v"}', y: '' }],
    ['| json x="a"', 'plain', { __error__: 'JSONParserErr' }],
    ['| logfmt', 'a=1 b="x y" c= d bad=x=y e="q\\"q"', { a: '1', b: 'x y', e: 'q"q' }],
    ['| logfmt --keep-empty', 'a=1 c= d', { a: '1', c: '', d: '' }],
    [
      '| logfmt --strict',
      'a=1 b"=2 c=3',
      {
        a: '1',
        __error__: 'LogfmtParserErr',
        __error_details__: `logfmt syntax error at pos 6 : unexpected '"'`,
      },
    ],
    ['| logfmt x="a", y', 'a=1 b=2', { x: '1', y: '' }],
    ['| logfmt | logfmt x="b"', 'a=1 b=2 a=3', { a: '1', b: '2', x: '2' }],
    ['| pattern "<ip> - <_> <rest>"', '1.2.3.4 - me and more', { ip: '1.2.3.4', rest: 'and more' }],
    ['| pattern "GET <path>"', 'POST /x', {}],
    ['| pattern "<a>|<b>"', 'no bar', { a: 'no bar' }],
    ['| regexp "(?P<n>[0-9]+)ms"', 'took 15ms or 20ms', { n: '15' }],
    ['| unpack', '{"_entry":"x","p":"1","n":2}', { p: '1' }],
    ['| unpack', '{"p":"1"}', {}],
    ['| json | drop a, b="2"', '{"a":"1","b":"2","c":"3"}', { c: '3' }],
    ['| json | keep a, b="x"', '{"a":"1","b":"2","c":"3"}', { a: '1' }],
    [
      '| json | drop __error__',
      'x',
      { __error_details__: "Value looks like object, but can't find closing '}' symbol" },
    ],
    ['| json | label_format z=a', '{"a":"1","b":"2"}', { z: '1', b: '2' }],
  ])('%s of %s', async (stages, line, labels) => expect(await labelsFor(stages, line)).toEqual(labels));

  test('metadata keeps its name before parsed labels, and yields to stream labels', async () => {
    const labels = await labelsFor('| logfmt', 'level=l other=l', { app: 'm', level: 'm' });
    expect(labels).toEqual({ app_extracted: 'm', level: 'm', level_extracted: 'l', other: 'l' });
  });

  test('bytes that are no UTF-8 do not break a line', async () => {
    const line = Buffer.from([0x6b, 0x3d, 0xff, 0x20, 0xfe, 0x3d, 0x31, 0x20, 0x6e, 0x3d, 0x32]).toString(
      'latin1',
    );
    expect(await labelsFor('| logfmt', line)).toMatchObject({ n: '2' });
  });
});

describe('label filters', () => {
  const line = 'n=5 d=1.5s b=2KB ip=10.0.0.7 s=word';
  test.each([
    ['| logfmt | n>4', true],
    ['| logfmt | n<=4', false],
    ['| logfmt | n==5 and d>1s', true],
    ['| logfmt | n>9 or b>=2000B', true],
    ['| logfmt | d!=1500ms', false],
    ['| logfmt | ip=ip("10.0.0.0/24")', true],
    ['| logfmt | ip!=ip("10.0.0.0/24")', false],
    ['| logfmt | s=~"w.*"', true],
    ['| logfmt | s=~"w"', false],
    ['| logfmt | missing=""', true],
    ['| logfmt | missing<5', false],
    ['| logfmt | missing!=5', false],
    ['| logfmt | missing!=ip("10.0.0.0/24")', false],
  ])('%s', async (stages, isKept) => expect((await labelsFor(stages, line)) !== undefined).toBe(isKept));

  test.each([
    ['| logfmt | s>5', 'strconv.ParseFloat: parsing "word": invalid syntax'],
    ['| logfmt | s>5s', 'time: invalid duration "word"'],
    ['| logfmt | n>5s', 'time: missing unit in duration "5"'],
    ['| logfmt | s>5KB', 'strconv.ParseFloat: parsing "": invalid syntax'],
    ['| logfmt | d>5KB', 'unhandled size name: s'],
  ])('%s marks a value that cannot be read', async (stages, details) => {
    expect(await labelsFor(stages, line)).toMatchObject({
      __error__: 'LabelFilterErr',
      __error_details__: details,
    });
  });

  test('filters on metadata give what they give behind a stage that changes nothing', async () => {
    const rows = Array.from({ length: 60 }, (_, i): TestRow => ({
      labels: i % 2 ? api : { ...api, k0: 's' },
      ts: BigInt(i),
      line: `line ${i}`,
      metadata: { [`k${i % 3}`]: `v${i % 5}`, ...(i % 7 ? { level: 'info' } : {}) },
    }));
    const sources = [bytesSource(rows, 300)];
    for (const filter of [
      'k0="v0"',
      'k0!="v0"',
      'k1=~"v[12]" or level=""',
      'k0_extracted="v1"',
      'k2="" and k0="s"',
    ]) {
      const early = plainRows(await runLog({ expr: `{app="api"} | ${filter}` }, sources));
      const late = plainRows(await runLog({ expr: `{app="api"} | drop nothing | ${filter}` }, sources));
      expect(early.length).toBeGreaterThan(0);
      expect(early).toEqual(late);
    }
  });
});

describe('order and limit', () => {
  const arbitraryRows = fc.array(
    fc.record({ stream: fc.integer({ min: 0, max: 3 }), ts: fc.integer({ min: 0, max: 12 }) }),
    { maxLength: 80 },
  );

  /** The plain way: sort everything, take the first. */
  function oracle(rows: readonly TestRow[], direction: 'forward' | 'backward', limit: number): string[] {
    const keyed = rows.map((row, arrival) => {
      const labels = Labels.fromPairs(Object.entries(row.labels));
      return { row, arrival, hash: labels.hash(), text: labels.toString() };
    });
    const sign = direction === 'forward' ? 1 : -1;
    keyed.sort((a, b) => {
      if (a.row.ts !== b.row.ts) return a.row.ts < b.row.ts ? -sign : sign;
      if (a.hash !== b.hash) return a.hash < b.hash ? -1 : 1;
      return sign * (a.arrival - b.arrival);
    });
    return keyed.slice(0, limit || keyed.length).map(({ row }) => row.line);
  }

  test('whatever the blocks, sources, filters and limit, the rows are those of a plain sort', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryRows,
        fc.integer({ min: 0, max: 30 }),
        fc.constantFrom('forward' as const, 'backward' as const),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(
          '{app=~".+"}',
          '{app=~".+"} |= "row"',
          '{app=~".+"} | logfmt',
          '{app=~".+"} | logfmt | app!=""',
        ),
        async (drawn, limit, direction, parts, expr) => {
          const rows = drawn.map(({ stream, ts }, i): TestRow => ({
            labels: { app: `s${stream}` },
            ts: BigInt(ts),
            line: `row ${i}`,
          }));
          const size = Math.ceil(rows.length / parts) || 1;
          const sources = Array.from({ length: parts }, (_, p) => rows.slice(p * size, (p + 1) * size))
            .filter((part) => part.length > 0)
            .map((part) => bytesSource(part, 64));
          const whole = await runLog({ expr, limit, direction }, sources);
          const expected = oracle(rows, direction, limit);
          expect(plainRows(whole).map((row) => row.line)).toEqual(expected);
          const results = await Promise.all(
            sources.map((source) => runLog({ expr, limit, direction }, [source])),
          );
          const request = { kind: 'log' as const, tenant, expr, startNs: 0n, endNs: 99n, direction, limit };
          const merged = atOnce(mergeLogResults(request, results));
          expect(plainRows(merged).map((row) => row.line)).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('the time range includes its start and not its end', async () => {
    const rows = linesOf(['1', '2', '3', '4']);
    const result = await runLog({ expr: '{app="api"}', startNs: 2n, endNs: 4n }, [bytesSource(rows)]);
    expect(plainRows(result).map((row) => row.line)).toEqual(['2', '3']);
  });

  test('blocks that cannot hold a better row are not looked at', async () => {
    const rows = Array.from({ length: 400 }, (_, i): TestRow => ({
      labels: api,
      ts: BigInt(i),
      line: `line ${i}`,
    }));
    const { stats } = await runLog({ expr: '{app="api"} |= "line"', limit: 5, direction: 'backward' }, [
      bytesSource(rows, 400),
    ]);
    expect(stats.blocksMatched).toBe(1);
    expect(stats.blocksSkipped).toBeGreaterThan(3);
  });

  test('stages that drop no row run on the rows of the answer alone', async () => {
    // Two streams, each with rows of the whole time: a scan in order of blocks would parse both.
    const rows = Array.from({ length: 400 }, (_, i): TestRow => ({
      labels: { app: `s${i % 2}` },
      ts: BigInt(i),
      line: `n=${i}`,
    }));
    const limit = 6;
    const linesOf = async (stages: string) => {
      const { stats } = await runLog({ expr: `{app=~".+"} ${stages}`, limit }, [bytesSource(rows, 400)]);
      return stats.linesProcessed;
    };
    expect(await linesOf('| logfmt | line_format "{{.n}}" | drop n')).toBe(limit);
    expect(await linesOf('| logfmt | n>=0')).toBeGreaterThan(limit);
  });
});

test('head, store, cached and uncached data give the same rows', async () => {
  const rows = Array.from({ length: 500 }, (_, i): TestRow => ({
    labels: { app: `s${i % 5}` },
    ts: BigInt(i),
    line: `level=${i % 3 ? 'info' : 'error'} n=${i}`,
    metadata: { trace_id: `t${i}`, pod: `p${i % 4}` },
  }));
  const bytes = segmentOf(rows, 2000);
  const env = testEnv(new Map([['seg', bytes]]));
  const tiny = testEnv(new Map([['seg', bytes]]), 1);
  const sources: LeafSource[] = [
    { kind: 'bytes', bytes },
    { kind: 'bytes', bytes, cacheKey: 'k' },
    { kind: 'object', key: 'seg' },
  ];
  const queries = [
    '{app="s1"} |= "error"',
    '{app=~".+"} | trace_id="t77"',
    '{app=~"s[12]"} | logfmt | level="error" | n>100',
    '{app=~".+"} | pod="p1" |~ "n=.7"',
  ];
  for (const expr of queries) {
    const expected = plainRows(await runLog({ expr, limit: 40, direction: 'backward' }, [sources[0]], env));
    expect(expected.length).toBeGreaterThan(0);
    for (const source of [...sources, ...sources]) {
      for (const where of [env, tiny]) {
        expect(plainRows(await runLog({ expr, limit: 40, direction: 'backward' }, [source], where))).toEqual(
          expected,
        );
      }
    }
  }
});

test('a metadata needle that no block has reads no line', async () => {
  const rows = Array.from({ length: 50 }, (_, i): TestRow => ({
    labels: api,
    ts: BigInt(i),
    line: 'x',
    metadata: { trace_id: `t${i}` },
  }));
  const result = await runLog({ expr: '{app="api"} | trace_id="none"' }, [bytesSource(rows)]);
  expect(result.timestampNs).toHaveLength(0);
  expect(result.stats.lineBytes).toBe(0);
});

test('a shard covers the streams whose hash is its own, and all shards cover all', async () => {
  const rows = Array.from({ length: 40 }, (_, i): TestRow => ({
    labels: { app: `s${i}` },
    ts: BigInt(i),
    line: `${i}`,
  }));
  const source = bytesSource(rows);
  const found: string[] = [];
  for (let index = 0; index < 4; index++) {
    const request = {
      kind: 'log' as const,
      tenant,
      expr: '{app=~".+"}',
      startNs: 0n,
      endNs: 99n,
      direction: 'forward' as const,
      limit: 0,
      shard: { index, of: 4 },
    };
    const result = await runLeaf(request, [source]);
    if (result.kind === 'log') found.push(...plainRows(result).map((row) => row.line));
  }
  expect(found.map(Number).sort((a, b) => a - b)).toEqual(rows.map((_, i) => i));
});
