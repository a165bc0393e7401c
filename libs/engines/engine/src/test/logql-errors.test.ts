/** Protects which errors of lines fail a metric query, which are counted, and how the failure reads. */
import { instant, logLines, range, stream } from './query.ts';
import type { PlainSample } from './query.ts';

const app = { app: 'a' };

/** Instant queries at 100 s over lines at 1, 2, 3 … s. */
function ask(query: string, lines: readonly string[]) {
  return instant(query, stream(app, lines));
}

const one = (value: number): PlainSample[] => [['', value]];
const a = (value: number): PlainSample[] => [['app=a', value]];

describe('errors of unwrap', () => {
  const unwrapped = (op: string, unwrap = 'n') => `${op}({app="a"} | logfmt | unwrap ${unwrap} [100s])`;
  test.each([
    ['n', 'n=x', 'strconv.ParseFloat: parsing \\"x\\": invalid syntax'],
    ['n', 'n=+nan', 'strconv.ParseFloat: parsing \\"+nan\\": invalid syntax'],
    ['duration(n)', 'n=5', 'time: missing unit in duration \\"5\\"'],
    ['bytes(n)', 'n=5zb', 'unhandled size name: zb'],
  ])(
    'unwrap %s of %s fails the query, whoever asks for errors; the text has the label',
    async (unwrap, line, details) => {
      const error = `pipeline error: 'SampleExtractionErr' for series: '{__error__="SampleExtractionErr", __error_details__="${details}", app="a", ${line.replace('=', '="')}"}'.
Use a label filter to intentionally skip this error. (e.g | __error__!="SampleExtractionErr").
To skip all potential errors you can match empty errors.(e.g __error__="")
The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )
`;
      await expect(ask(unwrapped('sum_over_time', unwrap), [line])).rejects.toMatchObject({
        status: 400,
        message: error,
      });
      expect(await ask(unwrapped('sum_over_time', `${unwrap} | __error__=""`), [line])).toEqual([]);
      const asked = unwrapped('sum_over_time', `${unwrap} | __error__!=""`);
      for (const query of [
        asked,
        `sum by (__error__) (${asked})`,
        `sum by (__error__) (${unwrapped('sum_over_time', unwrap)})`,
        `sum (${asked})`,
      ]) {
        await expect(ask(query, [line])).rejects.toMatchObject({ status: 400, message: error });
      }
    },
  );
});

