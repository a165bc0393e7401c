/**
 * Protects what the log makes of brokers' answers: only an honest acknowledgement is one, and everything has
 * an end.
 */
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { parseAddress } from './kafka-connection.ts';
import { topicDoubts } from './kafka-topic.ts';
import type { KafkaLogDamage, KafkaWriteLogOptions } from './kafka-write-log-options.ts';
import { KafkaWriteLog } from './kafka-write-log.ts';
import { VirtualBrokers } from './test/brokers.ts';
import type { AppendFault } from './test/stored-partition.ts';
import { testRecord, writeLogContract } from './test/write-log-contract.ts';

const opened: KafkaWriteLog[] = [];
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
});

async function open(
  brokers: VirtualBrokers,
  more: Partial<KafkaWriteLogOptions> = {},
): Promise<KafkaWriteLog> {
  const log = await KafkaWriteLog.openOn(brokers.world(), {
    topic: brokers.topic,
    partitionCount: brokers.partitions.length,
    writerBrokers: [],
    clientId: 'test',
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
    writeTimeoutMs: 60_000,
    startTimeoutMs: 0,
    ...more,
  });
  opened.push(log);
  return log;
}

async function readAll(log: KafkaWriteLog, partition: number): Promise<number[]> {
  const sequences: number[] = [];
  const end = await log.endOffset(partition);
  for (let offset = await log.startOffset(partition); offset < end;) {
    const some = await log.read(partition, offset, { bytesMax: 1000, waitMs: 60_000 });
    sequences.push(...some.map((record) => record.sequence));
    offset = some.at(-1)!.offset + 1;
  }
  return sequences;
}

writeLogContract('kafka, virtual brokers', async () => {
  const log = await open(new VirtualBrokers(3));
  return { log, dispose: () => log.close() };
});

writeLogContract('kafka, virtual brokers, later epoch, small batches', async () => {
  const brokers = new VirtualBrokers(3);
  brokers.messageBytesMax = 1200;
  const log = await open(brokers, { epoch: 3, partitionBufferBytesMax: 100, bufferBytesMax: 100 });
  return { log, dispose: () => log.close() };
});

