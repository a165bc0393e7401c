/** Lines that anyone may write, through every stage that parses lines. */
import { LokiError } from '@loki/model';
import type { FuzzTarget } from '@loki/test-tools';
import { plainRows, runLeaf, tenant } from './blocks.ts';
import { streamOfBytes } from './query.ts';

const lines = [
  '{"level":"info","a":{"b":[1,2.5,{"c":"x"}],"é":"\\u00e9\\n"},"_entry":"inner","n":-1e5,"t":true,"z":null}',
  'level=warn msg="a \\"b\\" c" dur=1.5s size=3KiB ip=10.0.0.1 empty= flag x.y=z é=ż',
  '10.0.0.7 - - [23/Nov/2026:08:00:00 +0000] "GET /x?a=b HTTP/1.1" 200 512 \u001b[31mred\u001b[0m ::1 1.2.3.4-5',
];
const queries = [
  '{a="b"} | json',
  '{a="b"} | json x="a.b[0]", y="[\\"é\\"]", z="a.b[2].c"',
  '{a="b"} | logfmt',
  '{a="b"} | logfmt --strict --keep-empty x="x.y", d="dur"',
  '{a="b"} | pattern "<ip> - <_> [<ts>] \\"<method> <path> <_>\\" <status> <size>"',
  '{a="b"} | regexp "(?P<ip>[0-9.]+).*?(?P<rest>\\\\w+$)"',
  '{a="b"} | unpack | line_format "{{ .level }} {{ __line__ }}"',
  '{a="b"} | decolorize |= ip("10.0.0.0/8") | line_format "{{ __line__ | regexReplaceAll \\"a+\\" \\"b\\" }}"',
  '{a="b"} |~ "(?i)GET|post" != "xyz" |> "<_>.<_> - <_>" | json | level != "" or n > 5 | drop a, b="c"',
  '{a="b"} | logfmt | dur > 1s and size < 1MB or ip = ip("10.0.0.1") | label_format x=`{{ .msg | ToUpper }}`, y=level',
];
const metrics = [
  'sum_over_time({a="b"} | logfmt | unwrap dur | __error__="" [1m])',
  'avg_over_time({a="b"} | json | unwrap n [1m])',
  'max_over_time({a="b"} | logfmt | unwrap bytes(size) [1m])',
  'sum by (level) (count_over_time({a="b"} | json | logfmt [1m]))',
];

const request = { tenant, startNs: 0n, endNs: 1n << 60n };

export const targets: readonly FuzzTarget[] = [
  {
    name: 'lines',
    shape: 'text',
    corpus: () => lines,
    words: [
      '"',
      '\\"',
      '\\u',
      '{',
      '}',
      '[',
      ']',
      '=',
      ',',
      ':',
      '_entry',
      '\u001b[',
      '"__error__"',
      '\ufffd',
      '1e309',
      '::',
      '255.255.255.255',
    ],
    isRefusal: (error) => error instanceof LokiError && error.code === 'badRequest',
    run: async (input) => {
      const sources = [
        { kind: 'bytes' as const, bytes: streamOfBytes({ a: 'b' }, [input, Buffer.from('x=y'), input]) },
      ];
      const seen: number[] = [];
      for (const expr of queries) {
        const result = await runLeaf(
          { ...request, kind: 'log', expr, direction: 'forward', limit: 0 },
          sources,
        );
        if (result.kind !== 'log') throw new TypeError('no rows');
        const rows = plainRows(result);
        seen.push(rows.length);
      }
      for (const expr of metrics) {
        await runLeaf(
          {
            ...request,
            endNs: 60_000_000_000n,
            kind: 'samples',
            expr,
            stepNs: 60_000_000_000n,
            seriesMax: 1000,
          },
          sources,
        );
      }
      return seen.join();
    },
    // Fourteen queries each.
    cpuMsMax: 1000,
    limitBytes: 64 * 2 ** 20,
  },
];
