/**
 * Protects the meaning of the language, statement by statement: selectors, filters, parsers, formats over
 * lines.
 */
import { runLog } from './blocks.ts';
import { instant, logLines, stream, streamOfBytes } from './query.ts';

const app = { app: 'a' };

/** Which of `lines` a query keeps, after its stages. */
async function kept(query: string, lines: readonly string[]): Promise<string[]> {
  return (await logLines(`{app="a"} ${query}`, stream(app, lines))).map((row) => row.line);
}

/** All labels of a line behind the stages; its own are `app="a"`. */
async function labels(stages: string, line: string): Promise<Record<string, string> | undefined> {
  const [row] = await logLines(`{app="a"} ${stages}`, stream(app, [line]));
  return row && { ...row.stream, ...row.labels };
}

async function printed(template: string, line = 'x'): Promise<string> {
  const [row] = await logLines(`{app="a"} | line_format \`${template}\``, stream(app, [line]));
  return row.line;
}

describe('text of queries', () => {
  test.each([
    ['comments end with the line', '# |= "y"\n |= "x" # and |= "z"', ['x', 'y'], ['x']],
    ['a hash in a string is no comment', '|= "# x"', ['# x', 'x'], ['# x']],
    ['raw strings have no escapes', '|= `\\d`', ['\\d', '1'], ['\\d']],
    ['raw strings span lines', '|= `a\nb`', ['a\nb', 'ab'], ['a\nb']],
    ['escapes of Go', '|= "\\x41\\u0042\\103\\t\\"\\\\"', ['ABC\t"\\', 'ABC'], ['ABC\t"\\']],
    ['bytes that spell a character', '|= "\\xc3\\xa9"', ['é', 'e'], ['é']],
    ['characters beyond the BMP', '|= "\\U0001F600"', ['a😀b', 'ab'], ['a😀b']],
    [
      'keywords in capitals',
      '| LOGFMT | a="1" OR a="2" AND b="3"',
      ['a=1', 'a=2', 'a=2 b=3'],
      ['a=1', 'a=2 b=3'],
    ],
  ])('%s', async (_, query, lines, expected) => expect(await kept(query, lines)).toEqual(expected));
});

