/** Templates of lines, labels and alerts: compiled, and executed within their budgets. */
import { readFileSync } from 'node:fs';
import { LokiError } from '@loki/model';
import type { FuzzTarget } from '@loki/test-tools';
import { compileDataTemplate } from './data-template.ts';
import { TemplateExecError, TemplateSyntaxError } from './errors.ts';
import type { TemplateContext } from './state.ts';
import { compileTemplate } from './template.ts';

function isRefusal(error: unknown): boolean {
  return (
    error instanceof TemplateSyntaxError ||
    error instanceof TemplateExecError ||
    (error instanceof LokiError && error.code === 'badRequest')
  );
}

function templates(): string[] {
  const linesOf = (name: string) =>
    readFileSync(new URL(`../testdata/${name}`, import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  const go = linesOf('go-templates.jsonl').map((line) => (JSON.parse(line) as string[])[0]);
  const loki = linesOf('loki-line-format.jsonl').map(
    (line) => (JSON.parse(line) as { template: string }).template,
  );
  return [...new Set([...go, ...loki])];
}

const words = ['{{', '}}', '{{-', '-}}', '.level', '|', 'if', 'else', 'end', 'range', 'with', 'define "x"', 'template "x" .', 'block', 'break', 'continue', '$x :=', '$x =', '(', ')', 'printf "%1000000s"', 'repeat 1000000', 'ToUpper', 'regexReplaceAll "(a*)*"', 'substr 0 -1', 'trunc', 'alignLeft 9999999', 'indent', 'nindent', 'date "2006"', 'toDate', 'unixEpoch', 'now', '__line__', '__timestamp__', 'fromJson', 'urldecode', 'b64enc', 'add 9223372036854775807', 'mul', 'div 1 0', 'mod', 'round', 'index', 'slice', 'len', 'eq', 'lt', 'and', 'or', 'not', 'html', 'js', 'print', '0x7fffffffffffffff', '1e309', "'x'", '`raw`', '/* c */', 'count', 'hasPrefix', 'bytes', 'duration', 'split', 'join']; // prettier-ignore

const line = 'level=info {"a":{"b":[1,2.5,"x"]}} https%3A%2F%2Fx aGVsbG8= 2026-01-15T12:30:00Z 1.5KB 3m';
const labels = new Map([
  ['level', 'info'],
  ['status', '200'],
  ['a', line],
  ['empty', ''],
  ['num', '12.5'],
]);
const context: TemplateContext = {
  get: (name) => labels.get(name),
  line: () => line,
  timestampNs: 1_768_000_000_000_000_000n,
  nowNs: () => 1_768_000_000_000_000_001n,
  all: () => labels,
};

export const targets: readonly FuzzTarget[] = [
  {
    name: 'template-compile',
    shape: 'text',
    corpus: templates,
    words,
    isRefusal,
    run: (input) => compileTemplate(input.toString(), { name: 'line' }).labelNames.size,
  },
  {
    name: 'template',
    shape: 'text',
    corpus: templates,
    words,
    isRefusal,
    // An execution has budgets of its own, for nodes, and for characters read and made.
    cpuMsMax: 1000,
    limitBytes: 32 * 2 ** 20,
    run: (input) => {
      const text = compileTemplate(input.toString(), { name: 'line' }).execute(context);
      if (text.length > 2 ** 20) throw new RangeError('more text than a template may print');
      return text.length;
    },
  },
  {
    name: 'template-data',
    shape: 'text',
    corpus: templates,
    words,
    isRefusal,
    cpuMsMax: 1000,
    limitBytes: 32 * 2 ** 20,
    run: (input) => {
      const template = compileDataTemplate(input.toString(), { name: 'alert', functions: new Map() });
      return template.execute(labels, () => 0n).length;
    },
  },
];