describe('errors of stages in metrics', () => {
  test.each([
    'count_over_time({app="a"} | line_format "{{ div 1 0 }}" [100s])',
    'sum by (n) (count_over_time({app="a"} | logfmt | line_format "{{ div 1 0 }}" [100s]))',
    'sum_over_time({app="a"} | logfmt | line_format "{{ div 1 0 }}" | m="1" | unwrap m [100s])',
    'count_over_time({app="a"} | logfmt | line_format "{{ div 1 0 }}" | label_format y="{{.n}}" [100s])',
  ])('a line format whose text nobody reads is left out: %s', async (query) => {
    expect(await ask(query, ['n=x m=1'])).toMatchObject([[expect.any(String), 1]]);
  });

  test.each([
    ['count_over_time({app="a"} | json [100s])', 'JSONParserErr'],
    ['sum by (x) (count_over_time({app="a"} | json [100s]))', 'JSONParserErr'],
    ['count_over_time({app="a"} | logfmt | n > 5 [100s])', 'LabelFilterErr'],
    ['count_over_time({app="a"} | logfmt | label_format x="{{ div 1 0 }}" [100s])', 'TemplateFormatErr'],
    ['count_over_time({app="a"} | line_format "{{ div 1 0 }}" |= "x" [100s])', 'TemplateFormatErr'],
    ['count_over_time({app="a"} | line_format "{{ div 1 0 }}" | logfmt [100s])', 'TemplateFormatErr'],
    ['bytes_over_time({app="a"} | line_format "{{ div 1 0 }}" [100s])', 'TemplateFormatErr'],
    [
      'rate({app="a"} | line_format "{{ div 1 0 }}" | label_format y="{{ __line__ }}" [100s])',
      'TemplateFormatErr',
    ],
    // Errors can be asked for under a sum by labels only.
    ['count_over_time({app="a"} | json | __error__!="" [100s])', 'JSONParserErr'],
    ['sum without (x) (count_over_time({app="a"} | json | __error__!="" [100s]))', 'JSONParserErr'],
    ['count(count_over_time({app="a"} | json | __error__!="" [100s]))', 'JSONParserErr'],
    // Under these every label matters, and with it every error.
    ['count(count_over_time({app="a"} | json [100s]))', 'JSONParserErr'],
    // Errors of parsers alone are counted where they are named.
    ['sum by (__error__) (count_over_time({app="a"} | logfmt | n > 5 [100s]))', 'LabelFilterErr'],
    ['sum(count_over_time({app="a"} | logfmt | n > 5 | __error__!="" [100s]))', 'LabelFilterErr'],
    ['sum by (__error__) (rate({app="a"} | label_format x="{{ div 1 0 }}" [100s]))', 'TemplateFormatErr'],
    ['sum by (__error__) (bytes_rate({app="a"} | line_format "{{ div 1 0 }}" [100s]))', 'TemplateFormatErr'],
    ['sum(count_over_time({app="a"} | label_format x="{{ div 1 0 }}" [100s]))', 'TemplateFormatErr'],
    ['count by (__error__) (count_over_time({app="a"} | json [100s]))', 'JSONParserErr'],
    ['max by (n) (max_over_time({app="a"} | logfmt | json | unwrap m [100s]))', 'JSONParserErr'],
  ])('%s fails for %s', async (query, kind) => {
    await expect(ask(query, ['n=x m=1'])).rejects.toThrow(`pipeline error: '${kind}' for series`);
  });

  test.each([
    ['| json', ''],
    ['| logfmt --strict', ''],
    ['| unpack', ''],
    ['| logfmt | n > 5', ''],
    ['| label_format x="{{ div 1 0 }}"', ''],
    ['| json | __error__!=""', ''],
    ['| logfmt', '| unwrap n'],
    ['| json | logfmt', '| unwrap m'],
  ])('a row that fails is there: absent_over_time over %s %s', async (stages, unwrap) => {
    const absent = (filter: string) => `absent_over_time({app="a"} ${stages} ${filter} ${unwrap} [100s])`;
    for (const query of [absent(''), `sum by (__error__) (${absent('')})`, `count(${absent('')})`]) {
      expect(await ask(query, ['n=x m=1 "'])).toEqual([]);
    }
    expect(await ask(absent('!= "m"'), ['n=x m=1 "'])).toEqual(a(1));
  });

  test('absence is of lines, as a log query finds them', async () => {
    // The address filter keeps what carries an error, and the error stands behind the label.
    const lines = ['{"ip":"11.0.0.1","x":'];
    const pipeline = '{app="a"} | json | ip = ip("10.0.0.0/8")';
    expect(await logLines(pipeline, stream(app, lines))).toHaveLength(1);
    expect(await ask(`absent_over_time(${pipeline} [100s])`, lines)).toEqual([]);
    expect(await ask(`absent_over_time(${pipeline} [100s])`, ['{"ip":"11.0.0.1"}'])).toEqual(a(1));
  });

  test('an unpack that nobody reads the line of is left out where no label is needed', async () => {
    const lines = ['{"_entry":"e","x":"1"}', 'bad'];
    const bytes = 'bytes_over_time({app="a"} | unpack';
    expect(await ask(`sum(${bytes} [100s]))`, lines)).toEqual(one(25));
    expect(await ask(`sum(${bytes} | drop __error__ [100s]))`, lines)).toEqual(one(25));
    expect(await ask(`sum(${bytes} |= "e" [100s]))`, lines)).toEqual(one(1));
    expect(await ask(`sum(${bytes} | label_format x="{{ __line__ }}" [100s]))`, lines)).toEqual(one(4));
    expect(await ask(`sum by (x) (${bytes} | __error__="" [100s]))`, lines)).toEqual([['x=1', 1]]);
    expect(await ask('sum(count_over_time({app="a"} | unpack != "x" [100s]))', lines)).toEqual(one(2));
  });

  test('the error names all labels, metadata that the query does not need too', async () => {
    const row = { labels: app, ts: 5_000_000_000n, line: 'y=x', metadata: { trace: 't', y: 'm', z: '1' } };
    const text = async (query: string) => {
      const error = await instant(query, [row]).catch((thrown: Error) => thrown);
      return /for series: '(.*)'/.exec((error as Error).message)?.[1];
    };
    const json = '__error__="JSONParserErr", __error_details__="Value looks like object, but can\'t find closing \'}\' symbol", app="a"'; // prettier-ignore
    expect(await text('sum by (z) (count_over_time({app="a"} | json [100s]))')).toBe(
      `{${json}, trace="t", y="m", z="1"}`,
    );
    expect(await text('sum by (z) (count_over_time({app="a"} | json | drop trace, z [100s]))')).toBe(
      `{${json}, y="m"}`,
    );
    expect(await text('sum(sum_over_time({app="a"} | logfmt | unwrap y_extracted [100s]))')).toContain(
      'app="a", trace="t", y="m", y_extracted="x", z="1"}',
    );
    expect(await text('sum(sum_over_time({app="a"} | unwrap y [100s]))')).toContain(
      'app="a", trace="t", y="m", z="1"}',
    );
  });

  test('only rows in some window fail a query', async () => {
    const rows = [...stream(app, ['bad'], 5), ...stream(app, ['{"x":"1"}'], 10), ...stream(app, ['bad'], 15)];
    const query = 'count_over_time({app="a"} | json [2s])';
    expect(await range(query, rows, [10, 20, 10])).toEqual({ 'app=a,x=1': [[10, 1]] });
    await expect(range(query, rows, [10, 20, 5])).rejects.toThrow("pipeline error: 'JSONParserErr'");
  });

  test('a field called __error__ fails what groups by it, or by all', async () => {
    const lines = ['bad', '{"__error__":"mine"}', '{}'];
    for (const query of [
      'sum by (__error__) (count_over_time({app="a"} | json [100s]))',
      'count_over_time({app="a"} | json | __error__="" [100s])',
    ]) {
      await expect(ask(query, lines)).rejects.toThrow("pipeline error: 'mine' for series");
    }
    expect(await ask('sum(count_over_time({app="a"} | json | __error__="" [100s]))', lines)).toEqual(one(2));
  });

  test.each<[string, PlainSample[]]>([
    // The query does not need the parser's labels.
    ['sum(count_over_time({app="a"} | json [100s]))', one(2)],
    [
      'sum by (__error__) (count_over_time({app="a"} | json | __error__=~".+" [100s]))',
      [['__error__=JSONParserErr', 1]],
    ],
    ['sum(count_over_time({app="a"} | json | __error__!="JSONParserErr" [100s]))', one(1)],
    // A query that names errors counts them, wherever the name stands.
    [
      'sum by (__error__) (count_over_time({app="a"} | json [100s]))',
      [
        ['', 1],
        ['__error__=JSONParserErr', 1],
      ],
    ],
    ['sum(count_over_time({app="a"} | __error__="" | json [100s]))', one(2)],
    [
      'sum by (__error_details__) (count_over_time({app="a"} | unpack | __error__!="" [100s]))',
      [['__error_details__=expecting json object(6), but it is not', 1]],
    ],
    ['count_over_time({app="a"} | json | drop __error__, __error_details__ [100s])', a(2)],
  ])('%s', async (query, expected) => expect(await ask(query, ['bad', '{}'])).toEqual(expected));
});
