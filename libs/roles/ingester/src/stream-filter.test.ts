/** Protects the consumption of records: a follower's pattern must not cost more than a record is worth. */
import { compileMatcher } from '@loki/logql';
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

test('a pattern runs once for each label value', () => {
  const { texts, filter } = counted('pod-.*1');
  for (let record = 0; record < 5; record++) {
    const [matcher] = filter.forRecord(1);
    const verdicts = Array.from({ length: 100 }, (_, i) => matcher.matches(`pod-${i}`));
    expect(verdicts.map((isAccepted, i) => (isAccepted ? i : -1)).filter((i) => i >= 0)).toEqual([
      1, 11, 21, 31, 41, 51, 61, 71, 81, 91,
    ]);
  }
  expect(texts).toHaveLength(100);
});

test('a dear pattern runs on a few new values of each record, and counts as matching the rest', () => {
  const { texts, filter } = counted(`${'.*x'.repeat(200)}`);
  for (let record = 1; record <= 3; record++) {
    const [matcher] = filter.forRecord(1);
    for (let i = 0; i < 1_000; i++) matcher.matches(`${record}-${i}-${'a'.repeat(500)}`);
    expect(texts.length).toBeLessThanOrEqual(record);
    expect(matcher.matches(`${record}-new`)).toBe(true);
  }
});

test('followers share the cost of a record', () => {
  const [alone, among] = [1, 100].map((followers) => {
    const { texts, filter } = counted('pod-.*1');
    const [matcher] = filter.forRecord(followers);
    for (let i = 0; i < 10_000; i++) matcher.matches(`pod-${i}`);
    return texts.length;
  });
  expect(among).toBeGreaterThan(0);
  expect(among).toBeLessThan(alone / 50);
});
