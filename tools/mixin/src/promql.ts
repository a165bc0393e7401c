/** Expressions that many panels share. Every selector carries the labels that a scrape adds. */
import type { Panel, Target, Unit } from './grafana.ts';

/** Jobs by component; the single process is `loki`. */
const jobs = {
  gateway: 'query-frontend',
  distributor: 'distributor',
  ingester: 'ingester.*',
  querier: 'querier',
  compactor: 'compactor',
  ruler: 'ruler',
} as const;

export type Component = keyof typeof jobs;

export const pushRoutes = 'loki_api_v1_push|api_prom_push|otlp_v1_logs';
export const queryRoutes =
  'loki_api_v1_query|loki_api_v1_query_range|loki_api_v1_labels|loki_api_v1_label|loki_api_v1_label_name_values|loki_api_v1_series|loki_api_v1_index_stats|loki_api_v1_index_volume|loki_api_v1_index_volume_range|loki_api_v1_detected_labels|loki_api_v1_detected_fields|loki_api_v1_patterns';

/** `name{cluster…, job of the component, more}` */
export function select(name: string, component: Component, more = ''): string {
  const job = `($namespace)/(${jobs[component]}|loki)`;
  return `${name}{cluster=~"$cluster", namespace=~"$namespace", job=~"${job}"${more === '' ? '' : `, ${more}`}}`;
}

/** The same for every component. */
export function selectAll(name: string, more = ''): string {
  return `${name}{cluster=~"$cluster", namespace=~"$namespace"${more === '' ? '' : `, ${more}`}}`;
}

export function rate(selector: string): string {
  return `rate(${selector}[$__rate_interval])`;
}

/** Requests a second, by class of status. */
export function requests(title: string, component: Component, routes: string): Panel {
  const counted = rate(select('loki_request_duration_seconds_count', component, `route=~"${routes}"`));
  const byClass = `label_replace(${counted}, "class", "\${1}xx", "status_code", "([0-9])..")`;
  const named = `label_replace(${byClass}, "class", "\${1}", "status_code", "([a-zA-Z]+)")`;
  return {
    type: 'timeseries',
    title,
    unit: 'reqps',
    isStacked: true,
    targets: [{ expr: `sum by (class) (${named})`, legend: '{{class}}' }],
  };
}

/** p99, p50 and mean of the time of requests. */
export function latency(title: string, component: Component, routes: string): Panel {
  return durations(title, (suffix) =>
    select(`loki_request_duration_seconds_${suffix}`, component, `route=~"${routes}"`),
  );
}

/** p99, p50 and mean of a histogram of seconds. */
export function durations(title: string, of: (suffix: 'bucket' | 'sum' | 'count') => string): Panel {
  const quantile = (q: number, legend: string): Target => ({
    expr: `histogram_quantile(${q}, sum by (le) (${rate(of('bucket'))}))`,
    legend,
  });
  return {
    type: 'timeseries',
    title,
    unit: 's',
    targets: [
      quantile(0.99, 'p99'),
      quantile(0.5, 'p50'),
      { expr: `sum(${rate(of('sum'))}) / sum(${rate(of('count'))})`, legend: 'mean' },
    ],
  };
}

/** One curve for each value of `by`. */
export function curves(title: string, unit: Unit, by: string, expr: string): Panel {
  return { type: 'timeseries', title, unit, targets: [{ expr, legend: by === '' ? title : `{{${by}}}` }] };
}

export function rateBy(title: string, unit: Unit, by: string, selector: string): Panel {
  return curves(title, unit, by, `sum by (${by}) (${rate(selector)})`);
}

/** The largest ten of a rate. */
export function topRateBy(title: string, unit: Unit, by: string, selector: string): Panel {
  return curves(title, unit, by, `topk(10, sum by (${by}) (${rate(selector)}))`);
}

export function stat(title: string, unit: Unit, expr: string): Panel {
  return { type: 'stat', title, unit, height: 4, targets: [{ expr, legend: '' }] };
}

/** CPU, memory, event loop and descriptors of one component. */
export function resources(component: Component): Panel[] {
  const each = (title: string, unit: Unit, expr: string) => curves(title, unit, 'pod', expr);
  return [
    each('CPU', 'short', `sum by (pod) (${rate(select('process_cpu_seconds_total', component))})`),
    each('Resident memory', 'bytes', `sum by (pod) (${select('process_resident_memory_bytes', component)})`),
    each(
      'Heap of the main thread',
      'bytes',
      `sum by (pod) (${select('nodejs_heap_size_used_bytes', component)})`,
    ),
    each(
      'Event loop delay, p99',
      's',
      `max by (pod) (${select('nodejs_eventloop_lag_p99_seconds', component)})`,
    ),
  ];
}