describe('an append', () => {
  test.each<[AppendFault, number[]]>([
    ['lost', [1, 1, 2]],
    ['other partition', [1, 1, 2]],
    ['two partitions', [1, 1, 2]],
    ['no offset', [1, 1, 2]],
    ['refused', [1, 2]],
    [6, [1, 2]],
    [7, [1, 2]],
    [19, [1, 2]],
  ])('that meets %j is tried again, and acknowledged for the attempt that was', async (fault, found) => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    brokers.faults = [fault];
    const offset = await log.append(0, testRecord(1));
    await log.append(0, testRecord(2));
    // A repeated record has the same writer and sequence: readers drop it.
    expect(await readAll(log, 0)).toEqual(typeof fault === 'number' ? [1, 2] : found);
    const [record] = await log.read(0, offset, { bytesMax: 1, waitMs: 60_000 });
    expect(record).toEqual({ offset, ...testRecord(1) });
  });

  test('that is never acknowledged fails at its deadline, in words of the catalogue', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers, { writeTimeoutMs: 3_000 });
    brokers.isAway = true;
    const beganMs = performance.now();
    await expect(log.append(0, testRecord(1))).rejects.toMatchObject({ code: 'logNotAcked', status: 503 });
    expect(performance.now() - beganMs).toBeLessThan(20_000);
    brokers.isAway = false;
    await log.append(0, testRecord(2));
    expect(await readAll(log, 0)).toEqual([2]);
  });

  test('whose entries wait already has the rest of the time alone', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers, { writeTimeoutMs: 60_000 });
    brokers.isAway = true;
    const beganMs = performance.now();
    await expect(log.append(0, testRecord(1), 59_500)).rejects.toMatchObject({ code: 'logNotAcked' });
    expect(performance.now() - beganMs).toBeLessThan(30_000);
  });

  test('that may never succeed fails at once', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    brokers.faults = [29];
    await expect(log.append(0, testRecord(1))).rejects.toThrow('TOPIC_AUTHORIZATION_FAILED');
  });

  test('appends follow a partition to its new leader', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    await log.append(0, testRecord(1));
    brokers.partitions[0].leader = undefined;
    const waiting = log.append(0, testRecord(2));
    setTimeout(() => (brokers.partitions[0].leader = 5), 100);
    await waiting;
    expect(await readAll(log, 0)).toEqual([1, 2]);
  });

  test('of many at once goes out in few requests, each no larger than the topic takes', async () => {
    const brokers = new VirtualBrokers(1);
    brokers.messageBytesMax = 2_000;
    const log = await open(brokers);
    const offsets = await Promise.all(
      Array.from({ length: 100 }, (_, i) => log.append(0, testRecord(i + 1, Buffer.alloc(100)))),
    );
    expect(offsets).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const produced = brokers.requests.filter((name) => name === 'Produce').length;
    expect(produced).toBeGreaterThanOrEqual(8);
    expect(produced).toBeLessThan(15);
    expect(brokers.partitions[0].batches.every(({ bytes }) => bytes.length <= 2_000)).toBe(true);
  });

  test('of a record that the topic does not take is refused, and its neighbours are not', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    await expect(log.append(0, testRecord(1, Buffer.alloc(2 << 20)))).rejects.toMatchObject({
      code: 'bodyTooLarge',
    });
    brokers.messageBytesMax = 1_000; // lowered behind our back
    const outcomes = await Promise.allSettled(
      [100, 5_000, 100].map((bytes, i) => log.append(0, testRecord(i + 1, Buffer.alloc(bytes)))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'bodyTooLarge' } });
  });

  test('at the size that the log names is taken, and one byte more is not, in all bytes of Kafka', async () => {
    const brokers = new VirtualBrokers(1);
    brokers.messageBytesMax = 50_000;
    const log = await open(brokers);
    const { recordBytesMax } = log;
    expect(recordBytesMax).toBeGreaterThan(49_000);
    await log.append(0, testRecord(1, Buffer.alloc(recordBytesMax)));
    await expect(log.append(0, testRecord(2, Buffer.alloc(recordBytesMax + 1)))).rejects.toMatchObject({
      code: 'bodyTooLarge',
    });
    expect(brokers.partitions[0].batches).toHaveLength(1);
    expect(brokers.partitions[0].batches[0].bytes.length).toBeLessThanOrEqual(50_000);
  });

  test('that brokers refuse for its size teaches the log what they take: who tries again makes smaller ones', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    brokers.messageBytesMax = 40_000; // lowered behind our back
    let attempts = 0;
    for (let bytes = 500_000; ; bytes = log.recordBytesMax) {
      attempts++;
      const outcome = await log
        .append(0, testRecord(1, Buffer.alloc(bytes)))
        .catch((error: unknown) => error);
      if (outcome === 0) break;
      expect(outcome).toMatchObject({ code: 'bodyTooLarge' });
    }
    expect(attempts).toBeLessThan(7);
    expect(log.recordBytesMax).toBeGreaterThan(10_000);
    expect(log.recordBytesMax).toBeLessThan(40_000);
  });

  test('beyond what may wait is refused as overload, until there is room again', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers, { pendingBytesMax: 1_000, writeTimeoutMs: 3_000 });
    brokers.isAway = true;
    const waiting = log.append(0, testRecord(1, Buffer.alloc(900))).catch((error: unknown) => error);
    await expect(log.append(0, testRecord(2, Buffer.alloc(900)))).rejects.toMatchObject({
      code: 'overloaded',
      status: 503,
    });
    expect(await waiting).toMatchObject({ code: 'logNotAcked' });
    brokers.isAway = false;
    await log.append(0, testRecord(3, Buffer.alloc(900)));
  });

  test('is refused once the log is closed, and what waited is told', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    brokers.isAway = true;
    const first = log.append(0, testRecord(1)).catch((error: unknown) => error);
    const second = log.append(0, testRecord(2)).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await log.close();
    await expect(log.append(0, testRecord(3))).rejects.toMatchObject({ code: 'logNotAcked' });
    expect(await Promise.all([first, second])).toMatchObject([
      { code: 'logNotAcked' },
      { code: 'logNotAcked' },
    ]);
  });
});

