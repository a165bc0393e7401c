/**
 * Patterns of RE2's syntax and texts to search, split by a zero character: linear time on any text, and the
 * same answer from all engines and re2js.
 */
import { RE2JS } from 're2js';
import { LokiError } from '@loki/model';
import type { FuzzTarget } from '@loki/test-tools';
import { RegexSyntaxError } from './regex-syntax-error.ts';
import { compileRegex } from './regex.ts';

const separator = '\0';
const patterns = ['(a+)+$', '(?P<ip>\\d+\\.\\d+) (?P<m>GET|POST)', '^[a-z]{2,5}?x*$', '(?i)error|warn(?:ing)?', '\\bfoo\\b', '[^\\x00-\\x7f]+', '(a|ab)(c|bcd)(d*)', '.*.*.*=.*', '(?s).{0,100}z', '\\pL+\\d', '[[:alpha:]]*', '\\Q.+\\E', '(x{10}){10}', '(|a)*', 'a??b', '((((a))))']; // prettier-ignore
const texts = [
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab',
  '10.0.0.1 GET /x',
  'an error: foo-bar żółw \u{1f600}',
  'abcdbcdd',
  'a=b=c=d\n=e',
];

/** Longer ones cost the oracle seconds. */
const oracleCharsMax = 300;

/** A pattern too large for a text is refused when it meets the text. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegexSyntaxError || (error instanceof LokiError && error.code === 'badRequest');
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'regex',
    shape: 'text',
    corpus: () => [
      ...patterns.map((pattern, index) => `${pattern}${separator}${texts[index % texts.length]}`),
      `[${'[:'.repeat(32_000)}`,
    ],
    words: ['(?:', '(?i)', '(?P<a>', ')', '*', '+', '?', '{2,5}', '{1000}', '|', '^', '$', '\\b', '\\B', '\\A', '\\z', '[^', ']', '\\d', '\\pL', '\\p{Greek}', '[[:digit:]]', '.*', '(a*)*', '(a|b)*', '\\x{10FFFF}', '\\C', '*?', separator], // prettier-ignore
    isRefusal,
    run: (input) => {
      const [pattern, ...rest] = input.toString().split(separator);
      // Time is linear in program × text, and both are bounded together where queries run.
      const text = rest.join(separator).slice(0, 4000);
      const regex = compileRegex(pattern);
      const matches = regex.test(text);
      const bytes = Buffer.from(text);
      if (regex.testBytes(bytes) !== matches) throw new Error('bytes and text have different answers');
      const groups = regex.exec(text);
      if ((groups !== null && groups !== undefined) !== matches) {
        throw new Error('test and exec have different answers');
      }
      const anchored = compileRegex(pattern, { anchored: true });
      if (anchored.test(text) && !matches) throw new Error('all of the text matches, and no part of it');
      if (pattern.length + text.length <= oracleCharsMax && !/\{\d{3,}/.test(pattern)) {
        const wanted = oracle(pattern, text);
        if (wanted !== undefined && wanted !== matches) throw new Error(`re2js says ${wanted}`);
      }
      return matches;
    },
    limitBytes: 32 * 2 ** 20,
  },
  {
    name: 'regex-replace',
    shape: 'text',
    corpus: () =>
      patterns.map(
        (pattern, index) => `${pattern}${separator}${texts[index % texts.length]}${separator}$1-\${ip}$$`,
      ),
    words: ['$1', '${1}', '$name', '$$', '${', '$9999999999', separator],
    isRefusal,
    run: (input) => {
      const [pattern, text = '', template = ''] = input.toString().split(separator);
      return replaced(pattern, text, template);
    },
    limitBytes: 32 * 2 ** 20,
  },
];

/** Undefined: re2js does not take the pattern. */
function oracle(pattern: string, text: string): boolean | undefined {
  try {
    return RE2JS.compile(pattern).matcher(text).find();
  } catch {
    return undefined;
  }
}

function replaced(pattern: string, text: string, template: string): number {
  const regex = compileRegex(pattern);
  // Each character gives the template's text at most once, and the end of the text once more.
  return regex.replaceAll(text.slice(0, 2000), template.slice(0, 200)).length;
}
