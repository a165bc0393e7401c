// Appends to the embedded log on a real disk:
// `node libs/adapters/write-log/src/test/write-log.bench.ts [directory]`.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import { EmbeddedWriteLog } from '../embedded-write-log.ts';

const cases = [
  { name: 'records of 1 MB, 8 at a time', recordBytes: 1_000_000, count: 400, atOnce: 8 },
  { name: 'records of 200 B, 1000 at a time', recordBytes: 200, count: 300_000, atOnce: 1000 },
  { name: 'records of 200 B, one at a time', recordBytes: 200, count: 300, atOnce: 1 },
];

async function run(
  { name, recordBytes, count, atOnce }: (typeof cases)[number],
  root: string,
): Promise<void> {
  const disk = new NodeDisk(root);
  const log = await EmbeddedWriteLog.open({
    disk,
    timers: new NodeTimers(),
    random: new NodeRandom(),
    partitionCount: 4,
  });
  const payload = randomBytes(recordBytes);
  const writerId = 'ab'.repeat(16);
  let sequence = 0;
  const writer = async (): Promise<void> => {
    while (sequence < count) {
      const mine = ++sequence;
      await log.append(mine % 4, { writerId, sequence: mine, payload });
    }
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: atOnce }, writer));
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const gigabytes = (recordBytes * count) / 1e9;
  const cpuSeconds = (used.user + used.system) / 1e6;
  const readCpu = process.cpuUsage();
  await log.close();
  const again = await EmbeddedWriteLog.open({
    disk,
    timers: new NodeTimers(),
    random: new NodeRandom(),
    partitionCount: 4,
  });
  let read = 0;
  for (let p = 0; p < 4; p++) {
    for (let offset = 0; ;) {
      const some = await again.read(p, offset, { bytesMax: 4 << 20, waitMs: 0 });
      if (some.length === 0) break;
      read += some.length;
      offset = some.at(-1)!.offset + 1;
    }
  }
  await again.close();
  const readUsed = process.cpuUsage(readCpu);
  if (read !== count) throw new Error(`${read} records of ${count} came back`);
  console.log(
    JSON.stringify({
      name,
      megabytesPerSecond: Math.round((gigabytes * 1000) / seconds),
      recordsPerSecond: Math.round(count / seconds),
      cpuSecondsPerGigabyte: Number((cpuSeconds / gigabytes).toFixed(2)),
      cpuMicrosecondsPerRecord: Number(((cpuSeconds * 1e6) / count).toFixed(1)),
      readBackCpuSecondsPerGigabyte: Number(((readUsed.user + readUsed.system) / 1e6 / gigabytes).toFixed(2)),
    }),
  );
}

async function main(): Promise<void> {
  for (const each of cases) {
    const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'loki-log-bench-'));
    try {
      await run(each, root);
    } finally {
      rmSync(root, { recursive: true });
    }
  }
}

void main();
