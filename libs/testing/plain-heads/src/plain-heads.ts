/** Heads in memory for tests: records go in by hand, and are flushed on request. */
import { PartitionCatalog, sectionsOf } from '@loki/catalog';
import { atOnce, leafTask, unpackLeafResult } from '@loki/engine';
import { LokiError } from '@loki/model';
import type { IngesterService, LeafRequest, ObjectStore } from '@loki/ports';
import { mergeSegments } from '@loki/segment';

interface HeldRecord {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Partitions' heads without an ingester: a test adds records, and flushes them to a store. */
export class PlainHeads {
  readonly #objectStore: ObjectStore;
  readonly #writers: readonly PartitionCatalog[];
  readonly #records: readonly HeldRecord[][];
  readonly #committed: number[];
  #segments = 0;

  constructor(objectStore: ObjectStore, partitionCount: number) {
    this.#objectStore = objectStore;
    const ids = Array.from({ length: partitionCount }, (_, partition) => partition);
    this.#writers = ids.map((partition) => new PartitionCatalog({ objectStore, partition }));
    this.#records = ids.map(() => []);
    this.#committed = ids.map(() => 0);
  }

  /** Adds a record: the bytes of a segment. */
  append(partition: number, bytes: Buffer): void {
    const records = this.#records[partition];
    records.push({ offset: records.length, bytes });
  }

  /** Every record so far, in order of arrival, one partition after the other. */
  get all(): Buffer[] {
    return this.#records.flat().map(({ bytes }) => bytes);
  }

  /** Commits the records in the partition's head. */
  async flush(partition: number, createdMs = 0): Promise<void> {
    const startOffset = this.#committed[partition];
    const records = this.#uncommitted(partition);
    if (records.length === 0) return;
    const endOffset = startOffset + records.length;
    const { bytes } = mergeSegments(records, { kind: 'flushed' });
    const suffix = (this.#segments++).toString(16).padStart(16, '0');
    const key = `segments/${partition}/${startOffset}-${endOffset}-${suffix}`;
    await this.#objectStore.put(key, bytes);
    const segment = { key, sizeBytes: bytes.length, level: 0, sections: sectionsOf(bytes) };
    const content = { startOffset, endOffset, segment, writers: [], drops: [], erased: [], createdMs };
    await this.#writers[partition].commit(content);
    this.#committed[partition] = endOffset;
  }

  /** Answers for the heads, without streams; `onAsked` receives each request. */
  service(onAsked?: (request: LeafRequest) => void): IngesterService {
    const env = { objectStore: this.#objectStore, cache: new Map(), cacheBytesMax: 1 << 20 };
    const notHere = (): never => {
      throw new LokiError('internal', 'not in this test');
    };
    return {
      partitions: notHere,
      tail: notHere,
      flush: notHere,
      headStreams: (partition) =>
        Promise.resolve({ committedOffset: this.#committed[partition], result: [] }),
      queryHead: async (partition, request) => {
        onAsked?.(request);
        const committedOffset = this.#committed[partition];
        const sources = this.#uncommitted(partition).map(({ bytes }) => ({ kind: 'bytes' as const, bytes }));
        const packed = await leafTask.run({ request, sources }, env);
        return { committedOffset, result: atOnce(unpackLeafResult(packed)) };
      },
    };
  }

  #uncommitted(partition: number): HeldRecord[] {
    return this.#records[partition].slice(this.#committed[partition]);
  }
}