describe('line filters', () => {
  test.each([
    [
      '|~ "timeout.*(upstream|provider)"',
      ['timeout: upstream', 'timeout, provider', 'provider timeout'],
      [0, 1],
    ],
    ['|~ "(?i)TIMEOUT.*(UP|PRO)"', ['Timeout in Up', 'time out up', 'tIMEOUT pro'], [0, 2]],
    // A dot is no newline, and ^ and $ are the ends of the text, unless flags say otherwise.
    ['|~ "a.b"', ['a\nb', 'axb', 'a😀b'], [1, 2]],
    ['|~ "(?s)a.b"', ['a\nb', 'axb'], [0, 1]],
    ['|~ "^b$"', ['a\nb', 'b'], [1]],
    ['|~ "(?m)^b$"', ['a\nb', 'b'], [0, 1]],
    ['|~ "[[:alpha:]]{3}\\\\d"', ['abc1', 'ab1'], [0]],
    ['|~ "\\\\bfoo\\\\b"', ['a foo b', 'afoo'], [0]],
    ['|~ "\\\\pL+é"', ['caé', '1é'], [0]],
    ['|~ ""', ['x', ''], [0, 1]],
    ['!~ ""', ['x', ''], []],
    ['|~ "x" or "y"', ['x', 'y', 'z'], [0, 1]],
    ['!~ "x" or "y"', ['x', 'y', 'z'], [2]],
    ['!= "a" or "b"', ['xa', 'b', 'c'], [2]],
    ['|= ip("10.0.0.1") or "z"', ['10.0.0.1', 'y', 'z', '10.0.0.11'], [0, 2]],
    ['|= ip("10.0.0.1-10.0.0.5")', ['10.0.0.1', 'at 10.0.0.5:80', '10.0.0.6'], [0, 1]],
    ['|= ip("2001:db8::/32")', ['2001:db8::1', '[2001:db8:0:1::2]:80', '2001:db9::1'], [0, 1]],
    ['!= ip("10.0.0.0/8")', ['10.1.2.3', '11.1.2.3', 'none'], [1, 2]],
    ['|> "<_> b <_>"', ['a b c', 'b c', ' b ', 'a b c b d'], [0, 3]],
    ['!> "<_> b <_>"', ['a b c', 'b c', ' b '], [1, 2]],
    ['|> "a<_>" or "b<_>"', ['ax', 'bx', 'cx', 'a'], [0, 1]],
    // The pattern's start is not the line's, its end is; each literal counts where it stands first.
    ['|> "<"', ['<', 'a<', '<a', 'a<b<'], [0, 1]],
    ['|> "b<_>"', ['bx', 'abx', 'ab', 'abb'], [0, 1, 3]],
    ['|> "{<_>}"', ['{a}', 'x {a}', '{{a}}', '{}', '{a} x', '{a}{b}'], [0, 1]],
    ['|> "<_>}"', ['a}', '}', '}}', 'a}}', 'a}b}'], [0]],
    ['|> "<_>a<_>"', ['xax', 'axax', 'xa', 'bcaa'], [0, 3]],
    ['|> "a<_>b<_>c"', ['a1b2c', '-a1b2c', 'a1bb2c', 'a1b2cc', 'ab2bc'], [0, 1, 2]],
    ['!> "{<_>}"', ['{a}', '{{a}}', 'x'], [1, 2]],
    ['|> "é<_>"', ['café ok', 'é', 'éé'], [0, 2]],
  ])('%s', async (query, lines, rows) => {
    expect(await kept(query, lines)).toEqual(rows.map((row) => lines[row]));
  });

  test.each([
    ['|= "ok"', [0, 1]],
    ['|= "caf"', [0]],
    // One bad byte is one character, as in Go.
    ['|~ "caf. ok"', [0]],
    ['|~ "^.ok$"', [1]],
    ['|~ "caf[^x] o"', [0]],
    ['!~ "caf. ok"', [1, 2]],
    ['|> "caf<_> ok"', [0]],
  ])('lines that are no UTF-8: %s', async (filter, rows) => {
    const lines = [Buffer.from('caf\xe9 ok', 'latin1'), Buffer.from('\xffok', 'latin1'), Buffer.from('no')];
    const bytes = streamOfBytes(app, lines);
    const found = await runLog({ expr: `{app="a"} ${filter}` }, [{ kind: 'bytes', bytes }]);
    expect([...found.timestampNs]).toEqual(rows.map((row) => BigInt(row + 1) * 1_000_000_000n));
    // They leave as they came.
    expect(Buffer.from(found.lines)).toEqual(Buffer.concat(rows.map((row) => lines[row])));
  });
});

