/** Commits of flushes to a partition's catalog: step *flush, commit* of a written line. */
import { LokiError, usOf } from '@loki/model';
import type { Clock, ObjectStore, Timers } from '@loki/ports';
import { openSegment } from '@loki/segment';
import type { Catalog } from './catalog.ts';
import type { SegmentRef } from './compaction/section-index.ts';
import type { ManifestSection, WriterTable } from './logs/manifest.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';

/** The end of a partition's catalog, for an owner of the partition. */
export interface CommitState {
  /** All records below it are committed; 0: nothing is committed yet. */
  readonly endOffset: number;
  /** The writers table at endOffset. */
  readonly writers: WriterTable;
  /** The newest committed row in microseconds, rounded down; -Infinity when there is none. */
  readonly newestUs: number;
}

/** A flush to commit: the records [startOffset, endOffset), and their segment. */
export interface FlushCommit {
  readonly startOffset: number;
  readonly endOffset: number;
  /** Absent when there is nothing to store: repeats, duplicates, quarantined records. */
  readonly segment?: { readonly key: string; readonly bytes: Uint8Array };
  readonly writers: WriterTable;
}

/**
 * One partition's catalog, as its owners see it: a gapless sequence of offset ranges, extended by one
 * create-if-absent put at a time. All calls throw when the store does not answer, and may then be tried
 * again.
 */
export interface PartitionCommitter {
  /** Reads the commits of all owners. */
  load(signal?: AbortSignal): Promise<CommitState>;
  /**
   * Proves that the next manifest's number is free. A damaged manifest under that number may belong to a
   * stored segment; a second segment with the same offsets would make the repair ambiguous. Costs no request
   * unless this process has met damage.
   *
   * @throws LokiError `corrupt` until the damage is repaired
   */
  prove(signal?: AbortSignal): Promise<void>;
  /**
   * Appends a manifest. False: another owner has taken the number; `load` then returns the new end. A
   * manifest of our own, from an attempt whose answer was lost, counts as a success.
   */
  commit(commit: FlushCommit, signal?: AbortSignal): Promise<boolean>;
  /**
   * The newest manifest number of this process, and the stored bytes of the manifests after `number`; no
   * bytes when the cache lacks some of them.
   */
  news(number: number): { readonly number: number; readonly manifests: readonly Uint8Array[] };
}

interface CommitterOptions {
  readonly objectStore: ObjectStore;
  readonly clock: Clock;
  /** For turns of the event loop while a checkpoint is read or written. */
  readonly timers?: Timers;
  readonly checkpointEvery?: number;
  readonly eraSize?: number;
  readonly groupBytes?: number;
}

/**
 * Cache for readers that ask for news: some hundred manifests of few tenants, or two of a thousand tenants.
 */
const newestBytesMax = 64 << 10;

/** Creates one committer for each partition. A committer writes a checkpoint after a number of manifests. */
export function partitionCommitters(options: CommitterOptions): (partition: number) => PartitionCommitter {
  const committers = new Map<number, PartitionCommitter>();
  return (partition) => {
    let committer = committers.get(partition);
    if (!committer) committers.set(partition, (committer = makeCommitter(partition, options)));
    return committer;
  };
}

function makeCommitter(partition: number, options: CommitterOptions): PartitionCommitter {
  const { clock } = options;
  const catalog = new PartitionCatalog({ ...options, partition, newestBytesMax });
  // Time of each commit's first attempt: a second attempt must put the same bytes, to recognise the object of
  // the first.
  const firstTried = new WeakMap<FlushCommit, number>();
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined); // the caller gets the failure from `done`
    return done;
  };
  let isSound = true;
  return {
    prove: (signal) =>
      inTurn(async () => {
        if (isSound) return;
        await catalog.load(signal);
        isSound = true;
      }),
    load: (signal) =>
      inTurn(async () => {
        isSound = await loadSoundPart(catalog, signal);
        const { endOffset, writers, newestNs } = catalog.state;
        return {
          endOffset,
          writers,
          newestUs: newestNs === undefined ? Number.NEGATIVE_INFINITY : usOf(newestNs),
        };
      }),
    commit: (commit, signal) => inTurn(() => append(commit, signal)),
    news: (number) => ({ number: catalog.state.number, manifests: catalog.manifestsAfter(number) }),
  };

  async function append(commit: FlushCommit, signal?: AbortSignal): Promise<boolean> {
    const { startOffset, endOffset, segment, writers } = commit;
    const createdMs = firstTried.get(commit) ?? clock.nowMs();
    firstTried.set(commit, createdMs);
    const summary = segment && {
      key: segment.key,
      sizeBytes: segment.bytes.length,
      level: 0,
      sections: sectionsOf(segment.bytes),
    };
    const outcome = await catalog.commit(
      { startOffset, endOffset, segment: summary, writers, drops: [], erased: [], createdMs },
      signal,
    );
    if (outcome.outcome === 'lost') return false;
    // The commit stands; a checkpoint that fails now is written after a later one.
    await catalog.checkpoint(signal).catch(() => false);
    return true;
  }
}

/** Reads of a damaged manifest until it counts as damaged in the store, not in transit. */
const damagedReads = 3;

/**
 * Reads the manifests up to the first damaged one. An owner serves the segments before it and the records
 * that the log still has. Its commits fail, because the number is taken.
 *
 * @returns whether all manifests are sound
 */
async function loadSoundPart(catalog: PartitionCatalog, signal: AbortSignal | undefined): Promise<boolean> {
  for (let read = 1; ; read++) {
    try {
      await catalog.load(signal);
      return true;
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
      if (read >= damagedReads) return false;
    }
  }
}

/** Summaries of a segment's sections, from its footer. */
export function sectionsOf(bytes: Uint8Array): ManifestSection[] {
  return openSegment(bytes).sections.map(({ tenant, minNs, maxNs, rowCount, lineBytes }) => ({
    tenant,
    minNs,
    maxNs,
    rowCount,
    lineBytes,
  }));
}

/** Selects rows of one tenant with startNs <= ts < endNs. */
interface TenantRows {
  readonly tenant: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * How often a reader without a follower reads the removals of other processes; removed objects live for
 * hours.
 */
const removalsMs = 10 * 60_000;

/**
 * Keys of committed segments that may hold given rows. An ingester compares late rows with their content.
 *
 * @param timers absent: a follower keeps the catalog up to date, and knows of removed segments
 */
export function committedSegments(
  catalog: Catalog,
  timers?: Timers,
): {
  keys(partition: number, offset: number, rows: TenantRows): Promise<readonly string[]>;
  outdated(partition: number): void;
} {
  const recent = new Set<number>();
  return {
    async keys(partition, offset, { tenant, startNs, endNs }) {
      await catalog.refreshTo(partition, offset);
      if (timers && !recent.has(partition)) {
        await catalog.refreshSome([partition]);
        await catalog.refreshCompactions();
        recent.add(partition);
        timers.after(removalsMs, () => recent.delete(partition));
      }
      const refs = catalog.segmentsFor(tenant, startNs, endNs, new Map([[partition, offset]]));
      return [...new Set(refs.filter((ref) => isOf(ref, partition)).map((ref) => ref.key))];
    },
    outdated: (partition) => void recent.delete(partition),
  };
}

function isOf({ partition, sources }: SegmentRef, ownPartition: number): boolean {
  return sources ? sources.some((source) => source.partition === ownPartition) : partition === ownPartition;
}
