/** Answers queries and tails from a head: the newest rows of a query. */
import { leafTask, mergeAsTheyCome, packedBytes, unpackLeafResult, volumeTask } from '@loki/engine';
import type { PackedLeafResult } from '@loki/engine';
import type { LabelPair } from '@loki/model';
import { inSlices } from '@loki/ports';
import type {
  HeadAnswer,
  PartitionHead,
  SlicedWork,
  LeafRequest,
  LeafResult,
  StreamsRequest,
  StreamVolume,
} from '@loki/ports';
import type { PartitionDeps } from './deps.ts';
import { headLabels } from './head/head-labels.ts';
import type { HeadRecord } from './head/head-record.ts';
import { HeadVolumes } from './head/head-volumes.ts';
import {
  selectionOfLeaf,
  selectionOfStreams,
  selectRecords,
  selectStreams,
  testedSelection,
} from './head/select.ts';
import type { HeadSelection } from './head/select.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { ScanOptions } from './tail-turns.ts';

/**
 * Records whose offsets are equal above this many low bits are scanned by one task. The borders do not move
 * as the head grows, so the same worker gets the same records again and has their decoded columns; and one
 * task has some ten thousand lines at least.
 */
const offsetsPerTask = 256;

/** Tasks of one leaf that are queued at a worker. */
const scansPerWorker = 4;

const allTime = { startNs: -(1n << 63n), endNs: (1n << 63n) - 1n };

/**
 * Answers a leaf from the head alone: exactly the records at or above the committed offset that it reports.
 */
export async function queryHead(
  progress: PartitionProgress,
  deps: PartitionDeps,
  request: LeafRequest,
  signal?: AbortSignal,
): Promise<HeadAnswer<LeafResult>> {
  await catchUp(progress, deps, request.tenant, signal);
  const selection = await tested(progress, deps, selectionOfLeaf(request), signal);
  // No await from here to the list of records: offset and records belong together. Records that a commit
  // drops from the head afterwards stay alive through this list.
  const committedOffset = progress.committedOffset;
  const records = selectRecords(progress.head, selection);
  const groups = groupRecords(records);
  const runGroup = async (i: number, stop: AbortSignal) => [
    await scan(deps, { records: groups[i], partition: progress.id, request }, stop),
  ];
  const atOnce = scansPerWorker * deps.workers.parallelism;
  const result = await mergeAsTheyCome(
    request,
    groups.map((_, i) => [i]),
    runGroup,
    { atOnce, thread: deps.queryThread, signal },
  );
  return { committedOffset, result };
}

/** The committed offset and the oldest row of a tenant: a query of older rows finds nothing in the head. */
export async function headBounds(
  progress: PartitionProgress,
  deps: PartitionDeps,
  tenant: string,
  signal?: AbortSignal,
): Promise<PartitionHead> {
  await catchUp(progress, deps, tenant, signal);
  const { id, committedOffset, head } = progress;
  return { partition: id, committedOffset, oldestNs: head.oldestNs(tenant) };
}

/**
 * The streams of the head in a time range with their volume in it, exact or as Loki counts it; or their
 * labels.
 */
export async function headStreams(
  progress: PartitionProgress,
  deps: PartitionDeps,
  request: StreamsRequest,
  signal?: AbortSignal,
): Promise<HeadAnswer<readonly StreamVolume[]>> {
  await catchUp(progress, deps, request.tenant, signal);
  if (!request.volume) {
    return deps.queryThread.complete(
      streamsWork(progress, request),
      () => signal?.throwIfAborted(),
      request.tenant,
    );
  }
  const selection = await tested(progress, deps, selectionOfStreams(request), signal);
  const { committedOffset } = progress;
  // Counts rows of selected streams outside of the range too: the volume is divided by time.
  const records = selectRecords(progress.head, { ...selection, ...allTime });
  const { head } = progress;
  const sources = sourcesOf(records, progress.id, deps).map((source, i) => ({
    ...source,
    streams: head.streamsOf(records[i], request.tenant),
  }));
  const input = { request, sources };
  const result = await deps.workers.run(volumeTask, input, {
    affinity: progress.id,
    signal,
    tenant: request.tenant,
  });
  return { committedOffset, result };
}

