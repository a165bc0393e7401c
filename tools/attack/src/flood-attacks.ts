/** Attacks by many requests near the limits, and by bodies of odd shapes. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { openTail } from './bystander-attacks.ts';
import { bodyOf, pushAll } from './stored-lines.ts';

const attackMs = 8_000;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const protobuf = { 'content-type': 'application/x-protobuf' };

function post(attacker: Attacker, path: string, fields: Readonly<Record<string, string>>): Promise<number> {
  return attacker.send(path, {
    method: 'POST',
    headers: form,
    body: new URLSearchParams(fields).toString(),
  });
}

/** Instant queries of these texts, in turn. */
function queries(name: string, about: string, texts: () => readonly string[]): Attack {
  return {
    name,
    about,
    run: (attacker) => {
      const all = texts();
      return attacker.flood(16, attackMs, (turn) =>
        post(attacker, '/loki/api/v1/query', { query: all[turn % all.length] }),
      );
    },
  };
}

function body(
  name: string,
  about: string,
  make: () => Buffer | string,
  { path, headers }: { readonly path?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Attack {
  return {
    name,
    about,
    run: (attacker) => {
      const content = make();
      return attacker.flood(3, attackMs, () => attacker.push(content, headers, path));
    },
  };
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** A field with a length. */
function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(content.length), content]);
}

/** Snappy without compression: literals of 64 KiB. */
function snappy(content: Buffer): Buffer {
  const parts = [varint(content.length)];
  for (let from = 0; from < content.length; from += 65_536) {
    const literal = content.subarray(from, from + 65_536);
    const head = Buffer.from([61 << 2, 0, 0]);
    head.writeUInt16LE(literal.length - 1, 1);
    parts.push(head, literal);
  }
  return Buffer.concat(parts);
}

const labels = field(1, Buffer.from('{app="attack"}'));
const groupBegin = Buffer.from([(15 << 3) | 3]);
const groupEnd = Buffer.from([(15 << 3) | 4]);

function nested(depth: number, open: string, inner: string, close: string): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

