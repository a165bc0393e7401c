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
  /** By which the process has grown. */
  readonly grownBytes: number;
}

/** Pushes of a neighbour for the length of a phase, and the memory of the process. */
async function phaseOf(attacker: Attacker): Promise<Phase> {
  const beganBytes = attacker.memoryBytes();
  const watch = new Watch(attacker.port, probeEveryMs);
  await sleep(phaseMs);
  const { times, failures } = await watch.end();
  if (failures.length > 0) attacker.fault(`others failed: ${failures[0]}`);
  return { push: times.push, grownBytes: attacker.memoryBytes() - beganBytes };
}

function p99Of(parts: readonly Phase[]): number {
  return spread(parts.flatMap(({ push }) => push)).p99;
}

/** A tail over a connection of its own; only `read` reads from it. */
export async function openTail(attacker: Attacker, query: string): Promise<Socket> {
  const socket = await attacker.open();
  socket.pause();
  socket.write(
    `GET /loki/api/v1/tail?limit=1&query=${encodeURIComponent(query)} HTTP/1.1\r\nHost: localhost\r\n` +
      `X-Scope-OrgID: attacker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  return socket;
}

/** Tails beside timed pushes. */
const tails = 10;
/** Tails for the measure of memory: many, since ingest alone makes the process grow by megabytes, too. */
const crowd = 60;
const standstillMs = 4_000;
const dropsWithinMs = 60_000;
/** Resolves some time after the first drop: the tails do not stall at the same moment. */
const dropsApartMs = 10_000;
const readingMs = 20_000;

/** Lines that carry their place in the whole: a reader sees whether some are missing. */
class NumberedLines {
  static readonly pattern = /"(\d{12})x/g;
  count = 0;

  push(bytes: number): string {
    const values: string[] = [];
    for (let size = 0; size < bytes; size += 200) {
      const number = String(this.count++).padStart(12, '0');
      values.push(`["${Date.now()}${number.slice(-6)}","${number}${'x'.repeat(158)}"]`);
    }
    return `{"streams":[{"stream":{"app":"attack"},"values":[${values.join(',')}]}]}`;
  }
}

const slowTail: Attack = {
  name: 'slow tail client',
  about: 'tails that read 1 byte/s: 1 MiB for each, drops are told, pushes take 10 % longer at most',
  flags: [`-querier.max-concurrent-tail-requests=${crowd}`],
  async run(attacker) {
    let isEnding = false;
    const lines = new NumberedLines();
    const ingesting = (async () => {
      // Pushes some megabytes a second for the tails. Repeated lines would not reach them.
      for (; !isEnding; await sleep(50)) await attacker.push(lines.push(mebibyte / 4));
    })();
    const [alone, beside]: [Phase[], Phase[]] = [[], []];
    let sockets: Socket[] = [];
    for (let i = 0; i < phases; i++) {
      alone.push(await phaseOf(attacker));
      sockets = await openTails(attacker, tails);
      beside.push(await phaseReading(attacker, sockets));
      if (i < phases - 1) for (const socket of sockets) socket.destroy();
    }
    await untilDropped(attacker);
    // Before the crowd: a client that answers no ping for a minute is cut off.
    const outcomes = await Promise.all(sockets.map((socket) => hearsOfDrops(socket, lines.count)));
    for (const socket of sockets) socket.destroy();
    const grown: Phase[] = [];
    // Code is compiled, threads start and caches fill, and the garbage collector comes at any time: medians.
    for (let i = 0; i < phases; i++) {
      const more = await openTails(attacker, crowd);
      grown.push(await phaseReading(attacker, more));
      for (const socket of more) socket.destroy();
      alone.push(await phaseOf(attacker));
    }
    isEnding = true;
    await ingesting;
    const [before, after] = [p99Of(alone.slice(0, phases)), p99Of(beside)];
    const growthOf = (parts: readonly Phase[]): number =>
      spread(parts.map(({ grownBytes }) => grownBytes)).p50;
    const bytesByTail = (growthOf(grown) - growthOf(alone)) / crowd;
    const count = (outcome: string): number => outcomes.filter((each) => each === outcome).length;
    attacker.figure('push p99 alone, beside', `${before.toFixed(1)}, ${after.toFixed(1)} ms`);
    const growths = (parts: readonly Phase[]): string =>
      parts.map(({ grownBytes }) => mib(grownBytes)).join('/');
    attacker.figure(
      'growth',
      `${growths(grown)} MiB beside ${crowd} tails, ${growths(alone)} without: ${mib(bytesByTail * 100) / 100} MiB a tail`,
    );
    attacker.figure('tails', `${count('told')} told of drops, ${count('whole')} without`);
    if (after > 1.1 * before + noiseMs) attacker.fault('pushes take more than 10 % longer beside the tails');
    if (bytesByTail > mebibyte) attacker.fault('a tail holds more than 1 MiB');
    if (count('untold') > 0) attacker.fault(`${count('untold')} tails were not told of what was dropped`);
    if (count('told') === 0) attacker.fault('no tail was told of drops');
  },
};

/** Tails that do not read: the system has sent as much as it sends to such a client. */
async function openTails(attacker: Attacker, count: number): Promise<Socket[]> {
  const sockets = await Promise.all(
    Array.from({ length: count }, () => openTail(attacker, '{app="attack"}')),
  );
  await sleep(standstillMs);
  return sockets;
}

/** A phase beside tails that read a byte each second. */
async function phaseReading(attacker: Attacker, sockets: readonly Socket[]): Promise<Phase> {
  const reading = setInterval(() => sockets.forEach((socket) => socket.read(1)), 1_000);
  const phase = await phaseOf(attacker);
  clearInterval(reading);
  return phase;
}

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

/**
 * Reads a tail at full speed. True: the tail reports dropped entries, or has every line up to the newest one.
 */
function hearsOfDrops(socket: Socket, newest: number): Promise<'told' | 'whole' | 'untold'> {
  return new Promise((resolve) => {
    let end = '';
    let last: number | undefined;
    let hasGap = false;
    const settle = (outcome: 'told' | 'whole' | 'untold'): void => {
      clearTimeout(giveUp);
      socket.removeAllListeners('data');
      resolve(outcome);
    };
    const giveUp = setTimeout(() => settle(hasGap ? 'untold' : 'whole'), readingMs);
    socket.on('data', (data) => {
      const text = end + data.toString('latin1');
      end = text.slice(-20);
      if (text.includes('"dropped_entries"')) {
        settle('told');
        return;
      }
      for (const [, digits] of text.matchAll(NumberedLines.pattern)) {
        const number = Number(digits);
        if (last !== undefined && number > last + 1) hasGap = true;
        last = number;
      }
      if (!hasGap && last !== undefined && last >= newest - 1) settle('whole');
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
