import { interruptible } from '@loki/model';
import { expectCost, unitOfCost } from '@loki/test-tools';
import { compileTemplate } from './template.ts';

const context = {
  get: () => undefined,
  line: () => 'line',
  timestampNs: 0n,
  nowNs: () => 0n,
};

const hostileRegex = Array.from({ length: 30 }, (_, i) => `a.{${900 + i}}[c-z]`).join('|');

// Each of these took minutes to hours, on a thread that all tenants share.
describe('a template is charged for the characters that it reads and makes', () => {
  test.each([
    ['makes by a width', '{{ range 90000 }}{{ $x := printf "%1000000s" "x" | upper }}{{ end }}'],
    ['makes by repeating', '{{ range 30000 }}{{ $x := repeat 1000000 "é" | ToUpper }}{{ end }}'],
    ['makes digits', '{{ range 90000 }}{{ $x := printf "%.999999e" 0.1 }}{{ end }}'],
    ['reads', '{{ $x := repeat 1000000 "a" }}{{ range 90000 }}{{ if eq $x "b" }}{{ end }}{{ end }}'],
    ['reads many at once', `{{ $x := repeat 1000000 "a" }}{{ print ${'$x '.repeat(700)} }}`],
    ['reads numbers', '{{ range 90000 }}{{ $x := repeat 1000000 "1" | int }}{{ end }}'],
    ['formats', '{{ $x := repeat 1000000 "%" }}{{ range 90000 }}{{ $y := printf $x }}{{ end }}'],
    [
      'compiles expressions',
      `{{ range 90000 }}{{ $x := regexReplaceAll (printf "%d${hostileRegex}" .) "x" "" }}{{ end }}`,
    ],
    [
      'sorts maps',
      '{{ $m := fromJson "{\\"a\\":1}" }}{{ range 90000 }}{{ range $m }}{{ break }}{{ end }}{{ end }}',
    ],
  ])('that %s', async (_name, text) => {
    const template = compileTemplate(text, { name: 'line' });
    const execute = () => () =>
      expect(() => template.execute(context)).toThrow(/exceeded maximum number of (characters|steps)/);
    await expectCost(execute, unitOfCost, { timesMax: 8_000 });
  });

  test('ordinary ones are far from it', () => {
    const text = `{{ $x := repeat 200000 "a" }}${'{{ $x = $x | upper | lower | trunc 190000 }}'.repeat(10)}{{ len $x }}`;
    expect(compileTemplate(text, { name: 'line' }).execute(context)).toBe('190000');
  });
});

// A query that was given up, or a rule that has a deadline, must not run to the end of its allowance.
test.each([
  ['texts', '{{ range 30000 }}{{ $x := repeat 100000 "é" | ToUpper }}{{ end }}'],
  ['steps', '{{ range 90000 }}{{ $x := addf 1e308 1e-308 }}{{ end }}'],
  ['regular expressions', `{{ regexReplaceAll "${hostileRegex}" (repeat 100000 "a") "" }}`],
])('a template that takes long is ended: %s', async (_name, text) => {
  const template = compileTemplate(text, { name: 'line' });
  const execute = () => {
    let checks = 0;
    const check = () => {
      if (++checks === 3) throw new Error('the caller has left');
    };
    return () =>
      expect(() => interruptible(check, () => template.execute(context))).toThrow('the caller has left');
  };
  await expectCost(execute, unitOfCost, { timesMax: 500 });
});
