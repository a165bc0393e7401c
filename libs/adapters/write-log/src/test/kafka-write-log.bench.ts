// Appends to and reads from real brokers:
// `node libs/adapters/write-log/src/test/kafka-write-log.bench.ts 127.0.0.1:9092`.
import { randomBytes } from 'node:crypto';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { KafkaWriteLog } from '../kafka-write-log.ts';

const brokers = (process.argv[2] ?? '127.0.0.1:9092').split(',');
const cases = [
  { name: 'records of 1 MB, 8 at a time', recordBytes: 1_000_000, count: 600, atOnce: 8 },
  { name: 'records of 64 KB, 16 at a time', recordBytes: 64_000, count: 3_000, atOnce: 16 },
  { name: 'records of 200 B, 1000 at a time', recordBytes: 200, count: 100_000, atOnce: 1000 },
  { name: 'records of 200 B, one at a time', recordBytes: 200, count: 300, atOnce: 1 },
];
const partitionCount = 4;

async function run({ name, recordBytes, count, atOnce }: (typeof cases)[number]): Promise<void> {
  const options = {
    topic: `loki-bench-${randomBytes(4).toString('hex')}`,
    partitionCount,
    writerBrokers: brokers,
    clientId: 'loki-bench',
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
  };
  const log = await KafkaWriteLog.open(options);
  const payload = randomBytes(recordBytes);
  const writerId = 'ab'.repeat(16);
  let sequence = 0;
  const waits: number[] = [];
  const writer = async (): Promise<void> => {
    while (sequence < count) {
      const mine = ++sequence;
      const beganMs = performance.now();
      await log.append(mine % partitionCount, { writerId, sequence: mine, payload });
      waits.push(performance.now() - beganMs);
    }
  };
  const append = await measured(() => Promise.all(Array.from({ length: atOnce }, writer)));
  const ends = await Promise.all(Array.from({ length: partitionCount }, (_, p) => log.endOffset(p)));
  let found = 0;
  const read = await measured(() =>
    Promise.all(
      ends.map(async (end, p) => {
        for (let offset = 0; offset < end;) {
          const some = await log.read(p, offset, { bytesMax: 4 << 20, waitMs: 1_000 });
          found += some.length;
          if (some.length > 0) offset = some.at(-1)!.offset + 1;
        }
      }),
    ),
  );
  await log.close();
  if (found !== count) throw new Error(`${found} records of ${count} came back`);
  const gigabytes = (recordBytes * count) / 1e9;
  const perGigabyte = (seconds: number): number => Number((seconds / gigabytes).toFixed(2));
  waits.sort((a, b) => a - b);
  console.log(
    JSON.stringify({
      name,
      megabytesPerSecond: Math.round((gigabytes * 1000) / append.seconds),
      recordsPerSecond: Math.round(count / append.seconds),
      cpuSecondsPerGigabyte: perGigabyte(append.cpuSeconds),
      cpuMicrosecondsPerRecord: Number(((append.cpuSeconds * 1e6) / count).toFixed(1)),
      ackMsP50: Number(waits[waits.length >> 1].toFixed(1)),
      ackMsP99: Number(waits[Math.floor(waits.length * 0.99)].toFixed(1)),
      readMegabytesPerSecond: Math.round((gigabytes * 1000) / read.seconds),
      readCpuSecondsPerGigabyte: perGigabyte(read.cpuSeconds),
    }),
  );
}

async function measured(action: () => Promise<unknown>): Promise<{ seconds: number; cpuSeconds: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await action();
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (used.user + used.system) / 1e6 };
}

async function main(): Promise<void> {
  for (const each of cases) await run(each);
}

void main();
