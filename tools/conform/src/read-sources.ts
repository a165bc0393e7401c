/** Checks by explain where a query would read its rows. */
import type { TenantData } from './corpus.ts';

/** The sources that a query over one stream would read. */
export interface ReadSources {
  readonly segments: number;
  /** Lines in memory. */
  readonly unflushedLines: number;
}

/** Requests at once: enough for each querier to get some. */
const asksAtOnce = 8;
/** Longer than the queries of the cases may take. */
const askTimeoutMs = 60_000;

/**
 * Read sources of the first stream of each tenant; several requests at once, so that every querier answers.
 */
export async function readSources(
  url: string,
  dataset: readonly TenantData[],
  startSeconds: number,
): Promise<ReadSources[]> {
  const answers: ReadSources[] = [];
  for (const { tenant, pushes } of dataset) {
    const { labels } = pushes[0];
    const selector = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const query = new URLSearchParams({
      query: `count_over_time({${selector.join()}}[1m])`,
      start: String(startSeconds),
      end: String(startSeconds + 7200),
      step: '60',
    });
    const ask = () => explain(`${url}/loki/api/v1/explain?${query.toString()}`, tenant);
    answers.push(...(await Promise.all(Array.from({ length: asksAtOnce }, ask))));
  }
  return answers;
}

async function explain(url: string, tenant: string): Promise<ReadSources> {
  const headers = { 'X-Scope-OrgID': tenant };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(askTimeoutMs) });
  if (response.status !== 200) throw new Error(`explain of ${tenant}: ${response.status}`);
  const { data } = (await response.json()) as { data: { leaves: ReadSources[] } };
  return data.leaves[0];
}
