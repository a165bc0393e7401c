import fc from 'fast-check';
import { expectCost, unitOfCost } from '@loki/test-tools';
import { TemplateExecError, TemplateSyntaxError } from './errors.ts';
import type { TemplateContext } from './state.ts';
import { compileTemplate } from './template.ts';

const labels = new Map([
  ['a', 'A'],
  ['b', '7'],
  ['__proto__', 'p'],
]);
const context: TemplateContext = {
  get: (name) => labels.get(name),
  all: () => labels,
  line: () => 'the line',
  timestampNs: 1_700_000_000_000_000_000n,
  nowNs: () => 1_700_000_001_000_000_000n,
};

function execute(text: string): string {
  return compileTemplate(text, { name: 'line' }).execute(context);
}

describe('what a template refers to is told from its text', () => {
  test.each([
    ['{{.a}} {{.b | upper}}', ['a', 'b'], false, false, false],
    ['{{$.a}}', ['a'], false, false, false],
    ['{{if eq .a "x"}}{{.b}}{{else}}{{.c}}{{end}}', ['a', 'b', 'c'], false, false, false],
    ['{{with .a}}{{.}}{{.x}}{{$.b}}{{end}}', ['a', 'b'], false, false, false],
    ['{{range fromJson __line__}}{{.}}{{end}}', [], false, true, false],
    ['{{.}}', [], true, false, false],
    ['{{$x := .}}{{$x.a}}', [], true, false, false],
    ['{{range $k, $v := .}}{{$k}}{{end}}', [], true, false, false],
    ['{{index . "a"}}', ['a'], false, false, false],
    ['{{index . .b}}', ['b'], true, false, false],
    ['{{define "t"}}{{.a}}{{end}}{{template "t" .}}', ['a'], false, false, false],
    ['{{define "t"}}{{.}}{{end}}{{template "t" .}}', [], true, false, false],
    ['{{__timestamp__ | date "2006"}}', [], false, false, true],
    ['{{printf "%s" (print .a (len __line__))}}', ['a'], false, true, false],
    ['plain', [], false, false, false],
  ])('%s', (text, names, usesAllLabels, usesLine, usesTimestamp) => {
    const template = compileTemplate(text, { name: 'line' });
    expect([...template.labelNames].sort()).toEqual(names);
    expect(template).toMatchObject({ usesAllLabels, usesLine, usesTimestamp });
  });

  test('a template that claims not to use a label does not read it', () => {
    const pieces = fc.constantFrom(
      '{{.a}}', '{{$.b}}', '{{.}}', '{{with .a}}{{.}}{{end}}', '{{if .b}}x{{.c}}{{end}}', '{{range .}}{{.}}{{end}}', '{{index . "a"}}',
      '{{template "t" .}}', '{{template "t" .a}}', '{{define "t"}}{{with .}}{{print .}}{{end}}{{end}}', '{{__line__}}', '{{$x := $}}{{$x.d}}',
    ); // prettier-ignore
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 5 }), (parts) => {
        let template;
        try {
          template = compileTemplate(parts.join(' '), { name: 'line' });
        } catch {
          return; // defined twice
        }
        const read = new Set<string>();
        let readAll = false;
        const spy: TemplateContext = {
          ...context,
          get: (name) => {
            read.add(name);
            return 'v';
          },
          all: () => {
            readAll = true;
            return [];
          },
        };
        try {
          template.execute(spy);
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateExecError);
        }
        if (!template.usesAllLabels) {
          expect([...read].filter((name) => !template.labelNames.has(name))).toEqual([]);
        }
        if (readAll) expect(template.usesAllLabels).toBe(true);
      }),
    );
  });
});

describe('labels', () => {
  test('named like parts of JavaScript objects are labels like others', () => {
    expect(execute('{{.__proto__}}{{.constructor}}{{.toString}}')).toBe('p');
  });

  test('of a context that cannot list them: `.` is empty', () => {
    const poor: TemplateContext = { ...context, all: undefined };
    expect(compileTemplate('{{.}}{{.a}}', { name: 'line' }).execute(poor)).toBe('map[]A');
  });
});

