/**
 * Protects the promise that the ring store may go away, come back empty or come back with the past, and
 * no member moves. Real members on a real server that is stopped, wiped and rewound:
 * `LOKI_TEST_REDIS_SERVER=redis-server`, the binary; `npm run test:services` sets it.
 * `LOKI_TEST_REDIS_AWAY_MS`: how long the server is stopped; default 6 s.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ownedPartitions, RingMember, RingView } from '@loki/ring';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { eventually, freePort } from '@loki/test-tools';
import { RedisRingStore } from './redis-ring-store.ts';

const binary = process.env['LOKI_TEST_REDIS_SERVER'];
const awayMs = Number(process.env['LOKI_TEST_REDIS_AWAY_MS'] ?? 6_000);
const key = 'collectors/ring';
const clock = new NodeClock();
const timers = new NodeTimers();
const random = new NodeRandom();
/** A machine that is busy for minutes keeps calls waiting for longer than the short test allows. */
const slowness = awayMs >= 60_000 ? 5 : 1;
/** Far below `awayMs`: were silence of the store taken for death, the test would see it. */
const heartbeatTimeoutMs = 2_000 * slowness;

class Server {
  readonly directory = mkdtempSync(join(tmpdir(), 'loki-redis-'));
  port = 0;
  #process: ChildProcess | undefined;

