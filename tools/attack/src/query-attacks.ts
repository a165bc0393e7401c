/** Attacks by expensive queries. */
import type { Attack } from './attacker.ts';

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const floodMs = 10_000;

/** Posts a form to query_range, three at a time. */
function posting(body: string): Attack['run'] {
  return (attacker) =>
    attacker.flood(3, floodMs, () =>
      attacker.send('/loki/api/v1/query_range', { method: 'POST', headers: form, body }),
    );
}

function querying(query: string): Attack['run'] {
  return posting(`query=${encodeURIComponent(query)}`);
}

function queryingAnew(query: (turn: number) => string): Attack['run'] {
  return (attacker) =>
    attacker.flood(3, floodMs, (turn) =>
      attacker.send('/loki/api/v1/query_range', {
        method: 'POST',
        headers: form,
        body: `query=${encodeURIComponent(query(turn))}`,
      }),
    );
}

/** Stages of some 128 KiB, or of as many tokens as a query may have. */
const longStages = [
  `|~ "${'.*x'.repeat(43_000)}"`,
  `|~ "(?i)${'s'.repeat(130_000)}"`,
  `|~ "${'a?'.repeat(65_000)}"`,
  `| regexp "(?P<x>a)${'.*x'.repeat(43_000)}"`,
  `| x=~"${'.*x'.repeat(43_000)}"`,
  `| line_format "${'{{.x}}'.repeat(21_000)}"`,
  `|= "a"${' or "b"'.repeat(4_900)}`,
  `| drop a${',b=~"x.+"'.repeat(2_400)}`,
  `| label_format ${Array.from({ length: 2_400 }, (_, i) => `x${i}="{{.y}}"`).join(',')}`,
  `| json ${Array.from({ length: 2_400 }, (_, i) => `x${i}="y[0].z"`).join(',')}`,
];

/** A sum with `leaves` leaves, as a balanced tree: its nesting is no reason to refuse it. */
function sumOf(leaves: number, first = 0): string {
  if (leaves === 1) return `rate({a="b${first}"}[1m])`;
  const half = leaves >> 1;
  return `(${sumOf(half, first)}+${sumOf(leaves - half, first + half)})`;
}

export const queryAttacks: readonly Attack[] = [
  {
    name: 'digits of a time',
    about: 'A7: start= of 10 MB of digits',
    run: posting(`query=%7Bapp%3D%22x%22%7D&start=${'1'.repeat(10_000_000)}`),
  },
  {
    name: 'escapes of a form',
    about: 'A7: a parameter of 10 MB of escapes',
    run: posting(`query=%7Bapp%3D%22x%22%7D&x=${'%e9'.repeat(3_400_000)}`),
  },
  { name: 'leaves', about: 'A7: a query of 4,000 leaves', run: querying(sumOf(4_000)) },
  { name: 'most leaves', about: 'A7: as many leaves as a query may have', run: querying(sumOf(256)) },
  {
    name: 'matchers',
    about: 'A7: a query of 15,000 matchers',
    run: querying(`{a="b"${',c!~"x"'.repeat(15_000)}}`),
  },
  {
    name: 'long pattern',
    about: 'A7: a regular expression as long as one may be, but too large',
    run: querying(`{a=~"${'.*x'.repeat(5_400)}"}`),
  },
  {
    name: 'large pattern',
    about: 'A7: a regular expression as large as one may be, never the same twice',
    run: queryingAnew((turn) => `{app=~"${turn}${'.*x'.repeat(2_000)}"}`),
  },
  {
    name: 'long stages',
    about: 'A7: patterns, templates and lists as long as a query may be, never the same twice',
    run: queryingAnew((turn) => `{app="b${turn}"} ${longStages[turn % longStages.length]}`),
  },
  {
    name: 'invented tenants',
    about: 'A7: requests of tenants that send nothing',
    async run(attacker) {
      for (let batch = 0; batch < 200; batch++) {
        await Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            attacker.send('/loki/api/v1/labels', { tenant: `invented-${batch * 50 + i}` }),
          ),
        );
      }
    },
  },
];
