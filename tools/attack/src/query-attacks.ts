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

/** A sum of so many leaves, as a balanced tree: its nesting is no reason to refuse it. */
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
    about: 'A7: a regular expression as long as one may be',
    run: querying(`{a=~"${'.*x'.repeat(5_400)}"}`),
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
