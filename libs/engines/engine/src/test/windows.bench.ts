// CPU and memory of windows that overlap: a million samples, a range of an hour, a step of 15 seconds, over a
// day.
//
//     npx node --expose-gc libs/engines/engine/src/test/windows.bench.ts [samples] [series]
//
// Prints for each operation what its leaf and its root cost, what travels between them, and the longest time
// that the root kept the thread.
import { parseExpr } from '@loki/logql';
import { loadHash } from '@loki/model';
import type { LeafResult } from '@loki/ports';
import type { QueryParams } from '../common/query-types.ts';
import { atOnce } from '../common/sliced-work.ts';
import { resultBytes } from '../merge/result-bytes.ts';
import { evaluate } from '../root/evaluate.ts';
import { runLeaf, segmentOf, tenant, testEnv } from './blocks.ts';
import type { TestRow } from './blocks.ts';
import { pausingThread } from './thread.ts';

const second = 1_000_000_000n;
const day = 86_400n * second;

const queries: readonly string[] = [
  'quantile_over_time(0.95, {app="a"} | logfmt | unwrap v [1h]) by (pod)',
  'rate_counter({app="a"} | logfmt | unwrap v [1h])',
  'stddev_over_time({app="a"} | logfmt | unwrap v [1h]) by (pod)',
  'sum by (pod) (count_over_time({app="a"}[1h]))',
];

function makeRows(samples: number, series: number): TestRow[] {
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const each = Math.ceil(samples / series);
  const between = day / BigInt(each);
  return Array.from({ length: samples }, (_, i): TestRow => {
    const pod = Math.floor(i / each);
    return {
      labels: { app: 'a', pod: `p${pod}` },
      ts: BigInt(i % each) * between,
      line: `v=${draw(1e6) / 100}`,
    };
  });
}

async function main(samples: number, series: number): Promise<void> {
  await loadHash();
  const bytes = segmentOf(makeRows(samples, series));
  const params: QueryParams = {
    tenant,
    startNs: 3600n * second,
    endNs: day,
    stepNs: 15n * second,
    isInstant: false,
    direction: 'forward',
    limit: 0,
    intervalNs: 0n,
    seriesMax: 0,
  };
  for (const text of queries) {
    const env = { ...testEnv(), stateBytesMax: 8 * 2 ** 30 };
    global.gc?.();
    let leafMs = 0;
    let peakBytes = 0;
    let result: LeafResult | undefined;
    let slice = performance.now();
    let longest = 0;
    const measure = () => (peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers));
    const before = process.memoryUsage().arrayBuffers;
    const startedMs = performance.now();
    try {
      await evaluate(
        parseExpr(text),
        params,
        async (request) => {
          result = await runLeaf(request, [{ kind: 'bytes', bytes }], env);
          leafMs = performance.now() - startedMs;
          slice = performance.now();
          measure();
          return result;
        },
        {
          thread: pausingThread(() => {
            longest = Math.max(longest, performance.now() - slice);
            slice = performance.now();
            return undefined;
          }),
        },
      );
    } catch (error) {
      console.log(`${text}: ${(error as Error).message}`);
    }
    longest = Math.max(longest, performance.now() - slice);
    const rootMs = performance.now() - startedMs - leafMs;
    measure();
    const mib = (count: number) => `${(count / 2 ** 20).toFixed(1)} MiB`;
    console.log(
      `${text}\n    leaf ${leafMs.toFixed(0)} ms, root ${rootMs.toFixed(0)} ms, longest slice ${longest.toFixed(0)} ms, ` +
        `state ${result ? mib(atOnce(resultBytes(result))) : '-'}, buffers at most ${mib(peakBytes - before)}`,
    );
  }
}

void main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1000));
