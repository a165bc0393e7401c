import fc from 'fast-check';
import { stringify } from 'yaml';
import { ConfigError } from './config-error.ts';
import { readOverrides } from './read-overrides.ts';
import { splitOverrides } from './split-overrides.ts';

// Protects: a file that is read in pieces means the same as the file read as one tree, or is refused in the
// same words.

/**
 * A directive makes a file that is read as a whole; it adds two lines, which stand in warnings and faults.
 */
const whole = (text: string) => `%YAML 1.2\n---\n${text.replace(/^---/, '')}`;

function read(text: string): unknown {
  const limits = new Map<string, string>();
  const switches = new Map<string, string>();
  try {
    const { warnings, tenantsByFile } = readOverrides(
      {
        files: [{ file: 'o.yaml', text }],
        globalValues: new Map(),
        limitContext: { maxReturnedStreamErrors: 10 },
        memo: undefined,
      },
      (batch) => {
        for (const [tenant, json] of batch.limits) limits.set(tenant, json);
        for (const [tenant, json] of batch.switches) switches.set(tenant, json);
      },
    );
    return { limits, switches, warnings, tenantsByFile };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

function readAsWhole(text: string): unknown {
  const shift = (words: string) => words.replace(/line (\d+)/g, (_, line) => `line ${Number(line) - 2}`);
  const result = read(whole(text));
  if (typeof result === 'string') return shift(result);
  const { warnings, ...rest } = result as { warnings: readonly string[] };
  return { ...rest, warnings: warnings.map(shift) };
}

const inPieces = [
  'overrides:\n  a:\n    max_line_size: 1\n  b:\n    max_query_series: 2\n',
  'overrides:\n  a:\n    max_line_size: 1\n  b: {max_query_series: 2}\n  c:\n  d: {}\n',
  '# head\n\noverrides: # tenants\n\n  # one\n  "a":\n    max_line_sise: 1\n# two\n  \'b\':\n    # in b\n    max_query_series: 2',
  '---\nconfigs:\n  a:\n    log_push_request: true\noverrides:\n    a:\n        max_line_size: 1\n    b:\n        required_labels:\n        - x\n        - y\nmulti_kv_config:\n  primary: consul\n',
  'overrides:\n  a:\n    blocked_queries:\n      - pattern: |\n          {app="x"}\n            | json\n\n      - pattern: ".*prod.*"\n        regex: true\n  b:\n    max_line_size: 1\n',
  'overrides:\n  a:\n    blocked_queries:\n    - pattern: >-\n        {app="x"}\n\n        # no comment\n  b: {required_labels: [a, \'b\', "c"]}\n',
  'overrides:\n  a: &a\n    max_line_size: 1\n  b:\n    max_line_size: 2\n',
];

const asWhole = [
  'overrides: {}\n',
  'overrides: {a: {max_line_size: 1}}\n',
  'overrides:',
  'overrides:\r\n  a:\r\n    max_line_size: 1\r\n',
  'overrides:\n  a:\n    blocked_queries:\n      - pattern: "x\u2028configs: y"\n  b: {}\n',
  'overrides:\n  ? a\n  : max_line_size: 1\n',
  'overrides:\n  a b:\n    max_line_size: 1\n',
  'overrides:\n    a:\n        max_line_size: 1\n  b:\n    max_line_size: 1\n',
  'overrides:\n  <<: {a: {max_line_size: 1}}\n  b:\n    max_line_size: 1\n',
  '"overrides":\n  a:\n    max_line_size: 1\n',
  'overrides:\n  a: {}\n---\noverrides:\n  b: {}\n',
  'overrides:\n  a: {}\noverrides:\n  b: {}\n',
];

/** Cut between tenants, and then read as a whole after all: what a piece lacks, another has. */
const uncertain = [
  'overrides:\n  a: &a\n    max_line_size: 1\n  b: *a\n',
  'overrides:\n  a: &a\n    max_line_size: 1\n  b:\n    <<: *a\n    max_query_series: 2\n',
  'overrides:\n  a: {}\n  b: {}\n  a: {max_line_size: 1}\n',
  'overrides:\n  a: {\n  max_line_size: 1\n  }\n',
  'overrides:\n  a:\n    blocked_queries: [{pattern: "x\n  b: y"}]\n',
  'overrides:\n  a:\n    max_line_size: big\n  b: {}\n',
  'overrides:\n  a:\n    retention_period: 1h\n',
  'overrides:\n  a:\n    - x\n',
  'overrides:\n  a:\n\tmax_line_size: 1\n',
  'overrides:\n  a:\n    max_line_size: 1\n    max_line_size: 2\n',
  'nope:\n  a: 1\noverrides:\n  a: {}\n',
  'x: "\noverrides:\n  a: {}\n"\n',
  'overrides:\n',
  'overrides:\n  # nothing\n',
];

test.each(inPieces)('in pieces as a whole: %j', (text) => {
  expect(splitOverrides(text)).toBeDefined();
  expect(read(text)).toEqual(readAsWhole(text));
  expect(read(text)).toMatchObject({ tenantsByFile: new Map([['o.yaml', expect.any(Number)]]) });
});

test.each(asWhole)('only as a whole: %j', (text) => {
  expect(splitOverrides(text)).toBeUndefined();
});

test.each(uncertain)('pieces or not, the same: %j', (text) => {
  expect(read(text)).toEqual(readAsWhole(text));
});

const block = fc.record(
  {
    max_line_size: fc.oneof(fc.nat(1e6), fc.constantFrom('1KB', '2MB')),
    query_timeout: fc.constantFrom('1m', '5s', '1h30m'),
    ingestion_rate_mb: fc.double({ min: 0, max: 1e3, noNaN: true }),
    required_labels: fc.array(fc.string({ maxLength: 8 }), { maxLength: 3 }),
    blocked_queries: fc.array(fc.record({ pattern: fc.string({ unit: 'grapheme', maxLength: 20 }) }), {
      maxLength: 2,
    }),
    unknown_limit: fc.string({ maxLength: 8 }),
  },
  { requiredKeys: [] },
);

test('what the yaml library writes is read the same in pieces', () => {
  const style = fc.record({
    indent: fc.constantFrom(2, 4),
    lineWidth: fc.constantFrom(0, 30),
    indentSeq: fc.boolean(),
    collectionStyle: fc.constantFrom('any' as const, 'block' as const),
    defaultStringType: fc.constantFrom(
      'PLAIN' as const,
      'QUOTE_DOUBLE' as const,
      'BLOCK_LITERAL' as const,
      'BLOCK_FOLDED' as const,
    ),
    defaultKeyType: fc.constantFrom('PLAIN' as const, 'QUOTE_SINGLE' as const),
  });
  const tenant = fc.oneof(
    fc.stringMatching(/^[a-z0-9_.!'()-]{1,12}$/),
    fc.string({ minLength: 1, maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.dictionary(tenant, block, { maxKeys: 5 }), style, (overrides, options) => {
      const text = stringify({ configs: { a: { log_push_request: true } }, overrides }, options);
      expect(read(text)).toEqual(readAsWhole(text));
    }),
    { numRuns: 300 },
  );
});

test('a block that the memo knows is not read again, and warnings keep their lines', () => {
  const request = { globalValues: new Map(), limitContext: { maxReturnedStreamErrors: 10 } };
  const known = 'overrides:\n  a:\n    max_line_size: 1\n  b:\n    max_line_sise: 1\n';
  const first = readOverrides({ ...request, files: [{ file: 'o', text: known }], memo: undefined }, () => {});
  // A memo that was changed by hand shows that it is used.
  const memo = new TextEncoder().encode(new TextDecoder().decode(first.memo).replace(',1]', ',7]'));
  const limits: unknown[] = [];
  const second = readOverrides(
    { ...request, files: [{ file: 'o', text: `# more\n${known}` }], memo },
    (batch) => limits.push(...batch.limits),
  );
  expect(limits).toEqual([
    ['a', '[["max_line_size",7]]'],
    ['b', '[]'],
  ]);
  expect(second.warnings).toEqual([expect.stringContaining('line 6')]);
});
