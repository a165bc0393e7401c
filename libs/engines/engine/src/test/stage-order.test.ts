/**
 * Protects what stages make of each other's work: errors, dropped and renamed labels, names extracted twice,
 * colours.
 */
import type { TestRow } from './blocks.ts';
import { instant, logLines, stream } from './query.ts';
import type { PlainSample } from './query.ts';

const app = { app: 'a' };
const second = 1_000_000_000n;

/** Rows that a pipeline keeps, by their number, and that a count over the same pipeline counts. */
async function rowsOf(pipeline: string, lines: readonly string[]): Promise<number[]> {
  const rows = stream(app, lines);
  const found = await logLines(`{app="a"} ${pipeline}`, rows);
  const counted = `count_over_time({app="a"} ${pipeline} | drop __error__, __error_details__ [1h])`;
  expect(await instant(`sum(${counted})`, rows)).toEqual(found.length === 0 ? [] : [['', found.length]]);
  // The leaf's parsers look for all labels, as nothing is grouped by name.
  const whole = (await instant(counted, rows)) as PlainSample[];
  expect(whole.reduce((sum, [, count]) => sum + count, 0)).toBe(found.length);
  return found.map(({ line }) => lines.indexOf(line));
}

async function labelsOf(
  stages: string,
  row: Omit<TestRow, 'ts'>,
): Promise<Record<string, string> | undefined> {
  const [found] = await logLines(`{app="a"} ${stages}`, [{ ...row, ts: second }]);
  return found && { ...found.stream, ...found.labels };
}

describe('a typed filter decides on its label, whatever went wrong before', () => {
  const small = 'n=1 d=1s s=1KB ip=11.0.0.1';
  const large = 'n=9 d=1m s=1MB ip=10.0.0.1';
  const asJson = (line: string) =>
    JSON.stringify(Object.fromEntries(line.split(' ').map((pair) => pair.split('='))));
  const lines = [small, large, asJson(small), asJson(large), 'x=1'];

  test.each([
    ['n > 5', [1, 3]],
    ['n >= 9', [1, 3]],
    ['n == 9', [1, 3]],
    ['n != 9', [0, 2]],
    ['n < 5', [0, 2]],
    ['n <= 1', [0, 2]],
    ['d > 10s', [1, 3]],
    ['d != 1m', [0, 2]],
    ['s >= 1MB', [1, 3]],
    ['s < 1MB', [0, 2]],
    ['n > 5 and d > 10s', [1, 3]],
    ['n > 5, s < 1MB', []],
    ['n > 5 or d < 10s', [0, 1, 2, 3]],
    ['(n > 5 or nosuch > 1) and s > 1KB', [1, 3]],
    ['nosuch > 1', []],
    ['n > 5 and __error__ = ""', [3]],
    ['n > 5 and __error__ != ""', [1]],
    // An address is not looked at on a line with an error, be it there or not.
    ['ip = ip("10.0.0.0/8")', [0, 1, 3, 4]],
    ['ip != ip("10.0.0.0/8")', [0, 1, 2, 4]],
    ['nosuch = ip("10.0.0.0/8")', [0, 1, 4]],
    ['n > 5 and ip = ip("10.0.0.0/8")', [1, 3]],
  ])('| json | logfmt | %s', async (filter, rows) => {
    expect(await rowsOf(`| json | logfmt | ${filter}`, lines)).toEqual(rows);
  });

  test.each([
    ['unpack', '| unpack | logfmt | n > 5'],
    ['a path of json', '| json n="n" | logfmt | n > 5'],
    ['a regular expression', '| json | regexp `n=(?P<n>\\d+)` | n > 5'],
    ['a pattern', '| json | pattern `n=<n> <_>` | n > 5'],
    ['a template', '| logfmt | label_format z="{{ div 1 0 }}" | n > 5'],
    ['strictness', '| regexp `n=(?P<n>\\d+)` | line_format "n=1 =" | logfmt --strict | n > 5'],
    ['another filter', '| logfmt | ip > 5 | n > 5'],
    ['another unit', '| logfmt | ip > 5s | d > 10s'],
  ])('the error of %s', async (_, pipeline) => {
    const found = await logLines(`{app="a"} ${pipeline}`, stream(app, [small, large]));
    expect(found).toHaveLength(1);
    expect(found[0].labels).toMatchObject({ __error__: expect.any(String) as string });
    expect(await rowsOf(pipeline, [small, large])).toHaveLength(1);
  });

  test('the first error stands', async () => {
    const errors = async (stages: string, line: string) =>
      (await labelsOf(stages, { labels: app, line }))?.__error__;
    expect(await errors('| json | logfmt | n > 5', 'n=x')).toBe('JSONParserErr');
    expect(await errors('| logfmt | n > 5 | m > 5s', 'n=x m=y')).toBe('LabelFilterErr');
  });
});