function otlpOf(value: string): string {
  const record = `{"timeUnixNano":"${Date.now()}000000","body":{"stringValue":"x"},"attributes":[{"key":"a","value":${value}}]}`;
  return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${record}]}]}]}`;
}

function pushOfStream(stream: string, line = '"x"'): string {
  return `{"streams":[{"stream":${stream},"values":[["${Date.now()}000000",${line}]]}]}`;
}

const rules = (group: number): string => {
  const lines = Array.from(
    { length: 1_000 },
    (_, i) => `- record: r${i}\n  expr: sum(rate({app="x${i}"}[1m]))`,
  );
  return `name: g${group}\ninterval: 1s\nrules:\n${lines.join('\n')}\n`;
};

export const floodAttacks: readonly Attack[] = [
  queries('binary operations', 'instant queries of thousands of operations', () => [
    Array.from({ length: 2_400 }, () => 'vector(1)').join('+'),
    Array.from({ length: 250 }, (_, i) => `rate({a="b${i}"}[1m])`).join(' or '),
    `${'('.repeat(900)}vector(1)${')'.repeat(900)}`,
    `sum by (${Array.from({ length: 4_900 }, (_, i) => `l${i}`).join(',')}) (rate({a="b"}[1m]))`,
    `${'sum('.repeat(900)}rate({a="b"}[1m])${')'.repeat(900)}`,
    `${'label_replace('.repeat(400)}rate({a="b"}[1m])${',"a","$1","b","(.*)")'.repeat(400)}`,
  ]),
  {
    name: 'hostile numbers',
    about: 'unwrap over numbers at the borders of their range, and of 100,000 digits',
    prepare: (attacker) => {
      const numbers = [
        '1e308',
        '-1e308',
        'NaN',
        '+Inf',
        '-0',
        '1e-324',
        '9'.repeat(100_000),
        `0x${'f'.repeat(9_999)}`,
      ];
      const lines = Array.from({ length: 4_000 }, (_, i) => `n=${numbers[i % 6]} i=${i}`);
      const long = Array.from({ length: 20 }, (_, i) => `n=${numbers[6 + (i % 2)]} i=${i}`);
      return pushAll(attacker, [bodyOf('numbers', lines), bodyOf('numbers', long)]);
    },
    run: (attacker) =>
      attacker.flood(8, attackMs, (turn) => {
        const over = ['sum', 'avg', 'stddev', 'quantile', 'rate_counter', 'max'][turn % 6];
        const name = over === 'rate_counter' ? over : `${over}_over_time`;
        const argument = over === 'quantile' ? '0.9,' : '';
        const unwrap = turn % 3 === 0 ? 'duration(n)' : turn % 3 === 1 ? 'bytes(n)' : 'n';
        return post(attacker, '/loki/api/v1/query_range', {
          query: `sum(${name}(${argument}{app="numbers"} | logfmt | unwrap ${unwrap} [5m]))`,
          step: '1',
        });
      }),
  },
  {
    name: 'series of many selectors',
    about: '250 selectors, of 100 matchers each',
    run: (attacker) => {
      const matchers = Array.from({ length: 30 }, (_, i) => `l${i}!~"x.+${i}"`).join(',');
      const selectors = Array.from(
        { length: 250 },
        (_, i) => ['match[]', `{a="${i}",${matchers}}`] as [string, string],
      );
      const text = new URLSearchParams(selectors).toString();
      return attacker.flood(4, attackMs, () =>
        attacker.send('/loki/api/v1/series', { method: 'POST', headers: form, body: text }),
      );
    },
  },
  {
    name: 'deletes',
    about: 'delete requests without end',
    statuses: [200, 204, 400, 404, 413, 429, 503],
    flags: ['-compactor.retention-enabled=true', '-compactor.delete-request-store=filesystem'],
    run: (attacker) =>
      attacker.flood(16, attackMs, (turn) =>
        post(attacker, '/loki/api/v1/delete', {
          query: `{app="x${turn}"} |= "y${turn}"`,
          start: '1700000000',
          end: String(1_700_000_001 + turn),
        }),
      ),
  },
  {
    name: 'rules',
    about: 'groups of 1,000 rules without end, each due every second',
    statuses: [200, 202, 204, 400, 404, 413, 429, 503],
    flags: [
      '-ruler.enable-api=true',
      '-ruler.max-rules-per-rule-group=0',
      '-ruler.max-rule-groups-per-tenant=0',
    ],
    run: (attacker) =>
      attacker.flood(4, attackMs, (turn) =>
        attacker.send(`/loki/api/v1/rules/n${turn % 50}`, {
          method: 'POST',
          headers: { 'content-type': 'application/yaml' },
          body: rules(turn),
        }),
      ),
  },
  {
    name: 'tails of many tenants',
    about: '1,000 tails, each with a pattern of its own, beside pushes of many streams',
    flags: ['-querier.max-concurrent-tail-requests=1000'],
    async run(attacker) {
      const sockets = await Promise.all(
        Array.from({ length: 1_000 }, (_, i) =>
          openTail(attacker, `{app=~"(a|aa)*${'x.*'.repeat(20)}${i}"}`),
        ),
      );
      for (const socket of sockets) socket.resume();
      await attacker.flood(2, attackMs, (turn) => {
        const streams = Array.from(
          { length: 200 },
          (_, i) =>
            `{"stream":{"app":"${turn}-${i}-${'a'.repeat(500)}"},"values":[["${Date.now()}000000","x"]]}`,
        );
        return attacker.push(`{"streams":[${streams.join(',')}]}`);
      });
      for (const socket of sockets) socket.destroy();
      await sleep(500);
    },
  },
  body(
    'empty entries',
    'a protobuf push of a million empty entries',
    () =>
      snappy(
        field(
          1,
          Buffer.concat([
            labels,
            Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.from([0x12, 0]))),
          ]),
        ),
      ),
    { headers: protobuf },
  ),
  body(
    'nested groups',
    'a protobuf push of unknown groups, a million deep, and one beside another',
    () =>
      snappy(
        Buffer.concat([
          field(1, labels),
          Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.concat([groupBegin, groupEnd]))),
          Buffer.alloc(1_000_000, groupBegin),
        ]),
      ),
    { headers: protobuf },
  ),
  body(
    'nested values',
    'OTLP JSON of values 100,000 deep',
    () => otlpOf(nested(100_000, '{"arrayValue":{"values":[', '{"stringValue":"x"}', ']}}')),
    { path: '/otlp/v1/logs' },
  ),
  body(
    'nested lists',
    'OTLP JSON of key-value lists 10,000 deep',
    () =>
      otlpOf(nested(10_000, '{"kvlistValue":{"values":[{"key":"k","value":', '{"stringValue":"x"}', '}]}}')),
    { path: '/otlp/v1/logs' },
  ),
  body('repeated keys', 'a JSON push of a million times the same label', () =>
    pushOfStream(`{${Array.from({ length: 1_000_000 }, () => '"a":"b"').join(',')}}`),
  ),
  body(
    'numbers of a megabyte',
    'a JSON push with numbers of a million digits',
    () =>
      `{"streams":[{"stream":{"app":"x"},"values":[[${'1'.repeat(1_000_000)},"x"]],"n":${'9'.repeat(1_000_000)}}]}`,
  ),
  body('escapes', 'a JSON push of halves of surrogate pairs', () =>
    pushOfStream('{"app":"x"}', `"${'\\ud800'.repeat(1_000_000)}"`),
  ),
  body(
    'JSON nesting',
    'a JSON push of arrays a million deep',
    () => `{"streams":[{"stream":{"app":"x"},"values":${'['.repeat(1_000_000)}`,
  ),
  body(
    'gzip members',
    'a gzip stream of 100,000 members',
    () => Buffer.concat(Array.from({ length: 100_000 }, () => gzipSync(' '))),
    { headers: { 'content-encoding': 'gzip' } },
  ),
  body(
    'zstd of zeros',
    'small zstd frames that are large',
    () => Buffer.concat(Array.from({ length: 500 }, () => zstdCompressSync(Buffer.alloc(1 << 20, 0x20)))),
    { headers: { 'content-encoding': 'zstd' }, path: '/otlp/v1/logs' },
  ),
];
