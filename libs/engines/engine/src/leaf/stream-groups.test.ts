/** Protects label requests: names and values from dictionaries equal those of a walk over the streams. */
import fc from 'fast-check';
import { loadHash } from '@loki/model';
import type { StreamGrouping, StreamVolume } from '@loki/ports';
import { openSegment } from '@loki/segment';
import { segmentOf, tenant } from '../test/blocks.ts';
import { labelGroups } from './stream-groups.ts';

beforeAll(loadHash);

const labels = fc.dictionary(
  fc.constantFrom('app', 'env', 'pod', 'zone'),
  fc.constantFrom('a', 'b', 'c', 'd'),
  {
    minKeys: 1,
  },
);

function sectionOf(streams: readonly Record<string, string>[]) {
  const rows = streams.map((each, i) => ({ labels: each, ts: BigInt(i), line: 'x' }));
  return openSegment(segmentOf(rows)).section(tenant)!;
}

/** Each label with its values, in order. */
function shown(groups: readonly StreamVolume[]): [string, string[] | undefined][] {
  return groups
    .map(({ labels: [[name]], values }): [string, string[] | undefined] => [
      name,
      values && [...values].sort(),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

test.each<StreamGrouping>([
  { by: 'name' },
  { by: 'name', withValues: true },
  { by: 'name', names: ['pod', 'absent'], withValues: true },
  { by: 'name', names: ['app', 'env'] },
])('labels of a section are those of its streams: %j', (grouping) => {
  fc.assert(
    fc.property(
      fc.array(labels, { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.boolean()),
      (all, picks) => {
        const { streams, labelIndex } = sectionOf(all);
        const every = Array.from({ length: streams.count }, (_, i) => i);
        const some = every.filter(() => picks.next().value as boolean);
        for (const [chosen, given] of [
          [every, undefined],
          [some, Uint32Array.from(some)],
        ] as const) {
          const values = new Map<string, Set<string>>();
          for (const stream of chosen) {
            for (const [name, value] of streams.labels(stream)) {
              if (grouping.names && !grouping.names.includes(name)) continue;
              values.set(name, (values.get(name) ?? new Set()).add(value));
            }
          }
          const expected = Array.from(values, ([name, texts]): [string, string[] | undefined] => [
            name,
            grouping.withValues ? [...texts].sort() : undefined,
          ]).sort(([a], [b]) => (a < b ? -1 : 1));
          expect(shown(labelGroups(labelIndex, grouping, given))).toEqual(expected);
        }
      },
    ),
  );
});
