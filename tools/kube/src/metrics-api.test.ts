/** Protects the queries by which an autoscaler's metric is made: those of the file that the chart ships. */
import { externalQuery, selectorOf } from './metrics-api.ts';

const rules = [{ name: { as: 'a' }, metricsQuery: 'sum(max_over_time(a{<<.LabelMatchers>>,q="1"}[2m]))' }];

test('the matchers of the autoscaler stand in the rule', () => {
  const matchers = { namespace: 'loki', ...selectorOf('namespace=loki,app=x') };
  expect(externalQuery(rules, 'a', matchers)).toBe(
    'sum(max_over_time(a{namespace="loki",app="x",q="1"}[2m]))',
  );
});

test('a metric without a rule is none', () => {
  expect(externalQuery(rules, 'b', {})).toBeUndefined();
  expect(selectorOf(null)).toEqual({});
});