describe('parsers', () => {
  test.each([
    [
      '| json',
      '{"a":{"b":1,"c":[1]},"d":null,"e":true,"f":"","g":1e3,"h":"\\u0041","i":1.50}',
      { a_b: '1', e: 'true', f: '', g: '1e3', h: 'A', i: '1.50' },
    ],
    ['| json', '{"9a":"1","b c":"2","app":"3"}', { _9a: '1', b_c: '2', app_extracted: '3' }],
    ['| json', '{"a":"1","a":"2"}', { a: '1' }],
    [
      '| json',
      'no object',
      {
        __error__: 'JSONParserErr',
        __error_details__: `Value looks like object, but can't find closing '}' symbol`,
      },
    ],
    [
      '| json x="a.b[0]", y="c", z="nosuch"',
      '{"a":{"b":[7,8]},"c":{"d":1}}',
      { x: '7', y: '{"d":1}', z: '' },
    ],
    ['| json x="a[\\"b c\\"]", c', '{"a":{"b c":"d"},"c":null}', { x: 'd', c: '' }],
    ['| json x="a"', 'no json', { __error__: 'JSONParserErr' }],
    // The first value that a whole parser finds stays; a value requested by its path comes before it.
    ['| json | json b="c"', '{"a":1,"b":"first","c":"x"}', { a: '1', b: 'x', c: 'x' }],
    ['| logfmt', 'a=1 b= c "bad d=4', { a: '1', d: '4' }],
    ['| logfmt', 'a="x y" b=é app=z', { a: 'x y', b: 'é', app_extracted: 'z' }],
    ['| logfmt --keep-empty', 'a=1 b= c', { a: '1', b: '', c: '' }],
    [
      '| logfmt --strict',
      'a=1 b="x c=2',
      {
        a: '1',
        __error__: 'LogfmtParserErr',
        __error_details__: 'logfmt syntax error at pos 13 : unterminated quoted value',
      },
    ],
    ['| logfmt --strict --keep-empty', 'a=1 b=', { a: '1', b: '' }],
    ['| logfmt x, y="b"', 'b=2', { x: '', y: '2' }],
    ['| regexp "(?P<x>\\\\w+) (?P<y>\\\\w+)?"', 'foo ', { x: 'foo', y: '' }],
    ['| regexp "(?P<x>\\\\d+)"', 'none', {}],
    ['| regexp "(?P<app>.+)"', 'z', { app_extracted: 'z' }],
    ['| pattern "<a> - <_> <b>"', 'x - y z', { a: 'x', b: 'z' }],
    ['| pattern "x<a>"', 'yx1', {}],
    // A literal that is not found gives the rest of the line to the capture before it.
    ['| pattern "<a> - <b>"', 'nothing', { a: 'nothing' }],
    ['| pattern "[<a>] <b>"', '[z', { a: 'z' }],
    // An empty line has no capture, not even an empty one.
    ['| pattern "<a>"', '', {}],
    ['| pattern "<a> <b>"', '', {}],
    ['| pattern "<a> <b>"', ' ', { a: '', b: '' }],
    ['| unpack', '{"_entry":"line","a":"b","n":1,"app":"c"}', { a: 'b', app_extracted: 'c' }],
    ['| unpack', '{"a":"b"}', {}],
    [
      '| unpack',
      '[1]',
      { __error__: 'JSONParserErr', __error_details__: 'expecting json object(6), but it is not' },
    ],
  ])('%s of %s', async (stages, line, expected) => {
    expect(await labels(stages, line)).toEqual({ ...app, ...expected });
  });

  test('stages see what those before them made', async () => {
    expect(await labels('| unpack | logfmt', '{"_entry":"k=v"}')).toEqual({ ...app, k: 'v' });
    expect(await labels('| logfmt | line_format "{{.a}}" | logfmt', 'a="b=1"')).toMatchObject({ b: '1' });
    expect(await labels('| decolorize | logfmt', '\u001b[1;31ma=1\u001b[m b=2')).toEqual({
      ...app,
      a: '1',
      b: '2',
    });
  });
});

