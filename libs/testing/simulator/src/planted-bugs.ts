/** Planted mistakes in one process, which the simulator must find. */
import type { PartitionCommitter, ShardStep, StreamShards, WriterTable } from '@loki/catalog';
import { LokiError } from '@loki/model';
import type { Disk, LoggedRecord, ObjectStore, WriteLog } from '@loki/ports';
import type { VirtualProcess } from '@loki/virtual';

/**
 * Possible mistakes, as switches: each must be found within 500 seeds. They are planted from outside, in the
 * objects that the code receives, so the code itself has no bug to switch on.
 */
export const plantedBugs = {
  commitBeforeFlush: 'the manifest names a segment that is not durable yet',
  offsetOffByOne: 'recovery goes on one record after the committed offset',
  writersAhead: 'a manifest holds the writer table of now, not that of its end offset',
  sequenceIgnored: 'records are not known by (writerId, sequence), and rows are not compared either',
  checksumIgnored: 'damaged bytes are believed',
  duplicatesKept: 'rows are not compared with head and store',
  ackBeforeSync: 'the write log answers before its bytes are durable',
  commitOverwrites: 'a manifest is put over that of another owner',
  shardsByRate: 'a row goes to the shards that its stream has now, not to those of its time',
} as const;

/** Name of a mistake that the simulator of one process must find. */
export type PlantedBug = keyof typeof plantedBugs;

/** Segments are reported as durable at once and uploaded later; a crash in between loses them. */
export function storeThatAnswersEarly(store: ObjectStore, process: VirtualProcess): ObjectStore {
  const put: ObjectStore['put'] = (key, bytes, signal) => {
    if (!key.startsWith('segments/')) return store.put(key, bytes, signal);
    process.after(process.random.float() * 2_000, `late put ${key}`, () => {
      store.put(key, bytes).catch(() => undefined); // The bug: no caller is left to receive the failure.
    });
    return Promise.resolve();
  };
  return overriding(store, { put });
}

/** Create-if-absent as a read followed by a put. */
export function storeThatOverwrites(store: ObjectStore): ObjectStore {
  const putIfAbsent: ObjectStore['putIfAbsent'] = async (key, bytes, signal) => {
    await store.put(key, bytes, signal);
    return true;
  };
  return overriding(store, { putIfAbsent });
}

/** The first read of a partition after a start begins one record too late. */
export function logThatSkipsOne(log: WriteLog): WriteLog {
  const started = new Set<number>();
  const read: WriteLog['read'] = (partition, from, options) => {
    const isFirst = !started.has(partition);
    started.add(partition);
    return log.read(partition, isFirst && from > 0 ? from + 1 : from, options);
  };
  return overriding(log, { read });
}

/** Hides the writer of a record: each record seems to be the first of a new writer. */
export function logWithoutSequences(log: WriteLog): WriteLog {
  const read: WriteLog['read'] = async (partition, from, options) => {
    const records = await log.read(partition, from, options);
    return records.map((record) => ({
      ...record,
      writerId: record.offset.toString(16).padStart(32, '0'),
      sequence: 1,
    }));
  };
  return overriding(log, { read });
}

/** Commits name every writer so far, also those above the commit's end. */
export function commitsAhead(
  commits: PartitionCommitter,
  sequences: ReadonlyMap<string, number>,
): PartitionCommitter {
  return overriding(commits, {
    commit: (commit, signal) => {
      const writers: WriterTable = [...sequences];
      return commits.commit({ ...commit, writers }, signal);
    },
  });
}

/** Reports each record that is read. */
export function logThatTells(
  log: WriteLog,
  onRecord: (partition: number, record: LoggedRecord) => void,
): WriteLog {
  const read: WriteLog['read'] = async (partition, from, options) => {
    const records = await log.read(partition, from, options);
    for (const record of records) onRecord(partition, record);
    return records;
  };
  return overriding(log, { read });
}

/** Appends a record twice, or fails after the append: the effects of producers' retries and brokers. */
export function logThatRepeats(
  log: WriteLog,
  odds: { repeats: () => boolean; losesAnswer: () => boolean },
): WriteLog {
  const append: WriteLog['append'] = async (partition, record) => {
    const offset = await log.append(partition, record);
    if (odds.repeats()) await log.append(partition, record);
    if (odds.losesAnswer()) throw new LokiError('logNotAcked', 'the answer of the write log got lost');
    return offset;
  };
  return overriding(log, { append });
}

/** fsync that does nothing. */
export function diskThatAnswersEarly(disk: Disk): Disk {
  const open: Disk['open'] = async (path, options) => {
    const file = await disk.open(path, options);
    return overriding(file, { sync: () => Promise.resolve() });
  };
  return overriding(disk, { open });
}

/** The object with some methods replaced; the others are called on the object itself. */
export function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const replaced = (methods as Record<PropertyKey, unknown>)[name];
      if (replaced) return replaced;
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === 'function' ? (value.bind(object) as unknown) : value;
    },
  });
}

/** All rows of a stream, old ones too, go to as many partitions as were requested last. */
export function shardsByRate(): Pick<StreamShards, 'of' | 'want'> {
  const steps = new Map<number, ShardStep>();
  const always = { fromSeconds: 0, untilSeconds: Number.POSITIVE_INFINITY };
  return {
    of(placement) {
      const step = steps.get(placement);
      return step && [step];
    },
    want: (placement, shards) => void steps.set(placement, { placement, ...always, shards }),
  };
}