describe('logfmt keeps a quoted value that has an escape and a control character', () => {
  test.each([
    ['a newline', 'a="x\\"y\nz" b=1', 'x"y\nz'],
    ['a tab', 'a="x\\\\y\tz" b=1', 'x\\y\tz'],
    ['a carriage return', 'a="q\\"\r" b=1', 'q"\r'],
    ['a NUL', 'a="\\"\0\\"" b=1', '"\0"'],
    ['colours', 'a="\\n\u001b[31mred\u001b[0m" b=1', '\n\u001b[31mred\u001b[0m'],
    ['an escape of four digits', 'a="\\u0041\nB" b=1', 'A\nB'],
    ['a newline before the escape', 'a="\n\\t" b=1', '\n\t'],
    ['DEL', 'a="\\t\u007f" b=1', '\t\u007f'],
  ])('%s', async (_, line, a) => {
    for (const stage of ['logfmt', 'logfmt --strict', 'logfmt --keep-empty', 'logfmt a, b']) {
      expect(await labelsOf(`| ${stage}`, { labels: app, line })).toEqual({ ...app, a, b: '1' });
    }
    expect(await labelsOf('| logfmt c="a"', { labels: app, line })).toEqual({ ...app, c: a });
    expect(await rowsOf('| logfmt | a!=""', [line])).toEqual([0]);
  });

  test('an escape that is none is still a bad pair', async () => {
    expect(await labelsOf('| logfmt', { labels: app, line: 'a="\\x\n" b=1' })).toEqual({ ...app, b: '1' });
  });
});

