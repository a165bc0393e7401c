/**
 * Row about one partition's throughput: appends to a broker that is some milliseconds away. Records are as
 * large as a distributor's batch of 4 MiB of lines, compressed.
 */
import { randomBytes } from 'node:crypto';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { KafkaWriteLog } from '@loki/write-log';
import { startDistantKafka } from './distant-kafka.ts';
import type { Measure } from './growth-judge.ts';

/** Raw bytes of a batch, and how much smaller lines become. */
const batchBytes = 4 * 2 ** 20;
const compression = 8;
const batches = 48;
/** Batches that clients have ready; a distributor holds 512 MiB at most. */
const waiting = 16;
/** 60 MB/s of lines. */
const secondsPerGigabyteMax = 1_000 / 60;
const judgedMs = 200;

export const appendMeasures: readonly Measure[] = [
  {
    name: 'a GB of lines through one partition',
    unit: 'wall s',
    bar: { costMax: secondsPerGigabyteMax, atSize: judgedMs, exponentMax: 1, floor: 0.5 },
  },
];

/** Measures appends over a round trip of that many milliseconds. */
export async function measureAppends(roundTripMs: number): Promise<Map<string, number>> {
  const kafka = await startDistantKafka(roundTripMs);
  const log = await KafkaWriteLog.open({
    topic: kafka.topic,
    partitionCount: 1,
    writerBrokers: [kafka.address],
    clientId: 'bench',
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
  });
  try {
    const payload = randomBytes(batchBytes / compression);
    const writerId = 'ab'.repeat(16);
    let sequence = 0;
    const append = () => log.append(0, { writerId, sequence: ++sequence, payload });
    // The first appends bring a connection and a producer id.
    for (let i = 0; i < 3; i++) {
      await append();
      await new Promise((resolve) => setTimeout(resolve, 2 * roundTripMs));
    }
    const began = performance.now();
    let remaining = batches;
    const client = async (): Promise<void> => {
      while (remaining-- > 0) await append();
    };
    await Promise.all(Array.from({ length: waiting }, client));
    const seconds = (performance.now() - began) / 1_000;
    return new Map([[appendMeasures[0].name, (seconds * 1e9) / (batches * batchBytes)]]);
  } finally {
    await log.close();
    await kafka.close();
  }
}
