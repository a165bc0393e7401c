/**
 * Row about rings: the load of members that watch each other on a real Redis, and on the CPU of a process.
 * Needs `redis-server` in the path.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { encodeInstance, RingMember, RingView, tokensOf } from '@loki/ring';
import type { RingInstance } from '@loki/ring';
import { openRedis, RedisRingStore } from '@loki/ring-store';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { freePort, isListening } from '@loki/test-tools';
import type { Measure } from './growth-judge.ts';

const judgedMembers = 1_000;
const heartbeatMs = 5_000;
/** Two readings of the largest ring. */
const measuredMs = 30_000;
/**
 * Number of complete members. The entries of the others are written directly, and their reads are computed.
 */
const wholeMax = 100;
/** Interval between two changes of a member's state: a rolling restart of a thousand takes an hour. */
const newsMs = 1_000;
const key = 'collectors/ring';

export const ringMeasures: readonly Measure[] = [
  {
    name: 'out of Redis',
    unit: 'MB/s',
    bar: { costMax: 30, atSize: judgedMembers, exponentMax: 2, floor: 0.01 },
  },
  {
    name: 'CPU of a process',
    unit: 'cores',
    bar: { costMax: 0.02, atSize: judgedMembers, exponentMax: 1, floor: 0.001 },
  },
];

const clock = new NodeClock();
const timers = new NodeTimers();
const random = new NodeRandom();

/** Measures a ring of this many members. */
export async function measureRing(members: number): Promise<Map<string, number>> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-bench-'));
  const port = await freePort();
  const server = await startRedis(port, directory);
  const endpoints = [`127.0.0.1:${port}`];
  const admin = openRedis({ endpoints, connectTimeoutMs: 5_000, socketTimeoutMs: 60_000 }, 'bench');
  const open = () => new RedisRingStore({ endpoints, timers, random, timeoutMs: 60_000 });
  const whole = Math.min(members, wholeMax);
  const processes = await Promise.all(
    Array.from({ length: whole }, (_, i) => startWhole(`whole-${i}`, open())),
  );
  const simulated = new SimulatedMembers(open(), members - whole);
  try {
    await simulated.start();
    await timers.sleep(measuredMs / 2);
    const beganBytes = await bytesOut(admin);
    const began = process.cpuUsage();
    await timers.sleep(measuredMs);
    const { user, system } = process.cpuUsage(began);
    const seconds = measuredMs / 1000;
    const bytes = (await bytesOut(admin)) - beganBytes;
    for (const { view } of processes) {
      const count = view.ring.instances.length;
      if (count !== members) throw new Error(`a process sees ${count} of ${members} members`);
    }
    return new Map([
      ['out of Redis', ((bytes / seconds) * (members / whole)) / 1e6],
      ['CPU of a process', (user + system) / 1e6 / seconds / whole],
    ]);
  } finally {
    simulated.stop();
    for (const { view, member } of processes) {
      view.stop();
      await member.stop({ unregister: false });
    }
    for (const store of [...processes.map((each) => each.store), simulated.store]) await store.close();
    admin.disconnect();
    server.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function startRedis(port: number, directory: string): Promise<ChildProcess> {
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  const server = spawn('redis-server', options, { stdio: 'ignore' });
  let isGone = false;
  server.once('error', () => (isGone = true));
  while (!(await isListening(port))) {
    if (isGone || server.exitCode !== null) throw new Error('redis-server does not start');
    await timers.sleep(20);
  }
  return server;
}

interface WholeProcess {
  readonly store: RedisRingStore;
  readonly view: RingView;
  readonly member: RingMember;
}

async function startWhole(id: string, store: RedisRingStore): Promise<WholeProcess> {
  const world = { store, key, clock, timers, random };
  const view = new RingView(world);
  const member = new RingMember({ ...world, id, address: `${id}:9095`, zone: 'zone-a', heartbeatMs, view });
  await view.start();
  await member.start();
  await member.activate();
  return { store, view, member };
}

async function bytesOut(admin: ReturnType<typeof openRedis>): Promise<number> {
  const text = await admin.info('stats');
  return Number(/total_net_output_bytes:(\d+)/.exec(text)![1]);
}

/** Entries of members with heartbeats and occasional changes of state. */
class SimulatedMembers {
  readonly store: RedisRingStore;
  readonly #instances: RingInstance[];
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(store: RedisRingStore, count: number) {
    this.store = store;
    this.#instances = Array.from({ length: count }, (_, i) => {
      const id = `ingester-${i}`;
      return {
        id,
        address: `10.0.${i >> 8}.${i & 255}:9095`,
        zone: 'zone-b',
        state: 'ACTIVE',
        readOnly: false,
        tokens: tokensOf(id),
        incarnation: Buffer.from(random.bytes(8)).toString('hex'),
        beat: 0,
        heartbeatMs: clock.nowMs(),
        registeredMs: clock.nowMs(),
      };
    });
  }

  async start(): Promise<void> {
    const count = this.#instances.length;
    if (count === 0) return;
    await Promise.all(this.#instances.map((_, i) => this.#put(i, false)));
    // Complete members send their own heartbeats; the others' are written at the same pace, one after
    // another.
    const slotMs = 50;
    const beganMs = clock.monotonicMs();
    let next = 0;
    const beat = (): void => {
      const due = ((clock.monotonicMs() - beganMs) / heartbeatMs) * count;
      while (next < due) void this.#put(next++ % count, false);
    };
    const change = (): void => {
      const at = next % count;
      const state = this.#instances[at].state === 'ACTIVE' ? 'LEAVING' : 'ACTIVE';
      this.#instances[at] = { ...this.#instances[at], state };
      void this.#put(at, true);
    };
    this.#timers.push(setInterval(beat, slotMs), setInterval(change, newsMs));
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  async #put(at: number, isNews: boolean): Promise<void> {
    const before = this.#instances[at];
    const instance = { ...before, beat: before.beat + 1, heartbeatMs: clock.nowMs() };
    this.#instances[at] = instance;
    await this.store.put({ key, id: instance.id, value: encodeInstance(instance), isNews });
  }
}
