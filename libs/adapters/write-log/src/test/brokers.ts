/** Kafka brokers in memory for tests of the write log. */
import { KafkaBytesReader, KafkaBytesWriter } from '../kafka-bytes.ts';
import type { KafkaBrokers, KafkaRequests } from '../kafka-cluster.ts';
import type { KafkaAnswer, KafkaCall } from '../kafka-protocol.ts';
import type { KafkaDeps } from '../kafka-write-log-options.ts';
import type { AppendFault, StoredPartition } from './stored-partition.ts';

/**
 * Brokers in memory that speak Kafka's protocol, for tests of its clients. Tests set their faults.
 */
export class VirtualBrokers implements KafkaBrokers {
  readonly topic = 'virtual';
  readonly partitions: StoredPartition[];
  /** One for each append that comes, `undefined` for those that are taken. */
  faults: (AppendFault | undefined)[] = [];
  messageBytesMax = 1 << 20;
  /** No broker answers. */
  isAway = false;
  /** No producer ids, as from brokers that do not grant them. */
  hasProducerIds = true;
  /** Batches are taken in any order, as by something that only looks like Kafka. */
  ignoresSequences = false;
  /** Delay of an answer; further requests are read meanwhile. */
  roundTripMs = 1;
  /** Most appends that were on their way at one time. */
  producesMax = 0;
  #producing = 0;
  #producerIds = 0n;
  requests: string[] = [];
  refreshes = 0;
  /** The leaders of the last answer; they may have moved since. */
  #leaders: (number | undefined)[];
  #listeners: (() => void)[] = [];
  #waiting = new Set<() => void>();