describe('labels', () => {
  test.each([
    ['| drop a, app', 'a=1 b=2', { b: '2' }],
    ['| drop a="1", b=~"x.*"', 'a=1 b=2', { app: 'a', b: '2' }],
    ['| drop a!="1", b!~"x.*"', 'a=1 b=2', { app: 'a', a: '1' }],
    ['| keep a', 'a=1 b=2', { a: '1' }],
    ['| keep a!="1", b=~"2|3"', 'a=1 b=2', { b: '2' }],
    ['| label_format c=a', 'a=1', { app: 'a', c: '1' }],
    ['| label_format c=nosuch', 'a=1', { app: 'a', a: '1' }],
    ['| label_format a=b, b=a', 'a=1 b=2', { app: 'a', b: '2' }],
    ['| label_format app=a', 'a=1', { app: '1' }],
    ['| label_format app="{{.app}}2"', 'a=1', { app: 'a2', a: '1' }],
    // Templates of one stage see the labels as they are before the first of them.
    ['| label_format b="{{.a}}", c="{{.b}}"', 'a=1', { app: 'a', a: '1', b: '1', c: '' }],
    [
      '| label_format x="{{ div 1 0 }}"',
      'a=1',
      {
        app: 'a',
        a: '1',
        __error__: 'TemplateFormatErr',
        __error_details__:
          'template: label:1:3: executing "label" at <div 1 0>: error calling div: runtime error: integer divide by zero',
      },
    ],
    ['| a > 5 | drop __error__, __error_details__', 'a=x', { app: 'a', a: 'x' }],
  ])('%s of %s', async (stages, line, expected) => {
    expect(await labels(`| logfmt ${stages}`, line)).toEqual(expected);
  });

  test.each([
    ['n > 5', ['n=6', 'n=5', 'm=7', 'n='], [0]],
    ['n >= 2 n <= 3', ['n=1', 'n=2', 'n=4'], [1]],
    ['n = 5', ['n=5.0', 'n=05', 'n=6'], [0, 1]],
    ['n != 5', ['n=5.0', 'm=5', 'n=6'], [2]],
    ['n == 2, m=~"a|b"', ['n=2 m=a', 'n=2 m=c'], [0]],
    ['n > -5', ['n=-6', 'n=-4', 'n=+Inf', 'n=NaN'], [1, 2]],
    ['n > 1h29m', ['n=90m', 'n=1.4h', 'n=2h'], [0, 2]],
    ['n >= 5KB', ['n=5kb', 'n=4999', 'n="5 KiB"', 'n=0.005mb'], [0, 2, 3]],
    ['n = ip("10.0.0.0/8")', ['n=10.1.1.1', 'n=x', 'n=11.1.1.1', 'm=1'], [0]],
    ['n != ip("10.0.0.0/8")', ['n=10.1.1.1', 'n=x', 'n=11.1.1.1', 'm=1'], [1, 2]],
    ['n > 5 or m = "x" and k != "y"', ['n=6', 'm=x', 'm=x k=y'], [0, 1]],
    ['n > 5, m = "x" or k = "y"', ['n=6', 'n=6 m=x', 'n=6 k=y', 'm=x'], [1, 2]],
    ['a !~ "1|2"', ['a=1', 'b=1', 'a=3'], [1, 2]],
    ['a =~ "1"', ['a=1', 'a=11'], [0]],
    ['a = ""', ['a=1', 'b=1'], [1]],
    ['n =~ "[0-9]+"', ['n=12', 'n=x'], [0]],
    // A value that cannot be read keeps its line, and marks it.
    ['n > 5', ['n=x', 'n=1'], [0]],
    ['n > 5 | __error__ = ""', ['n=x', 'n=6'], [1]],
    ['n > 5 | __error__ = "LabelFilterErr"', ['n=x', 'n=6'], [0]],
    ['n > 5 | m > 5', ['n=x m=y', 'n=x m=1', 'n=x m=6', 'n=x'], [0, 2]],
    // The details of an error can be seen, and not found.
    ['n > 5 | __error_details__ != ""', ['n=x', 'n=6'], []],
  ])('| logfmt | %s', async (filter, lines, rows) => {
    expect(await kept(`| logfmt | ${filter}`, lines)).toEqual(rows.map((row) => lines[row]));
  });

  // A filter sees the labels as they are where it stands: a parser behind it changes nothing about it
  // (loki#24415).
  test.each([
    ['x="" | logfmt', ['x=1 y=2', 'y=2', 'y=2 x='], [0, 1, 2]],
    ['x="" | logfmt | x="1"', ['x=1', 'x=2', 'y=1'], [0]],
    ['x!="1" | logfmt', ['x=1', 'x=2', 'y=1'], [0, 1, 2]],
    ['x="1" | logfmt', ['x=1'], []],
    ['x!="1" | x!~"2.*" | json', ['{"x":1}', '{"x":23,"y":{}}', '{"y":1}'], [0, 1, 2]],
    ['x_y="" | json', ['{"x":{"y":1}}', '{"x":{"z":1}}'], [0, 1]],
    ['app_extracted="" | logfmt', ['app=1', 'y=1'], [0, 1]],
    ['app="a" | logfmt', ['app=b'], [0]],
    ['x="" | label_format x="0" | logfmt', ['x=1'], [0]],
    ['(x="" or y="") | logfmt', ['x=1 y=2'], [0]],
    ['x="" | logfmt x', ['x=1'], [0]],
    ['x="" | json x="x"', ['{"x":1}'], [0]],
    ['x="" | unpack', ['{"x":"1","_entry":"e"}'], [0]],
    ['x="" | regexp "(?P<x>.+)"', ['1'], [0]],
    ['x="" | pattern "<x> <_>"', ['1 2'], [0]],
    ['logfmt | x="1" | json', ['x=1', 'x=2'], [0]],
  ])('a filter before a parser stands for itself, in lines and counts: | %s', async (filter, lines, rows) => {
    const found = await logLines(`{app="a"} | ${filter}`, stream(app, lines));
    expect(found.map(({ ts }) => ts)).toEqual(rows.map((row) => BigInt(row + 1) * 1_000_000_000n));
    const range = `count_over_time({app="a"} | ${filter} | drop __error__, __error_details__ [200s])`;
    for (const query of [`sum(${range})`, `sum by (nope) (${range})`, `sum(max without (nope) (${range}))`]) {
      expect(await instant(query, stream(app, lines))).toEqual(rows.length === 0 ? [] : [['', rows.length]]);
    }
  });

  test('errors say what went wrong, in the words of Go; the first stands', async () => {
    const errorOf = async (filter: string, line: string) =>
      (await labels(`| logfmt | ${filter}`, line))?.__error_details__;
    expect(await errorOf('n > 5', 'n=x')).toBe('strconv.ParseFloat: parsing "x": invalid syntax');
    expect(await errorOf('n > 5', 'n=1e999')).toBe('strconv.ParseFloat: parsing "1e999": value out of range');
    expect(await errorOf('n > 5s', 'n=6')).toBe('time: missing unit in duration "6"');
    expect(await errorOf('n > 5s', 'n=6x')).toBe('time: unknown unit "x" in duration "6x"');
    expect(await errorOf('n > 5KB', 'n=6zb')).toBe('unhandled size name: zb');
    expect(await errorOf('n > 5 | m > 5s', 'n=x m=y')).toBe(
      'strconv.ParseFloat: parsing "x": invalid syntax',
    );
  });
});