describe('dropped metadata is not in the way of a parser', () => {
  const row = { labels: { app: 'a', pod: 'p' }, metadata: { trace: 'meta', user: 'u' } };
  const stages = [
    ['logfmt', 'trace=parsed pod=pp', { trace: 'parsed', pod_extracted: 'pp' }],
    ['json', '{"trace":"parsed","pod":"pp"}', { trace: 'parsed', pod_extracted: 'pp' }],
    ['unpack', '{"trace":"parsed","pod":"pp","_entry":"x"}', { trace: 'parsed', pod_extracted: 'pp' }],
    ['regexp `(?P<trace>\\w+)`', 'parsed', { trace: 'parsed' }],
    ['pattern `<trace> <_>`', 'parsed x', { trace: 'parsed' }],
    ['logfmt trace', 'trace=parsed', { trace: 'parsed' }],
    ['logfmt trace', 'x=1', { trace: '' }],
    ['json trace="a.b"', '{"a":{"b":"parsed"}}', { trace: 'parsed' }],
    ['json trace="a.b"', '{}', { trace: '' }],
  ] as const;

  test.each(stages)('| drop, keep, rename | %s', async (parser, line, parsed) => {
    const labels = { app: 'a', pod: 'p', user: 'u' };
    expect(await labelsOf(`| drop trace | ${parser}`, { ...row, line })).toEqual({ ...labels, ...parsed });
    expect(await labelsOf(`| drop trace="meta" | ${parser}`, { ...row, line })).toEqual({
      ...labels,
      ...parsed,
    });
    expect(await labelsOf(`| keep app | ${parser}`, { ...row, line })).toEqual({ app: 'a', ...parsed });
    expect(await labelsOf(`| label_format t2=trace | ${parser}`, { ...row, line })).toEqual({
      ...labels,
      ...parsed,
      t2: 'meta',
    });
  });

  test('metadata that a stage keeps is still in the way of a parser', async () => {
    const line = 'trace=parsed';
    const labels = { app: 'a', pod: 'p', user: 'u', trace: 'meta', trace_extracted: 'parsed' };
    expect(await labelsOf('| drop trace="other" | logfmt', { ...row, line })).toEqual(labels);
    expect(await labelsOf('| drop pod | logfmt', { ...row, line })).toEqual({ ...labels, pod: undefined });
    expect(await labelsOf('| logfmt | drop trace | logfmt', { ...row, line })).toEqual({
      ...labels,
      trace: 'parsed',
    });
  });

  test('a label of the stream stays in the way even when it is dropped', async () => {
    const line = 'app=parsed pod=parsed';
    const parsed = { app_extracted: 'parsed', pod_extracted: 'parsed' };
    expect(await labelsOf('| drop app, pod, trace, user | logfmt', { ...row, line })).toEqual(parsed);
    expect(await labelsOf('| keep nothing | logfmt', { ...row, line })).toEqual(parsed);
    expect(await labelsOf('| label_format x=app | drop trace, user | logfmt', { ...row, line })).toEqual({
      ...parsed,
      x: 'a',
      pod: 'p',
    });
  });

  test('a label that a format put in its place keeps its value', async () => {
    expect(await labelsOf('| label_format trace="new" | logfmt', { ...row, line: 'trace=parsed' })).toEqual({
      app: 'a',
      pod: 'p',
      user: 'u',
      trace: 'new',
    });
  });

  test('filters see the parsed label, in log and metric queries', async () => {
    const rows = [{ ...row, line: 'trace=parsed', ts: second }];
    for (const stage of ['drop trace', 'keep app', 'label_format t2=trace']) {
      const log = `{app="a"} | ${stage} | logfmt | trace="parsed"`;
      expect(await logLines(log, rows)).toHaveLength(1);
      expect(await instant(`sum(count_over_time(${log}[1h]))`, rows)).toEqual([['', 1]]);
      expect(await instant(`max by (app) (count_over_time(${log}[1h]))`, rows)).toEqual([['app=a', 1]]);
    }
  });

  test('a group by name leaves out what was dropped, unless a format made it again', async () => {
    const rows = [{ ...row, line: 'trace=parsed n=2', ts: second }];
    const counted = (stages: string) => `sum by (trace) (count_over_time({app="a"} | ${stages} [1h]))`;
    expect(await instant(counted('drop trace | logfmt'), rows)).toEqual([['', 1]]);
    expect(await instant(counted('keep app | logfmt'), rows)).toEqual([['', 1]]);
    expect(await instant(counted('label_format t2=trace | logfmt'), rows)).toEqual([['', 1]]);
    expect(await instant(counted('drop trace | label_format trace="new"'), rows)).toEqual([['trace=new', 1]]);
    expect(await instant(counted('logfmt'), rows)).toEqual([['trace=meta', 1]]);
    expect(
      await instant('max_over_time({app="a"} | drop trace | logfmt | unwrap n [1h]) by (trace)', rows),
    ).toEqual([['', 2]]);
    expect(await instant('count_over_time({app="a"} | keep app | logfmt trace [1h])', rows)).toEqual([
      ['app=a,trace=parsed', 1],
    ]);
  });
});