  async start(): Promise<void> {
    this.port ||= await freePort();
    this.#process = spawn(
      binary!,
      ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.directory, '--save', ''],
      { stdio: 'ignore' },
    );
    await eventually(async () => (await this.ask((redis) => redis.ping())) === 'PONG');
  }

  async kill(): Promise<void> {
    const child = this.#process!;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  /** Answer to an administrator's own client. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T | undefined> {
    const redis = new Redis({ host: '127.0.0.1', port: this.port, retryStrategy: null, lazyConnect: true });
    redis.on('error', () => undefined); // the question fails as well
    try {
      await redis.connect();
      return await question(redis);
    } catch {
      return undefined;
    } finally {
      redis.disconnect();
    }
  }

  async members(): Promise<number> {
    return (await this.ask((redis) => redis.hlen(`loki:{${key}}/members`))) ?? 0;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

class Node {
  readonly history: string[] = [];
  readonly store: RedisRingStore;
  readonly view: RingView;
  readonly member: RingMember;

  constructor(id: string, port: number) {
    this.store = new RedisRingStore({
      endpoints: [`127.0.0.1:${port}`],
      timers,
      random,
      timeoutMs: 300 * slowness,
    });
    const world = { store: this.store, key, clock, timers, random };
    this.view = new RingView({ ...world, heartbeatTimeoutMs, pollMs: 200 });
    this.member = new RingMember({
      ...world,
      id,
      address: `${id}:9095`,
      zone: id,
      heartbeatMs: 250,
      view: this.view,
    });
    const partitions = { owned: 12, onChange: () => () => undefined };
    ownedPartitions(this.view, id, { partitions, replicationFactor: 1 })((owned) =>
      this.history.push(owned.join()),
    );
  }

  async start(): Promise<void> {
    await this.view.start();
    await this.member.start();
    await this.member.activate();
  }

  async stop(): Promise<void> {
    await this.member.stop({ unregister: false });
    this.view.stop();
    await this.store.close();
  }
}

if (!binary) test.skip('Redis in trouble: skipped, LOKI_TEST_REDIS_SERVER is not set', () => undefined);
else {
  describe('Redis in trouble', () => {
    jest.setTimeout(awayMs + 60_000 * slowness);
    let server: Server;
    let nodes: Node[];
    let settled: string[];

    beforeEach(async () => {
      server = new Server();
      await server.start();
      nodes = ['a', 'b', 'c'].map((id) => new Node(id, server.port));
      for (const node of nodes) await node.start();
      await eventually(async () => owned().every((each) => each !== '') && allPartitionsOnce());
      await timers.sleep(1_000);
      settled = histories();
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await server.dispose();
    });

    const owned = (): string[] => nodes.map(({ history }) => history.at(-1) ?? '');
    const histories = (): string[] => nodes.map(({ history }) => history.join(' | '));
    const allPartitionsOnce = (): boolean => {
      const all = owned().flatMap((each) => each.split(',').map(Number));
      return all.sort((a, b) => a - b).join() === Array.from({ length: 12 }, (_, p) => p).join();
    };

    test.each(['SIGKILL', 'SIGSTOP'] as const)(
      'away by %s: nobody moves, and all beat again',
      async (how) => {
        const dump = join(server.directory, 'dump.rdb');
        await server.ask((redis) => redis.save());
        copyFileSync(dump, `${dump}.old`);
        if (how === 'SIGKILL') await server.kill();
        else server.signal('SIGSTOP');
        await timers.sleep(awayMs);
        if (how === 'SIGKILL') await server.start();
        else server.signal('SIGCONT');
        await eventually(async () => (await server.members()) >= 3);
        await timers.sleep(2 * heartbeatTimeoutMs);
        expect(histories()).toEqual(settled);
        expect(await beatsRise()).toBe(true);
      },
    );

    test('wiped: all are there again within two heartbeats, and nobody moves', async () => {
      await server.ask((redis) => redis.flushall());
      await eventually(async () => (await server.members()) >= 3);
      await timers.sleep(2 * heartbeatTimeoutMs);
      expect(histories()).toEqual(settled);
    });

    test.each<[string, (redis: Redis) => Promise<unknown>, (redis: Redis) => Promise<unknown>]>([
      [
        'is full (OOM)',
        (redis) => redis.config('SET', 'maxmemory', '1'),
        (redis) => redis.config('SET', 'maxmemory', '0'),
      ],
      [
        'became a replica (READONLY)',
        (redis) => redis.replicaof('127.0.0.1', 1),
        (redis) => redis.replicaof('NO', 'ONE'),
      ],
      [
        'lacks replicas (NOREPLICAS)',
        (redis) => redis.config('SET', 'min-replicas-to-write', '1'),
        (redis) => redis.config('SET', 'min-replicas-to-write', '0'),
      ],
      [
        'cannot save (MISCONF)',
        async (redis) => {
          rmSync(server.directory, { recursive: true });
          await redis.config('SET', 'save', '1 1');
        },
        (redis) => redis.config('SET', 'save', ''),
      ],
      [
        'allows us no writes (NOPERM)',
        (redis) => redis.call('ACL', 'SETUSER', 'default', '-eval', '-evalsha'),
        (redis) => redis.call('ACL', 'SETUSER', 'default', '+@all'),
      ],
    ])('that %s: nobody is given up for its silence, and all beat again', async (_, spoil, mend) => {
      await server.ask(spoil);
      await eventually(async () => !(await beatsRise()));
      await timers.sleep(3 * heartbeatTimeoutMs);
      expect(await beatsRise()).toBe(false);
      expect(histories()).toEqual(settled);
      await server.ask(mend);
      await eventually(beatsRise);
      await timers.sleep(2 * heartbeatTimeoutMs);
      expect(histories()).toEqual(settled);
    });

    test('come back with the past: who left stays away, nobody moves', async () => {
      const dump = join(server.directory, 'dump.rdb');
      await server.ask((redis) => redis.save());
      copyFileSync(dump, `${dump}.old`);
      const [, , gone] = nodes;
      await gone.member.leave();
      await gone.member.stop();
      gone.view.stop();
      await gone.store.close();
      nodes = nodes.slice(0, 2);
      await eventually(async () => allPartitionsOnce());
      await timers.sleep(heartbeatTimeoutMs);
      settled = histories();
      await server.kill();
      copyFileSync(`${dump}.old`, dump);
      await server.start();
      expect(await server.members()).toBe(3);
      await timers.sleep(4 * heartbeatTimeoutMs);
      expect(histories()).toEqual(settled);
      expect(await beatsRise()).toBe(true);
    });

    async function beatsRise(): Promise<boolean> {
      const beats = async (): Promise<string | undefined> => {
        const entries = await server.ask((redis) => redis.hvals(`loki:{${key}}/members`));
        return entries
          ?.join()
          .match(/"beat":\d+/g)
          ?.join();
      };
      const before = await beats();
      await timers.sleep(1_000);
      return before !== (await beats());
    }
  });
}
