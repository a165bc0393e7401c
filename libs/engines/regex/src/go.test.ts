import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { interruptible } from '@loki/model';
import { expectCostGrowth } from '@loki/test-tools';
import { RegexSyntaxError } from './regex-syntax-error.ts';
import { compileRegex } from './regex.ts';

/** Answers of Go 1.26's regexp, written once by a program; see README.md beside them. */
function golden<T>(name: string): T[] {
  return JSON.parse(readFileSync(join(__dirname, '../testdata', name), 'utf8')) as T[];
}

function messageOf(pattern: string): string {
  try {
    compileRegex(pattern);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(RegexSyntaxError);
    return (error as Error).message;
  }
}

describe('Go is the judge', () => {
  test('of which patterns are wrong, and in which words', () => {
    for (const [pattern, message] of golden<[string, string]>('go-errors.json')) {
      expect([pattern, messageOf(pattern)]).toEqual([pattern, message]);
    }
  });

  test('an anchored pattern is blamed as it was written', () => {
    expect(() => compileRegex('[', { anchored: true })).toThrow(
      'error parsing regexp: missing closing ]: `[`',
    );
    expect(messageOf('^(?:()$')).toBe('error parsing regexp: missing closing ): `^(?:()$`');
  });

  test("deep and large patterns are refused with Go's texts", () => {
    const deep = (n: number) => '('.repeat(n) + ')'.repeat(n);
    expect(messageOf(deep(998))).toBe('');
    expect(messageOf(deep(1001))).toBe(
      `error parsing regexp: expression nests too deeply: \`${deep(1001)}\``,
    );
    const large = '(?:a{100}){10}'.repeat(60);
    expect(messageOf(large)).toBe(`error parsing regexp: expression too large: \`${large}\``);
  });

  test('of replacements, counts and groups', () => {
    interface Row {
      Pattern: string;
      Text: string;
      Template: string;
      Replaced: string;
      Literal: string;
      Count: number;
      Groups: string[] | null;
    }
    for (const row of golden<Row>('go-replace.json')) {
      const regex = compileRegex(row.Pattern);
      const groups = regex.exec(row.Text);
      expect({
        ...row,
        Replaced: regex.replaceAll(row.Text, row.Template),
        Literal: regex.replaceAllLiteral(row.Text, row.Template),
        Count: regex.findAllCount(row.Text),
        Groups: groups && [...groups].map((group) => group ?? '\0none'),
      }).toEqual(row);
    }
  });
});

describe('hostile patterns are linear', () => {
  test.each([
    ['(a+)+$', 'a', 50_000, 'b'],
    ['(?:a|aa)+$', 'a', 50_000, 'b'],
    ['(x+x+)+y', 'x', 50_000, ''],
    ['a.*b.*c.*d.*e.*[fg]', 'abcde', 20_000, ''],
    ['(?:a{0,16}){16}b', 'a', 20_000, ''],
    ['(?i)(.*)*=', 'x', 50_000, ''],
    ['\\s+$', ' ', 100_000, 'x'],
    ['(.?){500}x', 'a', 5_000, ''],
    ['(\\d+\\.)+x', '1.', 50_000, ''],
    ['(?m)a+$', 'a ', 50_000, ''],
    ['[0-9a-f]{32}', '0123456789abcde ', 10_000, ''],
    ['(.*)(.*)(.*)(.*)(.*)[^a]$', 'ab', 20_000, 'a'],
  ])('%s', async (pattern, unit, times, end) => {
    const regex = compileRegex(pattern);
    const prepare = (count: number) => {
      const text = unit.repeat(count) + end;
      const bytes = Buffer.from(text);
      return () =>
        interruptible(
          () => undefined,
          () => {
            const answer = regex.test(text);
            expect(regex.testBytes(bytes)).toBe(answer);
            expect(regex.exec(text) !== null).toBe(answer);
          },
        );
    };
    // A backtracking engine would need hours or years already for the smaller text.
    await expectCostGrowth(prepare, { small: times / 10, large: times });
  });
});

describe('bytes that are no UTF-8', () => {
  test('are matched without a crash, stray continuation bytes going with the character before them', () => {
    const bad = Buffer.from([0x61, 0xff, 0x80, 0x62, 0xc3]);
    expect(compileRegex('a.*b').testBytes(bad)).toBe(true);
    expect(compileRegex('^a.b').testBytes(bad)).toBe(true);
    expect(compileRegex('b.$').testBytes(bad)).toBe(true);
    expect(compileRegex('\\p{Greek}').testBytes(bad)).toBe(false);
    expect(compileRegex('(a|b)+(?:.?)*zz').testBytes(bad)).toBe(false);
  });
});
