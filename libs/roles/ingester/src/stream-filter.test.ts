/** Protects the consumption of records: a follower's pattern must not cost more than a record is worth. */
import { compileMatcher } from '@loki/logql';
import { Labels } from '@loki/model';
import type { Section } from '@loki/segment';
import { StreamFilter } from './stream-filter.ts';

function counted(value: string) {
  const matcher = compileMatcher({ name: 'pod', op: '=~', value });
  const texts: string[] = [];
  const matches = (text: string) => {
    texts.push(text);
    return matcher.matches(text);
  };
  return { texts, filter: new StreamFilter([{ ...matcher, matches }]) };
}

/** A section with two rows of each stream; `read` counts the streams that were looked at. */
function sectionOf(pods: readonly string[]) {
  const read = { streams: 0 };
  const streams = {
    count: pods.length,
    entries: () => 2,
    labels: (stream: number) => {
      read.streams++;
      return Labels.fromPairs([['pod', pods[stream]]]);
    },
  };
  const section = { streams, rowCount: 2 * pods.length } as unknown as Section;
  return { section, read };
}

const pods = (count: number) => Array.from({ length: count }, (_, i) => `pod-${i}`);

test('a pattern runs once for each label value', () => {
  const { texts, filter } = counted('pod-.*1');
  const { section } = sectionOf(pods(100));
  for (let record = 0; record < 5; record++) expect(filter.rowsOf(section, 1)).toBe(2 * 10);
  expect(texts).toHaveLength(100);
});

test('a dear pattern runs on a few new values of each record, and counts as matching the rest', () => {
  const { texts, filter } = counted(`${'.*x'.repeat(200)}`);
  for (let record = 1; record <= 3; record++) {
    const { section } = sectionOf(pods(1_000).map((pod) => `${record}-${pod}-${'a'.repeat(500)}`));
    expect(filter.rowsOf(section, 1)).toBeGreaterThan(1_900);
    expect(texts.length).toBeLessThanOrEqual(record);
  }
});

test('queries share the cost of a record', () => {
  const [alone, among] = [1, 100].map((queries) => {
    const { texts, filter } = counted('pod-.*1');
    filter.rowsOf(sectionOf(pods(10_000)).section, queries);
    return texts.length;
  });
  expect(among).toBeGreaterThan(0);
  expect(among).toBeLessThan(alone / 50);
});

test('of a record with very many streams, those that were not tested count as matching', () => {
  const filter = new StreamFilter([compileMatcher({ name: 'pod', op: '=', value: 'pod-7' })]);
  const few = sectionOf(pods(50));
  expect(filter.rowsOf(few.section, 1_000)).toBe(2);
  const many = sectionOf(pods(5_000));
  expect(filter.rowsOf(many.section, 1)).toBe(2);
  many.read.streams = 0;
  expect(filter.rowsOf(many.section, 1_000)).toBe(2 + 2 * (5_000 - many.read.streams));
  expect(many.read.streams).toBeLessThan(100);
});
