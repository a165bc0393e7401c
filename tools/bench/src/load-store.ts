/** Loads data into a bucket for benchmarks of queries over stored lines. */
import fs from 'node:fs';
import path from 'node:path';
import { PushBodies } from './push-bodies.ts';
import type { StoreProcess } from './store-process.ts';
import type { DataSet } from './store-queries.ts';

export const storeTenant = 'store';
/** A tenant with a part of the data, whose queries warm up the code. */
export const warmTenant = 'warm';

/** One of this many batches belongs to the tenant for warming up. */
const warmEvery = 12;
const compactedWithinMs = 600_000;
const pollMs = 2_000;

/** How the data lies in the bucket. */
interface StoreLayout {
  /** After this many batches everything is flushed; 0: once at the end, and then compacted. */
  readonly batchesPerFlush: number;
}

/**
 * Pushes a data set unless the work directory says that it was. A layout without flushes in between waits
 * until compaction has nothing to do any more.
 */
export async function loadStore(
  server: StoreProcess,
  set: DataSet,
  { work, batchesPerFlush }: StoreLayout & { readonly work: string },
): Promise<void> {
  const marker = path.join(work, 'loaded.json');
  const { startMs, endMs, needles } = set;
  const identity = JSON.stringify({ startMs, endMs, needle: needles.uuid, batchesPerFlush });
  if (fs.existsSync(marker)) {
    if (fs.readFileSync(marker, 'utf8') === identity) return;
    throw new Error(`${work} holds another data set or layout: give another --work directory`);
  }
  await server.start(0);
  const bodies = new PushBodies(set.directory, 'main.proto');
  for (const [number, batch] of bodies.batches.entries()) {
    await server.push(bodies.read(batch), storeTenant);
    if (batchesPerFlush > 0 && (number + 1) % batchesPerFlush === 0) await server.flush();
  }
  await server.flush();
  // In segments of its own: a footer that both tenants share would be warm.
  for (const [number, batch] of bodies.batches.entries()) {
    if (number % warmEvery === 0) await server.push(bodies.read(batch), warmTenant);
  }
  await server.flush();
  bodies.close();
  if (batchesPerFlush === 0) await untilCompacted(server);
  await server.stop();
  fs.writeFileSync(marker, identity);
}

/** Flushed segments are left alone for two minutes; each tenant's day is one merge at least. */
async function untilCompacted(server: StoreProcess): Promise<void> {
  const deadlineMs = Date.now() + compactedWithinMs;
  while (Date.now() < deadlineMs) {
    const { merges, backlogMerges, isRunning } = await server.compaction();
    if (merges >= 2 && backlogMerges === 0 && !isRunning) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error('the day is not compacted');
}