describe('templates', () => {
  test.each([
    ['{{ .app | ToUpper }} {{ .nosuch }}|', 'A |'],
    [
      '{{ __line__ | len }} {{ unixEpoch __timestamp__ }} {{ date "2006-01-02" __timestamp__ }}',
      '1 1 1970-01-01',
    ],
    [
      '{{ .app | replace "a" "b" | repeat 2 }}-{{ printf "%05.1f" 3.14159 }}-{{ default "d" .nosuch }}',
      'bb-003.1-d',
    ],
    ['{{ if eq .app "a" }}yes{{ else }}no{{ end }} {{ index . "app" }}', 'yes a'],
    [
      '{{ "hello" | trunc -2 }}{{ substr 0 2 "hello" }}{{ alignLeft 4 "ab" }}|{{ alignRight 4 "ab" }}|',
      'loheab  |  ab|',
    ],
    ['{{ "a b" | urlencode }} {{ b64enc "x" }} {{ b64dec "eA==" }}', 'a+b eA== x'],
    [
      '{{ regexReplaceAll "(a+)" "baac" "${1}x" }} {{ regexReplaceAllLiteral "(a+)" "baac" "${1}x" }}',
      'baaxc b${1}xc',
    ],
    [
      '{{ count "a" "banana" }} {{ bytes "2KB" }} {{ duration "1m" }} {{ duration_seconds "90s" }}',
      '3 2000 60 90',
    ],
    [
      '{{ 1.5 | mulf 2 }} {{ add 1 2 3 }} {{ div 7 2 }} {{ mod 7 4 }} {{ round 1.256 2 }} {{ max 1 5 2 }}',
      '3 6 3 3 1.26 5',
    ],
    // The dot is all labels, sorted by name.
    ['{{ . }} {{ len . }}', 'map[app:a] 1'],
    ['{{ range $name, $value := . }}{{ $name }}={{ $value }};{{ end }}', 'app=a;'],
    ['{{ with . }}{{ .app }}{{ end }} {{ $.app }}', 'a a'],
  ])('%s prints %s', async (template, text) => expect(await printed(template)).toBe(text));

  test('the dot has what parsers and metadata gave, and errors', async () => {
    const [row] = await logLines('{app="a"} | logfmt | n > 1 | line_format "{{ . }}"', [
      { ...stream(app, ['n=x app=b'])[0], metadata: { trace: 't' } },
    ]);
    expect(row.line).toBe(
      'map[__error__:LabelFilterErr __error_details__:strconv.ParseFloat: parsing "x": invalid syntax app:a app_extracted:b n:x trace:t]',
    );
  });

  test('the dot of later templates of a label_format is that of the first', async () => {
    expect(await labels('| label_format b="{{ . }}", c="{{ . }}"', 'x')).toEqual({
      ...app,
      b: 'map[app:a]',
      c: 'map[app:a]',
    });
  });

  test('JSON becomes lists and maps', async () => {
    const template =
      '{{ fromJson __line__ }} {{ (fromJson __line__).a }} {{ range fromJson .nosuch }}x{{ end }}';
    expect(await printed(template, '{"a":[1,"x"]}')).toBe('map[a:[1 x]] [1 x] ');
  });

  test('a template that fails leaves the line', async () => {
    const [row] = await logLines('{app="a"} | line_format "{{ mod 5 0 }}"', stream(app, ['x']));
    expect(row).toMatchObject({
      line: 'x',
      labels: {
        __error__: 'TemplateFormatErr',
        __error_details__:
          'template: line:1:3: executing "line" at <mod 5 0>: error calling mod: runtime error: integer divide by zero',
      },
    });
  });
});