/** Records that a reader keeps: it drops what does not raise the writer's sequence. */
function keptOf(sequences: readonly number[]): number[] {
  let newest = 0;
  return sequences.filter((each) => each > newest && (newest = each));
}

const large = 100_000;

describe('appends in flight', () => {
  /** Appends records of `large` bytes at once; returns the acknowledged sequences. */
  async function appendMany(log: KafkaWriteLog, from: number, count: number): Promise<number[]> {
    const outcomes = await Promise.allSettled(
      Array.from({ length: count }, (_, i) => log.append(0, testRecord(from + i, Buffer.alloc(large)))),
    );
    return outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [from + i] : []));
  }

  /** One producer id, and an acknowledgement under it. */
  async function opened(brokers: VirtualBrokers, writeTimeoutMs = 60_000): Promise<KafkaWriteLog> {
    brokers.messageBytesMax = large + 1_000;
    const log = await open(brokers, { writeTimeoutMs });
    await log.append(0, testRecord(1, Buffer.alloc(1)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await log.append(0, testRecord(2, Buffer.alloc(1)));
    return log;
  }

  test('of large records are several at a time, and stand in their order', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers);
    expect(await appendMany(log, 3, 20)).toHaveLength(20);
    expect(brokers.producesMax).toBe(5);
    expect(await readAll(log, 0)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
  });

  test('are one at a time where brokers give no producer id', async () => {
    const brokers = new VirtualBrokers(1);
    brokers.hasProducerIds = false;
    const log = await opened(brokers);
    expect(await appendMany(log, 3, 20)).toHaveLength(20);
    expect(brokers.producesMax).toBe(1);
  });

  test('are one at a time until the first of a producer is acknowledged: its broker would take any of them', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers);
    brokers.producesMax = 0;
    // The broker has forgotten the producer, which makes the sequence wrong: another one begins.
    brokers.partitions[0].producers.clear();
    brokers.faults = [undefined, 19, 19, 19, 19, 45];
    expect(await appendMany(log, 3, 20)).toHaveLength(20);
    expect(keptOf(await readAll(log, 0))).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
  });

  test.each<[string, (AppendFault | undefined)[]]>([
    ['is not replicated', [undefined, 19]],
    ['loses its answer', [undefined, 'lost']],
    ['loses its connection', [undefined, 'refused', undefined, 'refused']],
    ['fails twice', [19, 19, 19, 'lost', 'lost', 6]],
    ['is out of order for another reason', [undefined, 45, 45, 45]],
    ['is answered for another partition', [undefined, 'other partition', undefined, 'no offset']],
  ])('with one in the middle that %s: all are stored, none behind a later one', async (_, faults) => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers);
    brokers.faults = [...faults];
    expect(await appendMany(log, 3, 20)).toHaveLength(20);
    expect(keptOf(await readAll(log, 0))).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
  });

  test('to something that does not keep their order: a record that another one has passed is not called stored', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers);
    brokers.ignoresSequences = true;
    brokers.faults = [undefined, 19, undefined, undefined, 19];
    const acked = await appendMany(log, 3, 20);
    expect(acked.length).toBeLessThan(20);
    expect(keptOf(await readAll(log, 0))).toEqual(expect.arrayContaining(acked));
  });

  test('with one that is too large in the middle: the others are stored in their order', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers);
    brokers.messageBytesMax = 50_000; // lowered behind our back
    const sizes = [70_000, 10_000, 90_000, 10_000, 10_000];
    const outcomes = await Promise.allSettled(
      sizes.map((bytes, i) => log.append(0, testRecord(3 + i, Buffer.alloc(bytes)))),
    );
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([false, true, false, true, true]);
    expect(keptOf(await readAll(log, 0))).toEqual([1, 2, 4, 6, 7]);
  });

  test('of which some were given up: what is acknowledged afterwards is read', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await opened(brokers, 2_000);
    brokers.faults = Array.from({ length: 200 }, () => 19);
    expect(await appendMany(log, 3, 10)).toEqual([]);
    brokers.faults = [];
    const acked = await appendMany(log, 13, 10);
    expect(acked).toHaveLength(10);
    expect(keptOf(await readAll(log, 0))).toEqual(expect.arrayContaining([1, 2, ...acked]));
  });

  test('under random faults: every acknowledged record is read once, in its order', async () => {
    const random = new NodeRandom();
    const kinds: (AppendFault | undefined)[] = [
      undefined,
      undefined,
      undefined,
      19,
      6,
      'lost',
      'refused',
      45,
    ];
    for (let round = 0; round < 6; round++) {
      const brokers = new VirtualBrokers(1);
      const log = await opened(brokers);
      brokers.faults = Array.from({ length: 12 }, () => kinds[Math.floor(random.float() * kinds.length)]);
      const shown = JSON.stringify(brokers.faults);
      const acked = await appendMany(log, 3, 12);
      const sequences = keptOf(await readAll(log, 0));
      expect([shown, sequences]).toEqual([shown, expect.arrayContaining(acked)]);
    }
  });
});

