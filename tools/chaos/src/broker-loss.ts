/**
 * Brokers that stay away: after the loss of one the delay is short, and without two no push may be
 * acknowledged.
 */
import type { Told } from '@loki/canary';
import { wait } from './fault.ts';
import type { FaultWorld } from './fault.ts';
import { brokerCount } from './services.ts';

const beforeMs = 20_000;
/** Acknowledgements are as fast as before this long after the loss. */
const usualAfterMs = 30_000;
const measuredMs = 20_000;
const slowerMax = 2;
/** Below this duration the busy machine decides, not the system. */
const noiseMs = 50;
/** Requests in flight when the second broker goes may still be answered. */
const inFlightMs = 1_000;
/** Two attempts of a push, each as long as a distributor tries, and a margin. */
const twoAwayMs = 40_000;

/** No push fails (judged by the round), and 30 s later pushes take at most twice as long as before. */
export async function loseBroker(world: FaultWorld): Promise<string> {
  const { kafka } = world.system.services;
  const broker = world.random.int(1, brokerCount);
  await wait(world, beforeMs);
  const lostMs = performance.now();
  const before = p99(world.pushes(lostMs - beforeMs, lostMs));
  await kafka.kill(broker);
  await wait(world, usualAfterMs + measuredMs);
  const nowMs = performance.now();
  const after = p99(world.pushes(nowMs - measuredMs, nowMs));
  await kafka.revive(broker);
  const figures = `broker ${broker}, p99 of pushes ${before.toFixed(0)} ms before, ${after.toFixed(0)} ms from 30 s after`;
  if (after > Math.max(noiseMs, slowerMax * before)) throw new Error(figures);
  return figures;
}

/** No push that begins meanwhile is acknowledged, and each is refused with 503. */
export async function loseTwoBrokers(world: FaultWorld): Promise<string> {
  const { kafka } = world.system.services;
  const first = world.random.int(1, brokerCount);
  const brokers = [first, (first % brokerCount) + 1];
  await Promise.all(brokers.map((broker) => kafka.kill(broker)));
  const lostMs = performance.now();
  await wait(world, twoAwayMs);
  const endMs = performance.now();
  const pushes = world.pushes(lostMs, endMs).filter(({ beganMs }) => beganMs > lostMs + inFlightMs);
  await Promise.all(brokers.map((broker) => kafka.revive(broker)));
  const acked = pushes.filter(({ isOk }) => isOk).length;
  const statuses = [...new Set(pushes.flatMap(({ failures }) => failures.map(({ status }) => status)))];
  const figures = `brokers ${brokers.join(' and ')}, ${pushes.length} pushes, ${acked} acknowledged, refused with ${statuses.join(', ')}`;
  if (pushes.length === 0 || acked > 0 || statuses.some((status) => status !== 503)) throw new Error(figures);
  return figures;
}

function p99(pushes: readonly Told[]): number {
  const ms = pushes.map(({ beganMs, endedMs }) => endedMs - beganMs).sort((a, b) => a - b);
  if (ms.length === 0) throw new Error('no push was answered');
  return ms[Math.floor(ms.length * 0.99)];
}