  constructor(partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, (_, i) => ({
      leader: i % 2,
      producers: new Map(),
      start: 0,
      end: 0,
      batches: [],
    }));
    this.#leaders = this.partitions.map(({ leader }) => leader);
  }

  addPartition(): void {
    const leader = this.partitions.length % 2;
    this.partitions.push({ leader, producers: new Map(), start: 0, end: 0, batches: [] });
  }

  world(): KafkaDeps {
    return {
      writers: this,
      readers: this,
      prepareTopic: async () => ({ messageBytesMax: this.messageBytesMax }),
      deleteRecords: async (partition, offset) => void (this.partitions[partition].start = offset),
    };
  }

  get partitionCount(): number {
    return this.#leaders.length;
  }

  leader(partition: number): number | undefined {
    return this.#leaders[partition];
  }

  async refresh(): Promise<void> {
    this.refreshes++;
    if (this.isAway) throw new Error('nobody answers');
    this.#leaders = this.partitions.map(({ leader }) => leader);
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async connection(nodeId: number): Promise<KafkaRequests> {
    if (this.isAway) throw new Error('connection refused');
    return {
      supports: () => true,
      request: (call, timeoutMs) => this.#request(nodeId, call, timeoutMs),
    };
  }

  close(): void {
    this.#listeners = [];
    for (const wake of this.#waiting) wake();
  }

  async #request<T extends KafkaAnswer>(nodeId: number, call: KafkaCall<T>, timeoutMs: number): Promise<T> {
    this.requests.push(call.apiName);
    const isProduce = call.apiName === 'Produce';
    if (isProduce) this.producesMax = Math.max(this.producesMax, ++this.#producing);
    await new Promise((resolve) => setTimeout(resolve, this.roundTripMs));
    if (isProduce) this.#producing--;
    const reader = new KafkaBytesReader(call.body);
    switch (call.apiName) {
      case 'Produce':
        return call.decode(this.#produce(nodeId, reader));
      case 'InitProducerId':
        return call.decode(this.#initProducerId());
      case 'Fetch':
        return call.decode(await this.#fetch(nodeId, reader, timeoutMs));
      case 'ListOffsets':
        return call.decode(this.#offsets(nodeId, reader));
      default:
        throw new Error(`not spoken here: ${call.apiName}`);
    }
  }

  #produce(nodeId: number, reader: KafkaBytesReader): Buffer {
    reader.text();
    const acks = reader.i16();
    reader.i32();
    const topics = reader.i32();
    reader.text();
    const count = reader.i32();
    if (acks !== -1 || topics !== 1 || count !== 1) throw new Error('one partition a request, all replicas');
    const partition = reader.i32();
    const bytes = Buffer.from(reader.view(reader.i32()));
    const fault = this.faults.shift();
    if (fault === 'refused') throw new Error('connection reset');
    const stored = this.partitions[partition];
    let error = typeof fault === 'number' ? fault : 0;
    if (stored.leader !== nodeId) error = 6;
    else if (bytes.length > this.messageBytesMax) error = 10;
    let baseOffset = -1;
    const records = bytes.readInt32BE(57);
    if (error === 0) {
      const verdict = this.#inOrder(stored, bytes);
      if (typeof verdict === 'number') baseOffset = verdict;
      else if (!verdict) error = 45;
    }
    if (error === 0 && baseOffset < 0) {
      baseOffset = stored.end;
      bytes.writeBigInt64BE(BigInt(baseOffset), 0);
      stored.batches.push({ baseOffset, count: records, bytes });
      stored.end += records;
      this.#remember(stored, bytes, baseOffset);
      for (const wake of this.#waiting) wake();
    }
    if (fault === 'lost') throw new Error('the answer is lost');
    const answered = fault === 'two partitions' ? [partition, partition + 1] : [partition];
    const writer = new KafkaBytesWriter(4 + 2 + this.topic.length + 4 + 30 * answered.length + 4);
    writer.i32(1).text(this.topic).i32(answered.length);
    for (const each of answered) {
      const shown = fault === 'other partition' ? each + 1 : each;
      writer
        .i32(shown)
        .i16(error)
        .i64(fault === 'no offset' ? -1 : baseOffset)
        .i64(-1)
        .i64(stored.start);
    }
    return writer.i32(0).bytes;
  }

  #initProducerId(): Buffer {
    const writer = new KafkaBytesWriter(4 + 2 + 8 + 2).i32(0).i16(this.hasProducerIds ? 0 : 31);
    const id = this.hasProducerIds ? ++this.#producerIds : -1n;
    return writer.i64(Number(id)).i16(this.hasProducerIds ? 0 : -1).bytes;
  }

  /**
   * Whether the batch is the next one of its producer, as Kafka judges: a repeated one has its offset, and
   * any sequence of an unknown producer will do.
   */
  #inOrder(stored: StoredPartition, bytes: Buffer): boolean | number {
    const producer = bytes.readBigInt64BE(43);
    if (producer < 0n || this.ignoresSequences) return true;
    const state = stored.producers.get(producer);
    if (!state) return true;
    const first = bytes.readInt32BE(53);
    const count = bytes.readInt32BE(57);
    const repeated = state.batches.find((each) => each.first === first && each.count === count);
    return repeated ? repeated.baseOffset : first === state.next;
  }

  #remember(stored: StoredPartition, bytes: Buffer, baseOffset: number): void {
    const producer = bytes.readBigInt64BE(43);
    if (producer < 0n) return;
    const first = bytes.readInt32BE(53);
    const count = bytes.readInt32BE(57);
    const batches = [...(stored.producers.get(producer)?.batches ?? []), { first, count, baseOffset }];
    stored.producers.set(producer, { next: first + count, batches: batches.slice(-5) });
  }

  async #fetch(nodeId: number, reader: KafkaBytesReader, timeoutMs: number): Promise<Buffer> {
    reader.i32();
    const waitMs = reader.i32();
    if (waitMs > timeoutMs) throw new Error('waits longer than its caller');
    reader.skip(4 + 4 + 1 + 4 + 4 + 4);
    reader.text();
    const asked = reader.array(() => {
      const partition = reader.i32();
      reader.i32();
      const offset = reader.i64();
      reader.i64();
      return { partition, offset, bytesMax: reader.i32() };
    });
    if (new Set(asked.map((each) => each.partition)).size !== asked.length) {
      throw new Error('a partition twice');
    }
    let found = asked.map((each) => this.#find(nodeId, each));
    if (waitMs > 0 && found.every(({ error, bytes }) => error === 0 && bytes.length === 0)) {
      await this.#somethingNew(waitMs);
      found = asked.map((each) => this.#find(nodeId, each));
    }
    const size = found.reduce((sum, { bytes }) => sum + 42 + bytes.length, 0);
    const writer = new KafkaBytesWriter(4 + 2 + 4 + 4 + 2 + this.topic.length + 4 + size);
    writer.i32(0).i16(0).i32(0).i32(1).text(this.topic).i32(found.length);
    for (const { partition, error, bytes } of found) {
      const { start, end } = this.partitions[partition];
      writer
        .i32(partition)
        .i16(error)
        .i64(end)
        .i64(end)
        .i64(start)
        .i32(-1)
        .i32(-1)
        .i32(bytes.length)
        .raw(bytes);
    }
    return writer.bytes;
  }

  #find(
    nodeId: number,
    asked: { partition: number; offset: number; bytesMax: number },
  ): { partition: number; error: number; bytes: Buffer } {
    const { partition, offset, bytesMax } = asked;
    const { leader, start, end, batches } = this.partitions[partition];
    const none = Buffer.alloc(0);
    if (this.isAway) throw new Error('connection reset');
    if (leader !== nodeId) return { partition, error: 6, bytes: none };
    if (offset < start || offset > end) return { partition, error: 1, bytes: none };
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const batch of batches) {
      if (batch.baseOffset + batch.count <= offset) continue;
      if (parts.length > 0 && bytes + batch.bytes.length > bytesMax) break;
      parts.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return { partition, error: 0, bytes: Buffer.concat(parts) };
  }

  #somethingNew(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      this.#waiting.add(wake);
    });
  }

  #offsets(nodeId: number, reader: KafkaBytesReader): Buffer {
    reader.skip(4 + 1 + 4);
    reader.text();
    const asked = reader.array(() => {
      const partition = reader.i32();
      reader.i32();
      return { partition, which: reader.i64() };
    });
    const writer = new KafkaBytesWriter(4 + 4 + 2 + this.topic.length + 4 + 26 * asked.length);
    writer.i32(0).i32(1).text(this.topic).i32(asked.length);
    for (const { partition, which } of asked) {
      const { leader, start, end } = this.partitions[partition];
      const isOurs = leader === nodeId;
      writer
        .i32(partition)
        .i16(isOurs ? 0 : 6)
        .i64(-1)
        .i64(isOurs ? (which === -2 ? start : end) : -1)
        .i32(0);
    }
    return writer.bytes;
  }
}
