/**
 * Attacks on bystanders: pushes beside a reader that does not read, and beside a tenant that sends
 * ten times what it may. Each is measured against the same product without the other.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { pushOf } from './body-attacks.ts';
import { mib, spread } from './judge.ts';
import { Watch } from './watch-thread.ts';

const mebibyte = 2 ** 20;
/** Phases with and without the other take turns: the machine is not the same all the time. */
const phases = 3;
const phaseMs = 5_000;
const probeEveryMs = 10;
/** Two figures of one quiet process differ by this much. */
const noiseMs = 1;

interface Phase {
  readonly push: readonly number[];
  readonly memoryBytes: number;
}

/** Pushes of a neighbour for the length of a phase, and what the process holds at its end. */
async function phaseOf(attacker: Attacker): Promise<Phase> {
  const watch = new Watch(attacker.port, probeEveryMs);
  await sleep(phaseMs);
  const { times, failures } = await watch.end();
  if (failures.length > 0) attacker.fault(`others failed: ${failures[0]}`);
  return { push: times.push, memoryBytes: attacker.memoryBytes() };
}

function p99Of(parts: readonly Phase[]): number {
  return spread(parts.flatMap(({ push }) => push)).p99;
}

/** A tail over a connection of its own; only `read` reads from it. */
async function openTail(attacker: Attacker, query: string): Promise<Socket> {
  const socket = await attacker.open();
  socket.pause();
  socket.write(
    `GET /loki/api/v1/tail?limit=1&query=${encodeURIComponent(query)} HTTP/1.1\r\nHost: localhost\r\n` +
      `X-Scope-OrgID: attacker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  return socket;
}

const tails = 10;
const dropsWithinMs = 60_000;
/** Resolves some time after the first drop: the tails do not stall at the same moment. */
const dropsApartMs = 10_000;

const slowTail: Attack = {
  name: 'slow tail client',
  about: 'tails that read 1 byte/s: 1 MiB for each, drops are told, pushes take 10 % longer at most',
  async run(attacker) {
    let isEnding = false;
    const ingesting = (async () => {
      // Pushes some megabytes a second for the tails. Repeated lines would not reach them.
      for (; !isEnding; await sleep(50)) await attacker.push(pushOf(mebibyte / 4));
    })();
    const [alone, beside]: [Phase[], Phase[]] = [[], []];
    let sockets: Socket[] = [];
    for (let i = 0; i < phases; i++) {
      alone.push(await phaseOf(attacker));
      sockets = await Promise.all(Array.from({ length: tails }, () => openTail(attacker, '{app="attack"}')));
      const reading = setInterval(() => sockets.forEach((socket) => socket.read(1)), 1_000);
      beside.push(await phaseOf(attacker));
      clearInterval(reading);
      if (i < phases - 1) for (const socket of sockets) socket.destroy();
    }
    await untilDropped(attacker);
    const drops = await Promise.all(sockets.map(readsOfDrops));
    isEnding = true;
    await ingesting;
    for (const socket of sockets) socket.destroy();
    const grownBytes = (beside[0].memoryBytes - alone[0].memoryBytes) / tails;
    const [before, after] = [p99Of(alone), p99Of(beside)];
    attacker.figure('push p99 alone, beside', `${before.toFixed(1)}, ${after.toFixed(1)} ms`);
    attacker.figure('memory of a tail', `${mib(Math.max(0, grownBytes))} MiB`);
    attacker.figure('tails told of drops', drops.filter(Boolean).length);
    if (after > 1.1 * before + noiseMs) attacker.fault('pushes take more than 10 % longer beside the tails');
    if (grownBytes > mebibyte) attacker.fault('a tail holds more than 1 MiB');
    if (!drops.every(Boolean)) attacker.fault('a tail was not told of what was dropped');
  },
};

/** The system takes megabytes for a client that does not read: some more than a phase brings, maybe. */
async function untilDropped(attacker: Attacker): Promise<void> {
  const endMs = performance.now() + dropsWithinMs;
  const text = `http://127.0.0.1:${attacker.port}/metrics`;
  while (performance.now() < endMs) {
    const metrics = await (await fetch(text)).text();
    const counts = metrics.matchAll(/^loki_\w+_tail_dropped_entries_total\S* (\d+)$/gm);
    const entries = Array.from(counts, ([, count]) => Number(count)).reduce((a, b) => a + b, 0);
    if (entries > 0) return sleep(dropsApartMs);
    await sleep(500);
  }
  attacker.fault('the process counts no entries that its tails are too slow for');
}

/** Whether a tail that reads again is told of the dropped entries. */
function readsOfDrops(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const giveUp = setTimeout(() => resolve(false), 20_000);
    let end = '';
    socket.on('data', (data) => {
      const text = end + data.toString('latin1');
      end = text.slice(-20);
      if (!text.includes('"dropped_entries"')) return;
      clearTimeout(giveUp);
      socket.removeAllListeners('data');
      resolve(true);
    });
    socket.resume();
  });
}

const limitMb = 1;

const noisyTenant: Attack = {
  name: 'noisy tenant',
  about: 'ten times its limit: others are not refused, their pushes take 1.5 times as long at most',
  flags: [
    `-distributor.ingestion-rate-limit-mb=${limitMb}`,
    `-distributor.ingestion-burst-size-mb=${2 * limitMb}`,
  ],
  async run(attacker) {
    const bytes = mebibyte / 4;
    const [alone, beside]: [Phase[], Phase[]] = [[], []];
    for (let i = 0; i < phases; i++) {
      alone.push(await phaseOf(attacker));
      let isEnding = false;
      const bytesAMs = (10 * limitMb * mebibyte) / 1_000;
      const sending = Array.from({ length: 8 }, async () => {
        for (; !isEnding; await sleep((8 * bytes) / bytesAMs)) await attacker.push(pushOf(bytes));
      });
      beside.push(await phaseOf(attacker));
      isEnding = true;
      await Promise.all(sending);
    }
    const [before, after] = [p99Of(alone), p99Of(beside)];
    attacker.figure('push p99 alone, beside', `${before.toFixed(1)}, ${after.toFixed(1)} ms`);
    if (after > 1.5 * before + noiseMs) attacker.fault('pushes take more than 1.5 times as long');
    if (!attacker.statuses.has(429)) attacker.fault('the noisy tenant was not refused');
  },
};

export const bystanderAttacks: readonly Attack[] = [slowTail, noisyTenant];
