/**
 * Protects the judges of the mixin: they report every selector without a sample, in each form of selector.
 */
import { addSeries, claimText, hasSample, sampleClaims } from './mixin-samples.ts';

test('each alternative is a claim of its own, and a job is one', () => {
  const expr =
    'sum(rate(loki_x_total{cluster=~"$cluster", job=~"($namespace)/(querier|loki)", route=~"a|b/.+"}[1m])) / loki_y';
  expect(sampleClaims(expr).map(claimText)).toEqual([
    'loki_x_total{cluster=~".*", job=~"(.+)/(querier|loki)", route=~"a"}',
    'loki_x_total{cluster=~".*", job=~"(.+)/(querier|loki)", route=~"b/.+"}',
    'loki_y{}',
  ]);
});

test('recorded names are no metrics, and a variable that nothing fills in is a fault', () => {
  expect(sampleClaims('cluster_job:loki_request_duration_seconds:99quantile > 1')).toEqual([]);
  expect(() => sampleClaims('loki_x{a="$nowhere"}')).toThrow('no value for $nowhere');
});

test.each([
  ['loki_x{route="push"}', true],
  ['loki_x{route="pull"}', false],
  ['loki_x{job=~"loki/querier"}', false],
  ['loki_x{job=~"loki/(distributor|loki)", code=~"5.."}', true],
  ['loki_x{code!~"5.."}', false],
  ['loki_x{code!="503"}', false],
  ['loki_z', false],
])('%s has a sample: %p', (selector, expected) => {
  const series = new Map();
  addSeries(series, '# TYPE loki_x counter\nloki_x{route="push",code="503"} 3\n', {
    job: 'loki/distributor',
  });
  expect(hasSample(series, sampleClaims(selector)[0])).toBe(expected);
});
