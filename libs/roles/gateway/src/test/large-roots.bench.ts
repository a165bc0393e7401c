// How long roots over many series keep their thread, and what they cost.
//
//     npx node libs/roles/gateway/src/test/large-roots.bench.ts [series] [steps] [part of a query's name]
//
// Prints for each query its time, that of writing the answer, the longest stretch in which no other work had
// the thread, and how soon a query ends when its client leaves.
import { evaluate, QueryThread } from '@loki/engine';
import type { QueryParams } from '@loki/engine';
import { parseExpr } from '@loki/logql';
import { parseTenantId } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, SampleLeafResult } from '@loki/ports';
import { encodeData } from '../answer/encode-result.ts';
import { JsonWriter } from '../answer/json-writer.ts';

const second = 1_000_000_000n;
const thread = new QueryThread({
  clock: { monotonicMs: () => performance.now() },
  timers: { sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
});

const a = 'sum_over_time({q="a"} | unwrap v [1m])';
const b = 'sum_over_time({q="b"} | unwrap v [1m])';
const queries: Readonly<Record<string, string>> = {
  plain: a,
  topk: `topk(10, ${a})`,
  'topk many': `topk(10000, ${a})`,
  'topk by': `topk by (namespace) (3, ${a})`,
  sort: `sort_desc(${a})`,
  'sum by few': `sum by (namespace) (${a} > 0)`,
  'max by many': `max by (pod) (${a})`,
  stddev: `stddev by (namespace) (${a})`,
  'scalar arithmetic': `${a} * 100`,
  'scalar comparison': `${a} > 50`,
  'vector arithmetic': `${a} / ${b}`,
  'vector on': `${a} / on (pod) ${b}`,
  group_left: `${a} / on (namespace) group_left sum by (namespace) (${b} > 0)`,
  and: `${a} and ${b}`,
  or: `${a} or ${b}`,
  unless: `${a} unless ${b}`,
  label_replace: `label_replace(${a}, "short", "$1", "pod", "(.*)-.*")`,
};

function makeResult(series: number, steps: number, seed: number): SampleLeafResult {
  let state = seed;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const counts = new Float64Array(steps).fill(1);
  return {
    kind: 'samples',
    steps,
    series: Array.from({ length: series }, (_, i) => {
      const labels: LabelPair[] = [
        ['app', `app-${i % 50}`],
        ['cluster', 'eu-west-1'],
        ['container', 'main'],
        ['namespace', `ns-${i % 200}`],
        ['pod', `pod-${(i * 7919) % series}-abcde`],
      ];
      const values = Float64Array.from({ length: steps }, () => draw(10_000) / 100);
      return { labels, columns: [counts, values] };
    }),
    stats: emptyLeafStats(),
  };
}

/** Longest time between two turns of the event loop, until `stop` is called. */
function watchThread(): () => number {
  let longest = 0;
  let last = performance.now();
  let timer: NodeJS.Timeout;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    timer = setTimeout(turn, 0);
  };
  turn();
  return () => {
    turn();
    clearTimeout(timer);
    return longest;
  };
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

async function main(series: number, steps: number, only: string): Promise<void> {
  const results: Record<string, SampleLeafResult> = {
    a: makeResult(series, steps, 1),
    b: makeResult(series, steps, 2),
  };
  const runLeaf = async (request: LeafRequest) => Promise.resolve(results[/q="(\w)"/.exec(request.expr)![1]]);
  const params: QueryParams = {
    tenant: parseTenantId('bench'),
    startNs: 0n,
    endNs: BigInt(steps - 1) * 15n * second,
    stepNs: 15n * second,
    isInstant: steps === 1,
    direction: 'forward',
    limit: 0,
    intervalNs: 0n,
    seriesMax: 0,
  };
  console.log(`${series} series, ${steps} steps`);
  for (const [name, text] of Object.entries(queries)) {
    if (!name.includes(only)) continue;
    const expr = parseExpr(text);
    const stopWatch = watchThread();
    const cpu = process.cpuUsage();
    const { result } = await evaluate(expr, params, runLeaf, { thread });
    const rootMs = cpuMs(cpu);
    const rootLongest = stopWatch();
    const stopWriting = watchThread();
    const writing = process.cpuUsage();
    const out = new JsonWriter();
    await thread.complete(encodeData(result, 'merged', out), () => undefined);
    const bytes = out.finish().length;
    const writeMs = cpuMs(writing);
    const writeLongest = stopWriting();
    console.log(
      `${name.padEnd(20)} root ${rootMs.toFixed(0).padStart(6)} CPU ms, longest ${rootLongest.toFixed(0).padStart(5)} ms;` +
        ` answer ${(bytes / 1e6).toFixed(1).padStart(6)} MB in ${writeMs.toFixed(0).padStart(5)} CPU ms, longest ${writeLongest.toFixed(0).padStart(5)} ms`,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

void main(Number(process.argv[2] ?? 100_000), Number(process.argv[3] ?? 60), process.argv[4] ?? '');
