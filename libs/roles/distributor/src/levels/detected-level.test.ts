/** Protects: the level of a line is the one that Loki recorded. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { compressSync } from 'snappy';
import { encodePushRequest } from '@loki/proto';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';
import { detectLevel, levelOfSeverityNumber, normalizeLevel } from './detected-level.ts';
import { LevelFields } from './level-fields.ts';

const fields = new LevelFields(defaultLimits.logLevelFields);

function levelOf(line: string): string {
  // Neighbouring bytes must not matter: lines lie side by side in the body.
  const bytes = Buffer.from(`error ${line} error`);
  return detectLevel(bytes, 6, bytes.length - 6, fields, 2);
}

type Recorded = [
  level: string,
  line: string,
  labels?: Record<string, string>,
  metadata?: Record<string, string>,
];
const recorded = readFileSync(join(__dirname, '../testdata/recorded-levels.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

test('Loki found the same level in each recorded line', () => {
  const lines = recorded.filter(([, , labels]) => labels === undefined);
  expect(lines.length).toBeGreaterThan(100);
  expect(lines.map(([, line]) => [levelOf(line), line])).toEqual(lines.map(([level, line]) => [level, line]));
});

test('a level stated by a label or by metadata is the one that Loki recorded', async () => {
  const stated = recorded.filter(([, , labels]) => labels !== undefined);
  expect(stated.length).toBeGreaterThan(10);
  for (const [level, line, labels, metadata] of stated) {
    const { push, log } = testDistributor();
    const label = Object.entries({ app: 'a', ...labels }).map(([name, value]) => `${name}="${value}"`);
    const body = encodePushRequest({
      streams: [
        {
          labels: `{${label.join(',')}}`,
          entries: [
            {
              timestampNs: BigInt(Date.UTC(2026, 0, 15, 12)) * 1_000_000n,
              line,
              metadata: Object.entries(metadata ?? {}),
            },
          ],
        },
      ],
    });
    await push('t', {
      body: compressSync(body),
      headers: new Map([['content-type', 'application/x-protobuf']]),
    });
    expect([line, storedEntries(log)[0].metadata.detected_level]).toEqual([line, level]);
  }
});

test.each([
  ['{"level":"info","log":{"level":"fatal"}}', 'info'],
  ['{"log":{"level":"fatal"},"level":"info"}', 'fatal'],
  ['{"log":{"inner":{"level":"fatal"}}}', 'fatal'], // too deep for a field, but a whole word
  ['{"log":{"inner":{"level":"wrn"}}}', 'unknown'],
  // Of several fields the first one written.
  ['{"severity":"wrn","level":"dbg"}', 'warn'],
  ['{"level":"dbg","severity":"wrn"}', 'debug'],
  ['{"lvl":"trc","severity":"wrn","level":"dbg"}', 'trace'],
  ['{"Severity":"INF","LEVEL":"wrn"}', 'info'],
  ['{"log":{"severity":"wrn"},"level":"dbg"}', 'warn'],
  ['{"level":"dbg","level":"wrn"}', 'debug'],
  ['{"level":30,"severity":"wrn"}', 'warn'],
  ['{"level":null,"severity":"wrn"}', 'warn'],
  ['{"level":{"name":"x"},"severity":"wrn"}', 'warn'],
  ['{"severity":"notice","level":"dbg"}', 'unknown'],
  ['{"severity":"notice","level":"error"}', 'error'], // as a word
  ['{"a":[{"level":"dbg"}],"lvl":"trc"}', 'trace'],
  ['{"a":"}\\"","level":"dbg"}', 'debug'],
  ['{"level" : "dbg" }', 'debug'],
  ['{"level":"dbg"', 'unknown'],
  ['  {"level":"dbg"}\n', 'debug'],
  ['severity=dbg level=wrn', 'warn'],
  ['msg="level=dbg" lvl=trc', 'trace'],
  ['msg="a \\" level=dbg" lvl=trc', 'trace'],
  ['LEVEL="INF" x', 'info'],
  ['xlevel=dbg', 'unknown'],
  ['level=notice an error', 'error'],
  ['error before level=dbg', 'debug'],
  ['warnings errors', 'unknown'],
  ['(warn)', 'warn'],
  ['a|info|b', 'info'],
  ['Info: warn', 'info'],
  ['criticality fatal!', 'fatal'],
  ['err', 'error'],
  ['', 'unknown'],
  ['=', 'unknown'],
  ['"', 'unknown'],
])('the level of %j is %s', (line, level) => {
  expect(levelOf(line)).toBe(level);
});

test('OTLP severity numbers fall into six levels of four', () => {
  expect(['0', '1', '4', '5', '9', '13', '17', '21', '24'].map(levelOfSeverityNumber)).toEqual([
    'unknown',
    'trace',
    'trace',
    'debug',
    'info',
    'warn',
    'error',
    'fatal',
    'fatal',
  ]);
  expect(['25', 'x', '-1', ''].map(levelOfSeverityNumber)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(normalizeLevel('WARNING')).toBe('warn');
  expect(normalizeLevel('Custom')).toBe('Custom');
});

/** The same search by a regular expression over text. */
function plainKeyword(line: string): string {
  const found =
    /(?:^|[ \t\n[({"'=|])(trace|debug|fatal|critical|error|err|warning|warn|info)(?=$|[ \t\n[\](){}:,!"'=|])/i.exec(
      line,
    );
  return found ? normalizeLevel(found[1]) : 'unknown';
}

test('keywords are found as a regular expression finds them', () => {
  const word = fc.constantFrom(
    'trace', 'DEBUG', 'fatal', 'Critical', 'error', 'err', 'warning', 'warn', 'info', 'in', 'e', 'errors', 'é', 'x',
  ); // prettier-ignore
  const border = fc.constantFrom(
    '',
    ' ',
    '\t',
    '[',
    ']',
    '(',
    ')',
    '{',
    '}',
    ':',
    ',',
    '!',
    '"',
    "'",
    '|',
    '-',
    '.',
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(border, word, border), { maxLength: 8 }), (parts) => {
      const line = parts.flat().join('').trim();
      // Without `=`, and not as an object, only keywords count.
      if (line.startsWith('{') && line.endsWith('}')) return;
      expect(levelOf(line)).toBe(plainKeyword(line));
    }),
    { numRuns: 2000 },
  );
});

test('no line makes the search fail or leave the line', () => {
  const known = new Set(['trace', 'debug', 'info', 'warn', 'error', 'critical', 'fatal', 'unknown']);
  const piece = fc.constantFrom(
    '{',
    '}',
    '"',
    '\\',
    '=',
    'level',
    'lvl',
    ':',
    ',',
    ' ',
    'info',
    '[',
    ']',
    'wrn',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 30 }), (pieces) => {
      expect(known.has(levelOf(pieces.join('')))).toBe(true);
    }),
    { numRuns: 3000 },
  );
});