describe('of extractions by path of one label the last wins', () => {
  test.each([
    ['| logfmt x="a", x="b"', 'a=1 b=2', { x: '2' }],
    ['| logfmt x="a", x="b"', 'b=2 a=1', { x: '2' }],
    ['| logfmt x="a", x="b"', 'a=1', { x: '1' }],
    ['| logfmt x="a", x="b"', 'c=1', { x: '' }],
    ['| logfmt x="a"', 'a=1 a=2', { x: '1' }],
    ['| logfmt x="a" | logfmt x="b"', 'a=1 b=2', { x: '2' }],
    ['| logfmt x="a" | logfmt x="nosuch"', 'a=1 b=2', { x: '1' }],
    ['| json x="a" | json x="b"', '{"a":1,"b":2}', { x: '2' }],
    ['| json x="a", x="b"', '{"b":2,"a":1}', { x: '2' }],
    ['| json x="a" | json x="nosuch"', '{"a":1,"b":2}', { x: '1' }],
    ['| label_format x="0" | json x="b"', '{"a":1,"b":2}', { x: '2' }],
    ['| label_format x="0" | logfmt x="b"', 'b=2', { x: '2' }],
    ['| label_format x="0" | logfmt x="nosuch"', 'b=2', { x: '0' }],
    ['| logfmt | logfmt a="b"', 'a=1 b=2', { a: '2', b: '2' }],
    ['| regexp `(?P<x>\\d)` | logfmt x="b"', 'a=1 b=2', { x: '2' }],
    ['| logfmt app="a", app="b"', 'a=1 b=2', { app_extracted: '2' }],
    ['| json x="a" | drop x | json x="b"', '{"a":1,"b":2}', { x: '2' }],
    // Parsers of whole lines leave a label that is there already.
    ['| logfmt a="b" | logfmt', 'a=1 b=2', { a: '2', b: '2' }],
    ['| json a="b" | json', '{"a":1,"b":2}', { a: '2', b: '2' }],
    ['| label_format a="0" | logfmt', 'a=1', { a: '0' }],
    ['| regexp `a=(?P<x>\\d)` | regexp `b=(?P<x>\\d)`', 'a=1 b=2', { x: '1' }],
  ])('%s of %s', async (stages, line, expected) => {
    expect(await labelsOf(stages, { labels: app, line })).toEqual({ ...app, ...expected });
    // A group by the label sees the same.
    const [[name, value]] = Object.entries(expected);
    expect(
      await instant(`sum by (${name}) (count_over_time({app="a"} ${stages} [1h]))`, stream(app, [line])),
    ).toEqual([[value === '' ? '' : `${name}=${value}`, 1]]);
  });
});

describe('a path of json that leads to what is no value', () => {
  const error = (__error_details__: string) => ({ x: '', __error__: 'JSONParserErr', __error_details__ });

  test.each([
    ['{"a":}', error('Unknown value type')],
    ['{"a":oops,"b":1}', error('Unknown value type')],
    ['{"a":"open', error(`Value is string, but can't find closing '"' symbol`)],
    ['{"a":{"b":1', error(`Value looks like object, but can't find closing '}' symbol`)],
    ['{"a":[1', error("Value is array, but can't find closing ']' symbol")],
    ['{"a":', error('Malformed JSON error')],
    // The mistake is elsewhere, or there is no such path.
    ['{"b":}', { x: '' }],
    ['{"a":1', { x: '1' }],
    ["{'a':1}", { x: '' }],
    ['{"a":null}', { x: '' }],
    ['[1]', { x: '' }],
  ])('%s', async (line, expected) => {
    expect(await labelsOf('| json x="a"', { labels: app, line })).toEqual({ ...app, ...expected });
  });

  test('the details of an earlier error stay where there are no new ones', async () => {
    expect(await labelsOf('| json | json x="a"', { labels: app, line: 'none' })).toEqual({
      ...app,
      __error__: 'JSONParserErr',
      __error_details__: `Value looks like object, but can't find closing '}' symbol`,
    });
  });

  test('unpack finds it wherever it is', async () => {
    expect(await labelsOf('| unpack', { labels: app, line: '{"_entry":"x","a":}' })).toEqual({
      ...app,
      __error__: 'JSONParserErr',
      __error_details__: 'Unknown value type',
    });
  });
});

test('filters behind decolorize look at the line with its colours, those before it too', async () => {
  const lines = ['\u001b[31mred\u001b[0m plain', 'red plain'];
  expect(await rowsOfText('| decolorize |= "red plain"', lines)).toEqual(['red plain']);
  expect(await rowsOfText('| decolorize |= "\u001b"', lines)).toEqual(['red plain']);
  expect(await rowsOfText('|= "\u001b" | decolorize != "plain red"', lines)).toEqual(['red plain']);
  expect(await rowsOfText('| decolorize | logfmt |~ "red.* plain"', lines)).toEqual([
    'red plain',
    'red plain',
  ]);
  // The line that a format made is the one that filters see.
  expect(await rowsOfText('| decolorize | line_format "{{__line__}}" |= "red plain"', lines)).toHaveLength(2);
  expect(await rowsOfText('| line_format "{{__line__}}!" | decolorize |= "red plain!"', lines)).toEqual([
    'red plain!',
  ]);
});

async function rowsOfText(pipeline: string, lines: readonly string[]): Promise<string[]> {
  return (await logLines(`{app="a"} ${pipeline}`, stream(app, lines))).map(({ line }) => line);
}
