/**
 * How long a start takes that finds a gibibyte of lines in the write log and nothing of it in the store: kill
 * -9, start, and three moments after it: the first record is consumed, the first push is acknowledged, and a
 * query counts every line that was acknowledged before.
 *
 *     npm run restart -- [--mib 1024]
 */
import { Product, Pushes, tellVerdict } from '@loki/attack';
import { readOptions } from '@loki/command-line';

const consumingWithinMs = 5_000;
const servingWithinMs = 30_000;
const clients = 8;
/** With this many partitions, none has enough bytes for a flush by size. */
const partitions = 24;
/** Streams choose partitions by their labels: with many, no partition gets too many. */
const streams = 400;
/** Several of a stream in a push: with one, the index of the heads would reach its bound before the lines. */
const linesPerPush = 4 * streams;
/** Bytes of lines in one push. */
const pushBytes = linesPerPush * 120;
const giveUpMs = 300_000;

const { values: options } = readOptions(import.meta.filename, {
  options: { mib: { type: 'string', default: '1024' } },
});

async function main(): Promise<number> {
  const product = await Product.start(0, [
    `-write-log.partitions=${partitions}`,
    '-ingester.max-chunk-age=24h',
    '-ingester.chunks-idle-period=24h',
  ]);
  const pushes = new Pushes(product.port, streams, linesPerPush);
  try {
    const count = Math.ceil((Number(options.mib) * 2 ** 20) / pushBytes);
    let pushesSent = 0;
    const client = async (): Promise<void> => {
      while (pushesSent++ < count) await pushes.send();
    };
    await Promise.all(Array.from({ length: clients }, client));
    const flushed = await sumOf(product.port, 'loki_ingester_chunks_flushed_total');
    const unflushed = Math.round((pushes.acked * 120) / 2 ** 20);
    console.log(`${pushes.acked} lines acknowledged, ${unflushed} MiB, ${flushed} chunks flushed`);
    const faults = flushed > 0 ? ['something was flushed: less than that is to be consumed'] : [];
    const beganMs = performance.now();
    await product.killAndLaunch();
    const since = (): number => performance.now() - beganMs;
    const consumingMs = await when(since, async () => (await sumOf(product.port, consumedMetric)) > 0);
    const ackedMs = await when(since, async () => (await pushes.send()).status === 204);
    const servingMs = await when(since, async () => (await pushes.miscounted()).length === 0);
    const seconds = [consumingMs, ackedMs, servingMs].map((ms) => Number((ms / 1000).toFixed(1)));
    console.log(
      JSON.stringify({
        unflushedMiB: unflushed,
        consuming: seconds[0],
        acked: seconds[1],
        serving: seconds[2],
      }),
    );
    if (consumingMs > consumingWithinMs) faults.push(`the first record was consumed after ${seconds[0]} s`);
    if (servingMs > servingWithinMs) faults.push(`all lines were there after ${seconds[2]} s`);
    return tellVerdict(faults);
  } finally {
    pushes.end();
    await product.stop();
  }
}

const consumedMetric = 'loki_ingester_records_consumed_total';

/** Polls until the condition holds. */
async function when(since: () => number, holds: () => Promise<boolean>): Promise<number> {
  for (;;) {
    const isSo = await holds().catch(() => false); // not listening yet
    if (isSo) return since();
    if (since() > giveUpMs) throw new Error('not even after five minutes');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A metric's values, added up over its labels. */
async function sumOf(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

process.exitCode = await main();