describe('executions are bounded', () => {
  test.each([
    ['{{ range 1000000000 }}{{ end }}', 'exceeded maximum number of steps'],
    [
      '{{ range 1000 }}{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}{{ end }}',
      'exceeded maximum number of steps',
    ],
    ['{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', 'exceeded maximum template depth'],
    [
      '{{ define "t" }}{{ template "t" }}{{ template "t" }}{{ end }}{{ template "t" }}',
      'exceeded maximum template depth',
    ],
    [
      '{{ range 20000 }}{{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }}{{ end }}',
      'output exceeds 1048576 characters',
    ],
    ['{{ repeat 1000000000 "x" }}', 'result exceeds 1048576 characters'],
    [
      '{{ $x := "0123456789" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}',
      'result exceeds 1048576 characters',
    ],
    ['{{ alignLeft 1000000000 "x" }}', 'result exceeds'],
    ['{{ indent 1000000000 "x" }}', 'result exceeds'],
    ['{{ Replace (repeat 1000 "x") "x" (repeat 100000 "y") -1 }}', 'result exceeds'],
    ['{{ Replace (repeat 100000 "x") "" (repeat 100000 "y") -1 }}', 'result exceeds'],
    ['{{ regexReplaceAll "." (repeat 100000 "x") (repeat 100000 "y") }}', 'result exceeds'],
    ['{{ regexReplaceAll "(.+)" (repeat 100000 "x") (repeat 1000 "$1") }}', 'result exceeds'],
    ['{{ printf "%1000000d%1000000d" 1 2 }}', 'result exceeds'],
    ['{{ printf (repeat 1000 "%100000d") 1 }}', 'result exceeds'],
    ['{{ printf "%*d%*d" 900000 1 900000 2 }}', 'result exceeds'],
  ])('%s', async (text, message) => {
    expect(() => execute(text)).toThrow(TemplateExecError);
    await expectCost(() => () => expect(() => execute(text)).toThrow(message), unitOfCost, { timesMax: 500 });
  });

  test('products of many factors end', () => {
    expect(() => execute(`{{ mulf ${'1.234567891234e300 '.repeat(5000)} }}`)).toThrow(
      'number has too many digits',
    );
  });

  test('deep nesting of JSON, parentheses and blocks is refused or survived', () => {
    const deep = (open: string, close: string, n: number) => open.repeat(n) + close.repeat(n);
    const json = (text: string) =>
      compileTemplate('{{ fromJson __line__ }}', { name: 'line' }).execute({ ...context, line: () => text });
    expect(json(deep('[', ']', 200_000))).toBe('<no value>');
    expect(json(deep('[', ']', 900))).toBe(deep('[', ']', 900));
    expect(() => execute(`{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`)).toThrow(
      'max expression depth exceeded',
    );
    expect(() => execute('{{if true}}'.repeat(100_000) + '{{end}}'.repeat(100_000))).toThrow(
      'max expression depth exceeded',
    );
    expect(() => execute(`{{if true}}a${'{{else if true}}b'.repeat(100_000)}{{end}}`)).toThrow(
      'max expression depth exceeded',
    );
    expect(execute(`{{ ${'('.repeat(400)}1${')'.repeat(400)} }}`)).toBe('1');
    expect(execute('{{if true}}'.repeat(400) + 'x' + '{{end}}'.repeat(400))).toBe('x');
  });
});

describe('whatever the template', () => {
  const piece = fc.constantFrom(
    '{{', '}}', '{{-', '-}}', ' ', '.a', '.b', '.', '$', '$x', ':=', '=', '|', '(', ')', '"s"', '`r`', "'c'", '5', '1.5', '-3', 'true', 'nil', ',',
    'if ', 'else', 'end', 'range ', 'with ', 'define ', 'template ', 'block ', 'break', 'continue', 'print ', 'printf ', 'len ', 'index ', 'slice ',
    'upper ', 'trunc ', 'substr ', 'add ', 'div ', 'divf ', 'round ', 'date ', 'toDate ', 'fromJson ', 'eq ', 'lt ', 'and ', 'or ', 'not ', 'repeat ',
    'regexReplaceAll ', 'unixToTime ', '__line__ ', '__timestamp__ ', 'default ', '"%d %s %v"', '"2006-01-02"', '"[1,{}]"', 'x', '\n', '/*', '*/', '"', '\\',
  ); // prettier-ignore
  const body = fc.array(piece, { maxLength: 8 }).map((parts) => `{{${parts.join(' ')}}}`);
  const text = fc.oneof(
    fc.array(piece, { maxLength: 14 }).map((parts) => parts.join('')),
    fc.array(body, { maxLength: 4 }).map((parts) => parts.join('')),
    fc
      .tuple(body, body)
      .map(([a, b]) => `{{range fromJson "[1,null,{}]"}}${a}{{end}}{{with .a}}${b}{{else}}x{{end}}`),
  );

  test('it prints, or fails with an error of its own', () => {
    fc.assert(
      fc.property(text, (source) => {
        try {
          expect(typeof execute(source)).toBe('string');
        } catch (error) {
          const isOurs = error instanceof TemplateExecError || error instanceof TemplateSyntaxError;
          if (!isOurs) throw error;
          expect(error.message).toMatch(/^template: line/);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

test('unixToTime takes days, seconds, milli-, micro- and nanoseconds by their digits', () => {
  expect(execute('{{ unixToTime "19723" }}')).toBe('2024-01-01 00:00:00 +0000 UTC');
  expect(execute('{{ unixToTime "1704067200" }}')).toBe('2024-01-01 00:00:00 +0000 UTC');
  expect(execute('{{ unixToTime "1704067200123" }}')).toBe('2024-01-01 00:00:00.123 +0000 UTC');
  expect(execute('{{ unixToTime "1704067200123456" }}')).toBe('2024-01-01 00:00:00.123456 +0000 UTC');
  expect(execute('{{ unixToTime "1704067200123456789" }}')).toBe('2024-01-01 00:00:00.123456789 +0000 UTC');
});