/** There is no pause after the selection: offset and streams belong together. */
function* streamsWork(
  progress: PartitionProgress,
  request: StreamsRequest,
): SlicedWork<HeadAnswer<readonly StreamVolume[]>> {
  const { head } = progress;
  const selection = yield* testedSelection(head, selectionOfStreams(request));
  const { committedOffset } = progress;
  const { group } = request;
  if (group?.by === 'name') return { committedOffset, result: headLabels(head, selection, group) };
  const result: StreamVolume[] = [];
  const volumes = new HeadVolumes(head, selection);
  const pairs = new Map<number, LabelPair>();
  for (const stream of selectStreams(head, selection)) {
    const volume = volumes.of(stream);
    if (volume.entries > 0) result.push({ labels: head.streams.pairs(stream, pairs), ...volume });
  }
  return { committedOffset, result };
}

/** A leaf over records of a partition's head. */
interface HeadLeaf {
  readonly records: readonly HeadRecord[];
  readonly partition: number;
  readonly request: LeafRequest;
}

/** Scans the head for a leaf, on a worker. */
function scan(
  deps: PartitionDeps,
  { records, partition, request }: HeadLeaf,
  signal?: AbortSignal,
): Promise<PackedLeafResult> {
  const sources = sourcesOf(records, partition, deps);
  const affinity = records.length === 0 ? partition : taskOf(records[0]) + partition;
  return deps.workers.run(leafTask, { request, sources }, { affinity, signal, tenant: request.tenant });
}

/** The same for a frame of a tail, of which most have few lines. */
export async function scanFrame(
  deps: Omit<PartitionDeps, 'tailTurns'>,
  { records, partition, request }: HeadLeaf,
  { signal, isUrgent }: ScanOptions,
): Promise<LeafResult> {
  const sources = sourcesOf(records, partition, deps);
  const options = isUrgent ? { signal, isUrgent } : { signal, affinity: partition, tenant: request.tenant };
  const packed = await deps.workers.run(leafTask, { request, sources }, options);
  const memory = deps.queryThread.memory.open();
  try {
    memory.charge(packedBytes(packed));
    const unpacked = unpackLeafResult(packed, memory);
    return await deps.queryThread.complete(unpacked, () => signal.throwIfAborted());
  } finally {
    memory.close();
  }
}

function sourcesOf(
  records: readonly HeadRecord[],
  partition: number,
  deps: Pick<PartitionDeps, 'instance'>,
): { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly cacheKey: string }[] {
  return records.map((record) => ({
    kind: 'bytes',
    bytes: record.bytes,
    cacheKey: `${deps.instance}/${partition}/${record.offset}/${record.part ?? ''}`,
  }));
}

/** Waits until the head has all records of a tenant that were acknowledged before the call. */
async function catchUp(
  progress: PartitionProgress,
  deps: PartitionDeps,
  tenant: string,
  signal?: AbortSignal,
): Promise<void> {
  const endOffset = await deps.writeLog.endOffset(progress.id);
  await progress.waitConsumed(endOffset, { timeoutMs: deps.options.queryWaitMs, tenant, signal });
}

function tested(
  { head }: PartitionProgress,
  deps: PartitionDeps,
  selection: HeadSelection,
  signal: AbortSignal | undefined,
): Promise<HeadSelection> {
  return inSlices(testedSelection(head, selection), deps, () => signal?.throwIfAborted());
}

/** Neighbouring records by task, oldest first; none for a head without rows of the question. */
function groupRecords(records: readonly HeadRecord[]): HeadRecord[][] {
  const groups: HeadRecord[][] = [];
  for (const record of records) {
    const last = groups.at(-1);
    if (last && taskOf(last[0]) === taskOf(record)) last.push(record);
    else groups.push([record]);
  }
  return groups;
}

function taskOf(record: HeadRecord): number {
  return Math.floor(record.offset / offsetsPerTask);
}
