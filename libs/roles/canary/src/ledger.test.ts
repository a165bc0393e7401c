/** Protects the judge's memory: what was sent and what was answered outlives the process that sent it. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NodeDisk } from '@loki/runtime';
import { Ledger, partOf, timeOf } from './ledger.ts';

const head = { run: 'r', lineBytes: 80 };
let directory: string;
let disk: NodeDisk;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-ledger-'));
  disk = new NodeDisk(directory);
});

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

test('a ledger opened again knows every push, and those without an answer as unknown', async () => {
  const ledger = await Ledger.open(disk, 'ledger', head);
  const acked = await ledger.begin([{ stream: 0, count: 3 }], 1_000_000n);
  const rejected = await ledger.begin([{ stream: 1, count: 2, firstNs: 5n }], 1_000_000n);
  await ledger.begin([{ stream: 0, count: 4 }], 1_000_000n);
  await ledger.settle(acked, 'acked');
  await ledger.settle(rejected, 'rejected');
  // No close: the process was killed.
  const again = await Ledger.open(disk, 'ledger', { run: 'other', lineBytes: 1 });
  expect(again.run).toBe('r');
  expect(again.lineBytes).toBe(80);
  expect(again.counts()).toEqual({ pending: 0, acked: 3, unknown: 4, rejected: 2 });
  const next = await again.begin([{ stream: 0, count: 1 }], 0n);
  expect(next.parts[0]).toMatchObject({ from: 7 });
  expect(next.parts[0].firstNs).toBeGreaterThan(1_000_000n);
  await again.close();
  await ledger.close();
});

test('a push whose entry was cut in the middle was never sent', async () => {
  const ledger = await Ledger.open(disk, 'ledger', head);
  await ledger.begin([{ stream: 0, count: 3 }], 1n);
  await ledger.close();
  const file = path.join(directory, 'ledger');
  const whole = fs.readFileSync(file);
  for (const cut of [1, 5, 20]) {
    fs.writeFileSync(file, whole.subarray(0, whole.length - cut));
    const again = await Ledger.open(disk, 'ledger', head);
    expect(again.counts().unknown).toBe(0);
    await again.begin([{ stream: 0, count: 2 }], 1n);
    await again.close();
    const third = await Ledger.open(disk, 'ledger', head);
    expect(third.counts().unknown).toBe(2);
    await third.close();
  }
});

test('no two lines of a stream share a timestamp, whatever the clock says', async () => {
  const ledger = await Ledger.open(disk, 'ledger', head);
  const times: bigint[] = [];
  for (const nowNs of [1000n, 1000n, 500n, 2000n]) {
    const [part] = (await ledger.begin([{ stream: 3, count: 5 }], nowNs)).parts;
    for (let n = part.from; n < part.from + part.count; n++) times.push(timeOf(part, n));
  }
  expect(times).toEqual([...new Set(times)].sort((a, b) => (a < b ? -1 : 1)));
  const stream = ledger.streams.get(3)!;
  expect(partOf(stream, 7)).toBe(stream.parts[1]);
  expect(partOf(stream, 20)).toBeUndefined();
  await ledger.close();
});
