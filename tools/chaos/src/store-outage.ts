/** The object store is away for long: heads grow up to their bound, and drain faster than they grew. */
import { wait } from './fault.ts';
import type { FaultWorld } from './fault.ts';
import type { System } from './system.ts';

const mib = 2 ** 20;
/** Between two looks at the ingesters. */
const lookMs = 5_000;
/** The least bound of all heads of a process with 2 GiB and more; see `memoryBoundsOf`. */
const headBytesMax = 512 * mib;
/** Heads may exceed their bound by the records of one read of the log. */
const tolerance = 1.1;
/** No record waits for longer when flushes work; heads are flushed after 24 s at the latest here. */
const usualAgeSeconds = 45;

interface Heads {
  /** Bytes of the fullest ingester. */
  readonly bytes: number;
  readonly oldestSeconds: number;
  readonly lagRecords: number;
  readonly residentBytes: number;
}

/** An outage of the length of a pause; all waiting records must be stored within the same time. */
export async function loseStore(world: FaultWorld): Promise<string> {
  const { system, random, pauseMs } = world;
  const minio = system.services.minio!;
  await minio.stop();
  const awayMs = random.int(pauseMs.min, pauseMs.max);
  const endMs = performance.now() + awayMs;
  let [headBytes, residentBytes] = [0, 0];
  const look = async (): Promise<Heads> => {
    await wait(world, lookMs);
    const heads = await headsOf(system);
    headBytes = Math.max(headBytes, heads.bytes);
    residentBytes = Math.max(residentBytes, heads.residentBytes);
    return heads;
  };
  while (performance.now() < endMs) await look();
  await minio.start();
  const mendedMs = performance.now();
  let heads: Heads;
  do heads = await look();
  while (
    (heads.oldestSeconds > usualAgeSeconds || heads.lagRecords > 0) &&
    performance.now() < mendedMs + awayMs
  );
  const drainedSeconds = (performance.now() - mendedMs) / 1000;
  const figures = `away for ${(awayMs / 60_000).toFixed(1)} min; heads of an ingester ${inMib(headBytes)}, resident ${inMib(residentBytes)} at most; stored ${drainedSeconds.toFixed(0)} s after, oldest record then ${heads.oldestSeconds.toFixed(0)} s`;
  if (heads.oldestSeconds > usualAgeSeconds || headBytes > tolerance * headBytesMax) throw new Error(figures);
  return figures;
}

async function headsOf(system: System): Promise<Heads> {
  const texts = await Promise.all(system.of('ingester').map(({ url }) => metricsOf(url)));
  const most = (name: string): number => Math.max(0, ...texts.flatMap((text) => valuesOf(text, name)));
  return {
    bytes: most('loki_ingester_memory_bytes'),
    // Without an answer of each ingester the end is unknown.
    oldestSeconds: texts.includes('') ? Infinity : most('loki_ingester_partition_oldest_seconds'),
    lagRecords: most('loki_ingester_partition_lag_records'),
    residentBytes: most('process_resident_memory_bytes'),
  };
}

/** A busy ingester may answer late: the next look asks it again. */
async function metricsOf(url: string): Promise<string> {
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(lookMs) });
    return await response.text();
  } catch {
    return '';
  }
}

function valuesOf(text: string, name: string): number[] {
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map((match) =>
    Number(match[1]),
  );
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / mib)} MiB`;
}
