/**
 * Three times the load that the process can take. First its peak is measured, by clients that wait for each
 * answer; then three times as much is sent for ten minutes, independent of the answers; then half of the
 * peak. Excess load is refused with 429 or 503 and Retry-After, goodput stays at 80 % of the peak, and 10 s
 * after the overload all is as before. Every acknowledged line is counted once at the end.
 *
 *     npm run overload -- [--minutes 10] [--cpus 0.5] [--memory 1024] [--anew] [--heed] [--groups 64]
 *
 * With `--anew` each push of the overload comes on a connection of its own. With `--heed` refused clients
 * wait as agents do, half a second first and then twice as long each time, and send the same push again.
 *
 * Pushes have 64 groups of streams in turn, as agents have streams of their own, whose lines come in order.
 * With `--groups 1` the lines of each stream come in the order in which 6,000 clients are answered: the
 * ingester compares most of them with those of the last seconds.
 */
import { readOptions } from '@loki/command-line';
import { Product } from './product.ts';
import { Pushes } from './pushes.ts';
import type { Tally } from './pushes.ts';
import { tellVerdict } from './verdict.ts';

const times = 3;
const peakSeconds = 24;
const peakClients = 8;
const goodputShareMin = 0.8;
const afterSeconds = 12;
const normalWithinMs = 10_000;
const streamsPerPush = 8;
const linesPerPush = 400;
/** A push is normal when it is acknowledged within this time. */
const usualMs = 1_000;

const { values: options } = readOptions(import.meta.filename, {
  options: {
    minutes: { type: 'string', default: '10' },
    cpus: { type: 'string', default: '0.5' },
    memory: { type: 'string', default: '1024' },
    anew: { type: 'boolean', default: false },
    groups: { type: 'string', default: '64' },
    heed: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const product = await Product.start(Number(options.memory), [], Number(options.cpus));
  const pushes = new Pushes(product.port, streamsPerPush, linesPerPush, Number(options.groups));
  console.log(`http://127.0.0.1:${product.port}`);
  try {
    const { perSecond: peak, perCpuSecond } = await peakOf(product, pushes);
    console.log(`peak: ${Math.round(peak)} pushes/s of ${pushes.linesPerPush} lines`);
    const { faults, figures } = await overloaded(product, pushes, { peak, perCpuSecond });
    faults.push(...(await after(pushes, peak)));
    if (!product.isAlive) faults.push(`the process ended: ${product.logTail()}`);
    else faults.push(...(await pushes.miscounted()));
    console.log(JSON.stringify({ peak: Math.round(peak), ...figures }));
    return tellVerdict(faults);
  } finally {
    pushes.end();
    await product.stop();
  }
}

interface Pace {
  readonly perSecond: number;
  /**
   * Acknowledged pushes for each CPU second of the product: other programs of the machine change it little.
   */
  readonly perCpuSecond: number;
}

/** Acknowledged pushes, without the first quarter of the time. */
async function peakOf(product: Product, pushes: Pushes): Promise<Pace> {
  const beganMs = performance.now();
  const endMs = beganMs + peakSeconds * 1000;
  const warmMs = beganMs + peakSeconds * 250;
  let acked = 0;
  let warmCpuSeconds: number | undefined;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const { status } = await pushes.send();
      if (performance.now() <= warmMs) continue;
      warmCpuSeconds ??= product.cpuSeconds();
      if (status === 204) acked += 1;
    }
  };
  await Promise.all(Array.from({ length: peakClients }, client));
  const perSecond = acked / ((performance.now() - warmMs) / 1000);
  return { perSecond, perCpuSecond: acked / (product.cpuSeconds() - warmCpuSeconds!) };
}

async function overloaded(
  product: Product,
  pushes: Pushes,
  { peak, perCpuSecond }: { readonly peak: number; readonly perCpuSecond: number },
): Promise<{ faults: string[]; figures: object }> {
  const seconds = Number(options.minutes) * 60;
  let memoryBytes = 0;
  const beganCpuSeconds = product.cpuSeconds();
  const sampling = setInterval(() => (memoryBytes = Math.max(memoryBytes, product.memoryBytes())), 200);
  pushes.isAnew = options.anew;
  pushes.isHeeding = options.heed;
  const tally = await pushes.openLoop(peak * times, seconds, tell);
  pushes.isAnew = false;
  pushes.isHeeding = false;
  clearInterval(sampling);
  const acked = tally.statuses.get(204) ?? 0;
  const goodput = acked / seconds;
  const cpuSeconds = product.cpuSeconds() - beganCpuSeconds;
  const faults: string[] = [];
  const others = [...tally.statuses].filter(([status]) => ![204, 429, 503].includes(status));
  if (others.length > 0) faults.push(`answers beside 204, 429 and 503: ${JSON.stringify(others)}`);
  if (!tally.statuses.has(429) && !tally.statuses.has(503)) faults.push('nothing was refused: no overload');
  if (tally.withoutRetryAfter > 0) faults.push(`${tally.withoutRetryAfter} refusals without Retry-After`);
  if (goodput < goodputShareMin * peak) {
    faults.push(`goodput is ${((100 * goodput) / peak).toFixed(0)} % of the peak`);
  }
  const figures = {
    goodput: Math.round(goodput),
    share: Number((goodput / peak).toFixed(2)),
    shareForCpu: Number((acked / cpuSeconds / perCpuSecond).toFixed(2)),
    cpus: Number((cpuSeconds / seconds).toFixed(2)),
    sent: tally.sent,
    unsent: tally.unsent,
    statuses: Object.fromEntries(tally.statuses),
    memoryMiB: Math.round(memoryBytes / 2 ** 20),
  };
  return { faults, figures };
}

function tell({ sent, statuses }: Tally, seconds: number): void {
  console.log(`${seconds} s: sent ${sent}, ${JSON.stringify(Object.fromEntries(statuses))}`);
}

/** Seconds until pushes are normal again. */
async function after(pushes: Pushes, peak: number): Promise<string[]> {
  const endedMs = performance.now();
  const { slow } = await pushes.openLoop(peak / 2, afterSeconds, undefined, usualMs);
  const normalMs = Math.max(0, ...slow.map((atMs) => atMs - endedMs));
  console.log(`as usual ${(normalMs / 1000).toFixed(1)} s after the overload`);
  return normalMs > normalWithinMs ? [`not as usual for ${Math.round(normalMs / 1000)} s`] : [];
}

process.exitCode = await main();
