import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemplateExecError, TemplateSyntaxError } from './errors.ts';
import type { TemplateContext } from './state.ts';
import { compileTemplate } from './template.ts';

function golden<T>(name: string): T[] {
  return readFileSync(join(__dirname, '../testdata', name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** Output, or the error's text. */
function run(text: string, context: TemplateContext, name = 'line'): { out: string; error: string } {
  try {
    return { out: compileTemplate(text, { name }).execute(context), error: '' };
  } catch (error) {
    if (!(error instanceof TemplateExecError || error instanceof TemplateSyntaxError)) throw error;
    return { out: '', error: error.message };
  }
}

describe('Go is the judge', () => {
  const labels = new Map([
    ['level', 'info'],
    ['status', '402'],
    ['path', '/pay/8'],
    ['msg', 'payment "late"'],
    ['amount', '939.77'],
    ['currency', 'USD'],
    ['method', 'DELETE'],
    ['size', '93KiB'],
    ['ts', '2021-03-04T05:00:00.000Z'],
    ['empty', ''],
    ['uni', '日本語 żółw 😀'],
    ['nl', 'a\nb'],
    ['neg', '-5'],
    ['url', 'a%20b+c%2F'],
    ['html', `<a href="x">'&'</a>`],
    ['pct', '50%'],
  ]);
  const context: TemplateContext = {
    get: (name) => labels.get(name),
    all: () => labels,
    line: () =>
      '{"user":{"tags":["a","b","x"],"id":7,"name":"Żaneta"},"ok":true,"n":null,"f":1234567.5,"s":"x y"}',
    timestampNs: 1614834000123456789n,
    nowNs: () => 1700000000000000005n,
  };

  test('of what a template prints, and of every complaint', () => {
    for (const [text, out, error] of golden<[string, string, string]>('go-templates.jsonl')) {
      expect({ text, ...run(text, context) }).toEqual({ text, out, error });
    }
  });
});

describe('Loki is the judge', () => {
  interface Row {
    template: string;
    labels: Record<string, string>;
    line: string;
    offsetNs: number;
    out: string | null;
    err: string | null;
  }
  const startNs = BigInt(Date.UTC(2021, 2, 4, 5)) * 1_000_000n;

  test.each(golden<Row>('loki-line-format.jsonl'))('line_format $template', (row) => {
    const answer = run(row.template, {
      get: (name) => (Object.hasOwn(row.labels, name) ? row.labels[name] : undefined),
      line: () => row.line,
      timestampNs: startNs + BigInt(row.offsetNs),
      nowNs: () => startNs,
    });
    expect(answer).toEqual({ out: row.out ?? '', error: row.err ?? '' });
  });

  test('label_format calls its templates label', () => {
    const context = { get: () => 'info', line: () => '', timestampNs: 0n, nowNs: () => 0n };
    expect(run('{{ duration .level }}', context, 'label').error).toBe(
      'template: label:1:3: executing "label" at <duration .level>: error calling duration: time: invalid duration "info"',
    );
  });
});
