/**
 * Protects scrapes in OpenMetrics: who asks for it gets what its parsers take, who does not gets Prometheus'
 * text.
 */
import { Metrics } from './metrics.ts';
import { expositionFor, openMetricsText } from './open-metrics.ts';
import { collectProcessMetrics } from './process-metrics.ts';

const openMetrics1 = 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores';
const openMetrics0 = 'application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores';
const plain = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';

test.each([
  ['', plain],
  ['*/*', plain],
  ['text/plain', plain],
  ['application/json', plain],
  ['application/openmetrics-text', openMetrics0],
  ['application/openmetrics-text; version=0.0.1', openMetrics0],
  ['application/openmetrics-text; version=1.0.0; charset=utf-8', openMetrics1],
  ['application/openmetrics-text; version=2.0.0', plain],
  ['application/openmetrics-text; q=0', plain],
  ['text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4', plain],
  // Prometheus 2 and 3.
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    openMetrics1,
  ],
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    openMetrics1,
  ],
  ['application/vnd.google.protobuf;q=0.9,text/plain;q=0.3', plain],
])('Accept: %s is answered with %s', (accept, contentType) => {
  expect(expositionFor(accept)).toEqual({ contentType, isOpenMetrics: contentType !== plain });
});

test('counters, bounds, quotes and numbers are written as OpenMetrics wants them', async () => {
  const metrics = new Metrics();
  metrics.counter('loki_lines_total', 'Lines "seen".', ['tenant']).inc({ tenant: 'a b="{}"' }, 2);
  metrics.counter('loki_odd', 'A counter by another name.').inc(3);
  metrics.gauge('loki_level', 'Level.').set(Number.NaN);
  metrics.histogram('loki_seconds', 'Seconds.', [0.5, 1, 10]).observe(0.7);
  metrics.fastHistogram('loki_bytes', 'Bytes.', [1]).series({ route: 'x' }).observe(1);
  expect(openMetricsText(await metrics.text())).toBe(`# HELP loki_lines Lines \\"seen\\".
# TYPE loki_lines counter
loki_lines_total{tenant="a b=\\"{}\\""} 2
# HELP loki_odd A counter by another name.
# TYPE loki_odd counter
loki_odd_total 3
# HELP loki_level Level.
# TYPE loki_level gauge
loki_level NaN
# HELP loki_seconds Seconds.
# TYPE loki_seconds histogram
loki_seconds_bucket{le="0.5"} 0
loki_seconds_bucket{le="1.0"} 1
loki_seconds_bucket{le="10.0"} 1
loki_seconds_bucket{le="+Inf"} 1
loki_seconds_sum 0.7
loki_seconds_count 1
# HELP loki_bytes Bytes.
# TYPE loki_bytes histogram
loki_bytes_bucket{le="1.0",route="x"} 1
loki_bytes_bucket{le="+Inf",route="x"} 1
loki_bytes_sum{route="x"} 1
loki_bytes_count{route="x"} 1
# EOF
`);
});

test('one scrape changes nothing for the next, in whichever form', async () => {
  const metrics = new Metrics();
  collectProcessMetrics(metrics);
  metrics.counter('loki_lines_total', 'Lines.').inc(2);
  const namesOf = (exposition: string) => exposition.split('\n').filter((line) => line.startsWith('# TYPE'));
  const before = namesOf(await metrics.text());
  const open = namesOf(openMetricsText(await metrics.text()));
  expect(namesOf(await metrics.text())).toEqual(before);
  // No two families share a name.
  expect(new Set(open.map((line) => line.split(' ')[2])).size).toBe(open.length);
});
