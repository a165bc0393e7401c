/** The queries of the benchmark over stored lines. */
import fs from 'node:fs';
import path from 'node:path';

/** The part of a data set's manifest that queries are made of. */
export interface DataSet {
  readonly directory: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly needles: {
    readonly uuid: string;
    readonly traceLine: string;
    readonly traceMeta: string;
    readonly phrase: string;
    readonly absent: string;
  };
  readonly tailPod: { readonly namespace: string; readonly app: string; readonly pod: string };
}

export function readDataSet(directory: string): DataSet {
  const text = fs.readFileSync(path.join(directory, 'manifest.json'), 'utf8');
  return { ...(JSON.parse(text) as DataSet), directory };
}

export interface StoreQuery {
  readonly id: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  /** Queries that are sent with this one, at once. */
  readonly others?: readonly StoreQuery[];
}

/**
 * Queries of each class: needles, newest lines, counts, scans of one column and of all, a dashboard, labels.
 */
export function storeQueries({ startMs, endMs, needles, tailPod }: DataSet): StoreQuery[] {
  const all = '{cluster=~".+"}';
  const hourMs = 3_600_000;
  const range = (id: string, query: string, params: Record<string, string | number> = {}): StoreQuery => {
    const merged = { query, start: ns(startMs), end: ns(endMs), ...params };
    const texts = Object.entries(merged).map(([name, value]) => [name, String(value)]);
    return {
      id,
      path: '/loki/api/v1/query_range',
      params: Object.fromEntries(texts) as Record<string, string>,
    };
  };
  const lines = (id: string, query: string, limit = 1000, fromMs = startMs): StoreQuery =>
    range(id, query, { start: ns(fromMs), limit });
  const counts = (id: string, query: string, step: number): StoreQuery =>
    range(id, query, { start: ns(startMs + step * 1000), step: `${step}s` });
  const tail = `{namespace="${tailPod.namespace}", app="${tailPod.app}", pod="${tailPod.pod}"}`;
  const panels = [
    counts('by app', `sum by (app) (count_over_time(${all}[120s]))`, 120),
    counts('by namespace', `sum by (namespace) (count_over_time(${all}[120s]))`, 120),
    counts('by pod', `topk(10, sum by (pod) (count_over_time(${all}[120s])))`, 120),
    counts('bytes', `sum by (namespace) (bytes_over_time(${all}[120s]))`, 120),
    counts('by level', `sum by (detected_level) (count_over_time(${all}[120s]))`, 120),
    counts('errors', `sum by (namespace) (count_over_time(${all} |= "error" [120s]))`, 120),
  ];
  return [
    lines('needle_all', `${all} |= "${needles.uuid}"`),
    lines('needle_absent', `${all} |= "${needles.absent}"`),
    lines('needle_trace20', `${all} |= "${needles.traceLine}"`),
    lines('meta_trace', `${all} | trace_id="${needles.traceMeta}"`),
    lines('phrase_1000', `${all} |= "${needles.phrase}"`),
    lines('tail100', tail, 100, endMs - hourMs),
    lines('last1000', all, 1000, endMs - hourMs),
    lines('last5000_24h', '{namespace="shop-prod"}', 5000),
    counts('count_by_app', `sum by (app) (count_over_time(${all}[120s]))`, 120),
    counts('bytes_by_ns', `sum by (namespace) (bytes_over_time(${all}[120s]))`, 120),
    counts('level_volume', `sum by (detected_level) (count_over_time(${all}[120s]))`, 120),
    counts('rate_error', `sum by (namespace) (count_over_time(${all} |= "error" [120s]))`, 120),
    { ...panels[0], id: 'six panels', others: panels.slice(1) },
    { ...range('label_values', ''), path: '/loki/api/v1/label/pod/values' },
    { ...range('volume', all), path: '/loki/api/v1/index/volume' },
  ];
}

function ns(ms: number): string {
  return `${ms}000000`;
}