describe('a read', () => {
  test('from a broker that is away ends with an error after its wait, and goes on once it is back', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    const offset = await log.append(0, testRecord(1));
    brokers.isAway = true;
    await expect(log.read(0, offset, { bytesMax: 1, waitMs: 300 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    const waiting = log.read(0, offset, { bytesMax: 1, waitMs: 60_000 });
    brokers.isAway = false;
    expect((await waiting)[0].sequence).toBe(1);
  });

  test('that waits follows its partition to another broker', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers);
    const waiting = log.read(0, 0, { bytesMax: 1, waitMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    brokers.partitions[0].leader = 7;
    await log.append(0, testRecord(1));
    expect((await waiting)[0].sequence).toBe(1);
  });

  test('of what was deleted begins at the first record that is left', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers, { deletesRecords: true });
    for (let i = 1; i <= 5; i++) await log.append(0, testRecord(i));
    await log.truncateBefore(0, 3);
    expect(await log.startOffset(0)).toBe(3);
    expect(await log.read(0, 0, { bytesMax: 1e6, waitMs: 60_000 })).toMatchObject([
      { sequence: 4 },
      { sequence: 5 },
    ]);
  });

  test('steps over what cannot be believed, and says so once', async () => {
    const brokers = new VirtualBrokers(1);
    const damage: KafkaLogDamage[] = [];
    const log = await open(brokers, { onDamage: (each) => damage.push(each) });
    for (let i = 1; i <= 3; i++) await log.append(0, testRecord(i));
    const { bytes } = brokers.partitions[0].batches[1];
    bytes[bytes.length - 3] ^= 1;
    expect(await readAll(log, 0)).toEqual([1, 3]);
    expect(damage).toEqual([{ partition: 0, offset: 1, fault: 'fails its checksum' }]);
  });

  test('ahead of a consumer that does not come back ends at its bound', async () => {
    const brokers = new VirtualBrokers(1);
    const log = await open(brokers, { partitionBufferBytesMax: 3_000 });
    await log.append(0, testRecord(1));
    await log.read(0, 0, { bytesMax: 1, waitMs: 60_000 });
    for (let i = 2; i <= 50; i++) await log.append(0, testRecord(i, Buffer.alloc(1_000)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = brokers.requests.filter((name) => name === 'Fetch').length;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(brokers.requests.filter((name) => name === 'Fetch').length).toBe(before);
    expect(await readAll(log, 0)).toHaveLength(50);
  });

  test('of all partitions that are idle costs few requests', async () => {
    const brokers = new VirtualBrokers(100);
    const log = await open(brokers);
    brokers.requests = [];
    await Promise.all(brokers.partitions.map((_, p) => log.read(p, 0, { bytesMax: 1, waitMs: 1_000 })));
    expect(brokers.requests.length).toBeLessThan(30);
  });

  test('of ends of all partitions at once is one request to each broker', async () => {
    const brokers = new VirtualBrokers(100);
    const log = await open(brokers);
    brokers.requests = [];
    await Promise.all(brokers.partitions.map((_, p) => log.endOffset(p)));
    expect(brokers.requests).toEqual(['ListOffsets', 'ListOffsets']);
  });
});

test('a partition that was added is appended to and read, by its number or by a broker’s word', async () => {
  const brokers = new VirtualBrokers(1);
  const log = await open(brokers);
  await expect(log.append(1, testRecord(1))).rejects.toThrow(RangeError);
  brokers.addPartition();
  log.expectPartitions(2);
  const offset = await log.append(1, testRecord(1));
  expect(await log.read(1, offset, { bytesMax: 1, waitMs: 60_000 })).toMatchObject([{ sequence: 1 }]);
  const other = await open(brokers);
  brokers.addPartition();
  expect(await other.countPartitions()).toBe(3);
  expect(await other.endOffset(2)).toBe(0);
});

describe('at the start', () => {
  test('a topic that ends below what was committed is refused, with the way out; a later epoch goes on above', async () => {
    const brokers = new VirtualBrokers(2);
    await expect(open(brokers, { atLeast: [0, 10] })).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(/partition 1 ends at offset 0.*up to 10.*kafka_epoch to 1/) as string,
    });
    const log = await open(brokers, { atLeast: [0, 10], epoch: 1 });
    const offset = await log.append(1, testRecord(1));
    expect(offset).toBe(2 ** 44);
    // Read on from where the former epoch was committed.
    const [record] = await log.read(1, 10, { bytesMax: 1, waitMs: 60_000 });
    expect(record).toEqual({ offset, ...testRecord(1) });
    expect(await log.startOffset(1)).toBe(2 ** 44);
  });

  test('brokers that stay away are an error after the wait', async () => {
    const brokers = new VirtualBrokers(1);
    brokers.isAway = true;
    await expect(open(brokers)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test.each([-1, 512, 0.5])('epoch %d is none', async (epoch) => {
    await expect(open(new VirtualBrokers(1), { epoch })).rejects.toThrow(RangeError);
  });

  test('what a topic’s configuration makes doubtful is said', () => {
    const of = (values: Record<string, string>, replicas = 3): string =>
      topicDoubts(new Map(Object.entries({ 'min.insync.replicas': '2', ...values })), replicas).join('; ');
    expect(of({ 'retention.ms': '604800000' })).toBe('');
    expect(of({ 'retention.ms': '-1' })).toBe('');
    expect(of({ 'retention.ms': '3600000' })).toContain('1.0 hours');
    expect(of({ 'retention.bytes': '1000000' })).toContain('retention.bytes');
    expect(of({ 'min.insync.replicas': '1' })).toContain('one broker alone');
    expect(of({ 'min.insync.replicas': '3' })).toContain('stops all appends');
    expect(of({}, 1)).toContain('one replica');
    expect(of({ 'unclean.leader.election.enable': 'true' })).toContain('unclean');
  });

  test.each([
    ['kafka', { host: 'kafka', port: 9092 }],
    ['10.0.0.1:19092', { host: '10.0.0.1', port: 19_092 }],
    ['[::1]:9093', { host: '::1', port: 9093 }],
  ])('%s is an address', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each(['', ':9092', 'a:b', 'a:0', 'a:70000', 'http://a:1'])('%j is none', (text) => {
    expect(() => parseAddress(text)).toThrow(TypeError);
  });
});
