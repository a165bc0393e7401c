/**
 * Protects answers from search filters: with and without them, a query gives the same lines, for all lines
 * and needles. And it protects what they are for: blocks are ruled out, and a dry run says which.
 */
import fc from 'fast-check';
import { LokiError } from '@loki/model';
import type { LeafRequest, LeafStats } from '@loki/ports';
import { FilterProbe, mergeSegments } from '@loki/segment';
import { ImpliedLineFilter } from '../pipeline/implied-line-filter.ts';
import { plainRows, runLeaf, runLog, segmentOf, tenant, testEnv } from './blocks.ts';
import type { TestRow } from './blocks.ts';

const blockBytes = 5000;
type MergeOptions = Parameters<typeof mergeSegments>[1];

/** The rows in blocks of 5 KB, each with a search filter unless `buildFilter` says otherwise. */
function stored(rows: readonly TestRow[], buildFilter?: MergeOptions['buildFilter']) {
  const options: MergeOptions = { kind: 'flushed', blockBytes, buildFilter };
  const { bytes } = mergeSegments([{ bytes: segmentOf(rows) }], options);
  return testEnv(new Map([['k', bytes]]));
}

const withoutFilter = () => undefined;

const word = fc.oneof(
  fc.constantFrom(
    'timeout',
    'Deadlock',
    'Größe',
    'żółw',
    '日本語',
    '🐢',
    'ſtraſſe',
    'K',
    'a',
    '10.1.2.3',
    '=',
    '"',
  ),
  fc.stringMatching(/^[0-9a-f]{8,32}$/),
  fc.stringMatching(/^[A-Za-z]{2,12}$/),
  fc.stringMatching(/^[A-Za-z0-9_.:@ -]{8,20}$/),
  fc.string({ maxLength: 10 }),
);
const text = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(' '));
/** A field as agents write it: also with escapes that need not be. */
const jsonText = (value: string, isEscaped: boolean) =>
  isEscaped
    ? `"${value.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
    : JSON.stringify(value);

interface Sample {
  readonly text: string;
  readonly line: string;
  readonly metadata: Record<string, string>;
}

const sample: fc.Arbitrary<Sample> = fc
  .record({
    text,
    form: fc.constantFrom('plain', 'json', 'escaped', 'logfmt', 'coloured', 'packed', 'broken'),
    trace: fc.stringMatching(/^[0-9a-f]{16}$/),
    hasTrace: fc.boolean(),
  })
  .map(({ text: value, form, trace, hasTrace }) => ({
    text: value,
    metadata: hasTrace ? { trace_id: trace } : ({} as Record<string, string>),
    line: {
      plain: `at start ${value} at end`,
      json: `{"n":1,"msg":${jsonText(value, false)},"inner":{"msg":${jsonText(trace, false)}}}`,
      escaped: `{"msg":${jsonText(value, true)}}`,
      logfmt: `level=info msg=${JSON.stringify(value)} trace=${trace}`,
      coloured: `\u001b[31m${value.slice(0, 3)}\u001b[0m${value.slice(3)}`,
      packed: `{"_entry":${jsonText(`inner ${value}`, false)},"trace":"${trace}"}`,
      broken: `{"msg":${jsonText(value, false)}, oops`,
    }[form],
  }));

/** Each sample among lines enough for a block of its own, of another pod. */
function rowsOf(samples: readonly Sample[], streamLabels: Record<string, string> = {}): TestRow[] {
  return samples.flatMap(({ line, metadata }, i) =>
    Array.from({ length: 66 }, (_, j): TestRow => ({
      labels: { app: 'a', pod: `p${i}`, ...(i % 3 === 2 ? streamLabels : {}) },
      ts: BigInt(1 + i * 100 + j),
      line: j === 33 ? line : `{"filler":"${'.'.repeat(60)}${j}"}`,
      ...(j === 33 ? { metadata } : {}),
    })),
  );
}

const quoted = (value: string) => JSON.stringify(value.toWellFormed());
const escapedRegex = (value: string) => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const swapCase = (value: string) =>
  value.replace(/[A-Za-z]/g, (char) => (char < 'a' ? char.toLowerCase() : char.toUpperCase()));

/** Pipelines that ask for a text, in the ways that people do; `other` is a text of another line. */
const pipelines: readonly ((part: string, other: string) => string)[] = [
  (part) => `|= ${quoted(part)}`,
  (part, other) => `|= ${quoted(part)} or ${quoted(other)}`,
  (part, other) => `|= ${quoted(part)} != ${quoted(other)}`,
  (part) => `|~ ${quoted(escapedRegex(part))}`,
  (part) => `|~ ${quoted(`(?i)${escapedRegex(swapCase(part))}`)}`,
  (part, other) => `|~ ${quoted(`(${escapedRegex(part)}|${escapedRegex(other)}) ?.*`)}`,
  (part) => `|~ ${quoted(`^.*${escapedRegex(part)}?[a-z]*`)}`,
  (part) => `|> ${quoted(`<_>${part}<_>`)}`,
  (part) => `| json | msg=${quoted(part)}`,
  (part) => `| json | inner_msg=${quoted(part)} or msg=${quoted(part)}`,
  (part) => `| json m="msg" | m=${quoted(part)}`,
  (part) => `| json | msg=~${quoted(`.*${escapedRegex(part)}.*`)}`,
  (part) => `| json | msg=~${quoted(`(?i)${escapedRegex(swapCase(part))}`)}`,
  (part) => `| logfmt | msg=${quoted(part)} and level="info"`,
  (part) => `| logfmt | trace=~${quoted(`${escapedRegex(part)}|x`)}`,
  (part) => `| regexp "at start (?P<msg>.*) at end" | msg=${quoted(part)}`,
  (part) => `| pattern "at start <msg> at end" | msg=${quoted(part)}`,
  (part) => `| unpack | trace=${quoted(part)}`,
  (part) => `| unpack |= ${quoted(part)}`,
  (part) => `| decolorize |= ${quoted(part)}`,
  (part) => `| decolorize | regexp "(?P<all>.*)" | all=${quoted(part)}`,
  (part) => `| line_format "{{.pod}} ${'x'}" |= ${quoted(part)}`,
  (part) => `| json | label_format msg=pod | msg=${quoted(part)}`,
  (part) => `| json | line_format "{{.msg}}" |= ${quoted(part)}`,
  (part) => `| trace_id=${quoted(part)}`,
  (part) => `| json | trace_id=${quoted(part)}`,
  (part) => `| json | msg_extracted=${quoted(part)}`,
  (part) => `| msg=${quoted(part)}`,
  (part) => `| json | msg!=${quoted(part)}`,
  (part) => `| json | msg=${quoted(part)} or n>0`,
  (part) => `| json | __error__="JSONParserErr" |= ${quoted(part)}`,
];

const question = fc.record({
  pipeline: fc.constantFrom(...pipelines),
  ofRow: fc.nat(),
  source: fc.constantFrom('text', 'line', 'trace', 'inner'),
  from: fc.nat(40),
  size: fc.nat(40),
  isWhole: fc.boolean(),
});

const cases = fc.tuple(
  fc.array(sample, { minLength: 3, maxLength: 6 }),
  fc.array(question, { minLength: 6, maxLength: 12 }),
);

let ruledOut = 0;

/** A query that is refused is so for its text. */
async function answer(expr: string, env: ReturnType<typeof stored>): Promise<unknown> {
  try {
    const result = await runLog({ expr }, [{ kind: 'object', key: 'k' }], env);
    ruledOut += result.stats.blocksRuledOut;
    return plainRows(result);
  } catch (error) {
    if (error instanceof LokiError && error.code === 'badRequest') return error.message;
    throw error;
  }
}

/** Fails where filters change an answer. */
async function compare(
  samples: readonly Sample[],
  questions: readonly (typeof question extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<void> {
  const rows = rowsOf(samples, samples.length % 3 === 0 ? { msg: 'of the stream' } : {});
  const [filtered, plain] = [stored(rows), stored(rows, withoutFilter)];
  for (const { pipeline, ofRow, source, from, size, isWhole } of questions) {
    const row = samples[ofRow % samples.length];
    const trace = row.metadata['trace_id'] ?? /[0-9a-f]{16}/.exec(row.line)?.[0] ?? 'no trace';
    const whole = { text: row.text, line: row.line, trace, inner: trace }[source];
    const part = isWhole ? whole : whole.slice(from, from + size);
    const expr = `{app="a"} ${pipeline(part, samples[0].text)}`;
    const all = jest.spyOn(ImpliedLineFilter.prototype, 'select').mockImplementation(() => undefined);
    const wanted = await answer(expr, plain);
    all.mockRestore();
    for (const env of [plain, filtered]) {
      expect({ expr, rows: await answer(expr, env) }).toEqual({ expr, rows: wanted });
    }
  }
}

test('the same lines with and without filters', async () => {
  ruledOut = 0;
  await fc.assert(
    fc.asyncProperty(cases, ([samples, questions]) => compare(samples, questions)),
    { numRuns: 60 },
  );
  expect(ruledOut).toBeGreaterThan(200);
});

test('a filter that misses some of its marks is found by these comparisons', async () => {
  const mayContain = Object.getOwnPropertyDescriptor(FilterProbe.prototype, 'mayContain')!
    .value as FilterProbe['mayContain'];
  const forgetful = jest.spyOn(FilterProbe.prototype, 'mayContain').mockImplementation(function (
    this: FilterProbe,
    needle,
  ) {
    return mayContain.call(this, needle) && needle.places.every((place) => place % 8 !== 7);
  });
  const outcome = await fc.check(
    fc.asyncProperty(cases, ([samples, questions]) => compare(samples, questions)),
    { numRuns: 60, endOnFailure: true },
  );
  forgetful.mockRestore();
  expect(outcome.failed).toBe(true);
});

// ---- stories

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const story = rowsOf(
  Array.from({ length: 8 }, (_, i) => ({
    text: '',
    line: i === 5 ? `{"msg":"deadlock in pool","trace_id":"${trace}"}` : `{"msg":"all is well ${i}"}`,
    metadata: { user: `user-${i}` },
  })),
);

/** Blocks of the story; each line that matters is in one of them. */
const blockCount = async () =>
  (await statsOf('{app="a"}', { isDryRun: true, limit: 0 } as Partial<LeafRequest>)).blocksMatched;

async function statsOf(expr: string, more: Partial<LeafRequest> = {}): Promise<LeafStats> {
  const request = {
    kind: 'log',
    tenant,
    expr,
    startNs: 0n,
    endNs: 10_000n,
    direction: 'backward',
    limit: 100,
  };
  const leaf = { ...request, ...more } as LeafRequest;
  return (await runLeaf(leaf, [{ kind: 'object', key: 'k' }], stored(story))).stats;
}

test.each([
  `{app="a"} |= "${trace}"`,
  `{app="a"} |= "${trace.slice(3, 17)}"`,
  '{app="a"} |= "DEADLOCK" or "deadlock in"',
  '{app="a"} |~ "deadl[ao]ck in pool"',
  '{app="a"} |~ "(?i)DEADLOCK|segfault"',
  '{app="a"} |> "<_>deadlock in<_>"',
  `{app="a"} | json | trace_id="${trace}"`,
  `{app="a"} | json | line_format "{{.msg}}" | trace_id=~"${trace}|none"`,
  '{app="a"} | json | msg=~"deadlock.*"',
  '{app="a"} | user="user-5"',
  '{app="a"} | json | user="user-5"',
])('%s reads one block of many, as a dry run says', async (expr) => {
  const blocksRuledOut = (await blockCount()) - 1;
  for (const limit of [100, 0]) {
    const stats = await statsOf(expr, { limit } as Partial<LeafRequest>);
    expect(stats).toMatchObject({ blocksRuledOut, blocksSkipped: blocksRuledOut, blocksMatched: 1 });
    expect(stats.linesProcessed).toBeLessThanOrEqual(66);
    const dry = await statsOf(expr, { limit, isDryRun: true } as Partial<LeafRequest>);
    expect(dry).toMatchObject({ blocksRuledOut, blocksMatched: 1 });
  }
});

test.each([
  '{app="a"} != "deadlock in pool"',
  '{app="a"} |= "filler"',
  '{app="a"} | json | msg!="deadlock in pool"',
  '{app="a"} | json | msg="" ',
  '{app="a"} | json | msg=~".*"',
  '{app="a"} | line_format "{{.pod}} deadlock in pool" |= "deadlock in pool"',
  '{app="a"} | json | label_format user="user-5" | user="user-5"',
  '{app="a"} |= "x" or "deadlock in pool"',
])('%s rules nothing out', async (expr) => {
  const stats = await statsOf(expr, { limit: 0 } as Partial<LeafRequest>);
  expect(stats).toMatchObject({ blocksRuledOut: 0, blocksMatched: await blockCount() });
});

test('metric queries count the same rows where a filter on a label is searched for in lines', async () => {
  const rows = Array.from({ length: 40 }, (_, i): TestRow => {
    const kind = i % 5;
    return {
      labels: kind === 4 ? { app: 'a', user: 'user-1' } : { app: 'a' },
      ts: BigInt(i + 1),
      line: [`{"user":"user-1"}`, `{"user":"\\u0075ser-1"}`, `{"user":"user-2"}`, '{}', '{"user":"other"}'][
        kind
      ],
      ...(kind === 3 ? { metadata: { user: i % 2 === 0 ? 'user-1' : 'user-2' } } : {}),
    };
  });
  const request = { kind: 'samples', tenant, startNs: 99n, endNs: 99n, stepNs: 0n, seriesMax: 0 } as const;
  const count = async (some: readonly TestRow[]) => {
    const expr = 'sum(count_over_time({app="a"} | json | user="user-1" [1h]))';
    return (await runLeaf({ ...request, expr }, [{ kind: 'bytes', bytes: segmentOf(some) }])).stats
      .linesMatched;
  };
  const ofKinds = (kinds: number) => rows.filter((_, i) => i % 5 < kinds);
  expect(await count(ofKinds(3))).toBe(8 + 8); // plain and escaped ones
  expect(await count(ofKinds(4))).toBe(8 + 8 + 4); // and one in two of those in metadata
  expect(await count(rows)).toBe(8 + 8 + 4 + 8); // and those of the stream
  expect(await count(rows.filter((_, i) => i % 5 === 2))).toBe(0);
});

test('a metric query skips the same blocks', async () => {
  const more = {
    kind: 'samples',
    startNs: 9999n,
    endNs: 9999n,
    stepNs: 0n,
    seriesMax: 0,
  } as Partial<LeafRequest>;
  const blocksRuledOut = (await blockCount()) - 1;
  const expr = `sum(count_over_time({app="a"} |= "${trace}" [1h]))`;
  const stats = await statsOf(expr, more);
  expect(stats).toMatchObject({ blocksRuledOut, blocksMatched: 1, linesMatched: 1 });
  expect(await statsOf(expr, { ...more, isDryRun: true })).toMatchObject({
    blocksRuledOut,
    blocksMatched: 1,
  });
});

test('a limit that is filled early leaves the filters of further blocks unread', async () => {
  const many = rowsOf(Array.from({ length: 100 }, () => ({ text: '', line: 'x', metadata: {} })));
  const request = { kind: 'log', tenant, expr: '{app="a"} |= "filler"', startNs: 0n, endNs: 100_000n };
  const leaf = { ...request, direction: 'forward', limit: 5 } as LeafRequest;
  const { stats } = await runLeaf(leaf, [{ kind: 'object', key: 'k' }], stored(many));
  expect(stats).toMatchObject({ blocksMatched: 1, blocksRuledOut: 0 });
  expect(stats.blocksSkipped).toBeGreaterThan(90);
});
