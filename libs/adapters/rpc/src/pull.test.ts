/** Protects queries: frontends find queriers by themselves, and lose nothing when one goes. */
import net from 'node:net';
import { LokiError } from '@loki/model';
import type { LeafRequest, LeafResult, QuerierService, StreamVolume, TailFrame } from '@loki/ports';
import { eventually, eventuallyHolds } from '@loki/test-tools';
import { ChannelPool } from './channel-pool.ts';
import { serveFrontend } from './frontend-server.ts';
import type { QuerierSlot } from './frontend-server.ts';
import { QuerierWorker } from './querier-worker.ts';
import { clock, logger, logLeaf, logResult, tenant, TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
let slots: QuerierSlot[];
let workers: QuerierWorker[];
let asked: LeafRequest[];
let signals: AbortSignal[];
let onLeaf: (signal: AbortSignal) => Promise<LeafResult>;
let onTail: (signal: AbortSignal) => AsyncIterable<TailFrame>;

const volumes: StreamVolume[] = [{ labels: [['a', 'b']], entries: 1, lineBytes: 2 }];
const querier: QuerierService = {
  runLeaf(request, signal) {
    asked.push(request);
    signals.push(signal!);
    return onLeaf(signal!);
  },
  streams: async () => volumes,
  storedBytes: async ({ startNs, endNs, intervalNs }) => [Number(endNs - startNs), Number(intervalNs)],
  tail(_, signal) {
    signals.push(signal);
    return onTail(signal);
  },
};

beforeEach(() => {
  world = new TestWorld();
  [slots, workers, asked, signals] = [[], [], [], []];
  onLeaf = async () => logResult(2);
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await world.close();
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
}

function frontend(): Promise<string> {
  return world.serve((server) => serveFrontend(server, { timers, onSlot: (slot) => slots.push(slot) }));
}

function work(addresses: readonly string[], maxConcurrent = 2): QuerierWorker {
  const channels = new ChannelPool({ clock });
  const worker = new QuerierWorker({ querier, channels, timers, logger, querierId: 'q', maxConcurrent });
  worker.setFrontends(new Set(addresses));
  workers.push(worker);
  return worker;
}

const forQueries = () => slots.filter((slot) => !slot.isForTails && !slot.signal.aborted);
const forTails = () => slots.filter((slot) => slot.isForTails && !slot.signal.aborted);

async function connected(): Promise<QuerierService> {
  work([await frontend()]);
  await eventually(() => forQueries().length >= 2 && forTails().length >= 1);
  expect(slots[0].querierId).toBe('q');
  return forQueries()[0].querier;
}

test('a slot answers one thing after the other', async () => {
  const remote = await connected();
  expect(await remote.runLeaf(logLeaf)).toEqual(logResult(2));
  expect(asked).toEqual([logLeaf]);
  expect(await remote.streams({ tenant, selector: '', startNs: 0n, endNs: 1n })).toEqual(volumes);
  expect(await remote.storedBytes({ tenant, startNs: 1n, endNs: 9n, intervalNs: 4n })).toEqual([8, 4]);
  const big = logResult(3_000, 1000);
  onLeaf = async () => big;
  const result = await remote.runLeaf(logLeaf);
  expect(result.kind === 'log' && Buffer.compare(result.lines, big.lines)).toBe(0);
});

test('failures keep code and text, and the slot goes on', async () => {
  const remote = await connected();
  onLeaf = () => Promise.reject(new LokiError('tooManyRequests', 'not now'));
  await expect(remote.runLeaf(logLeaf)).rejects.toMatchObject({
    code: 'tooManyRequests',
    message: 'not now',
  });
  onLeaf = async () => logResult(0);
  expect(await remote.runLeaf(logLeaf)).toEqual(logResult(0));
});

test('a query given up ends at the querier before its slot is free again', async () => {
  const remote = await connected();
  onLeaf = untilAborted;
  const giveUp = new AbortController();
  const answer = remote.runLeaf(logLeaf, giveUp.signal);
  await eventually(() => asked.length >= 1);
  const reason = new LokiError('timeout', 'too long');
  giveUp.abort(reason);
  await expect(answer).rejects.toBe(reason);
  expect(signals[0].aborted).toBe(true);
  onLeaf = async () => logResult(1);
  expect(await remote.runLeaf(logLeaf)).toEqual(logResult(1));
});

test('slots are shared out between frontends, and follow them as they come and go', async () => {
  const [first, second] = [await frontend(), await frontend()];
  const shares = () => [forQueries().length, forTails().length];
  const worker = work([first], 4);
  await eventuallyHolds(() => expect([...shares(), worker.connected]).toEqual([4, 1, 4]));
  worker.setFrontends(new Set([first, second]));
  await eventuallyHolds(() => expect(shares()).toEqual([4, 2]));
  worker.setFrontends(new Set([second]));
  await eventuallyHolds(() => expect(shares()).toEqual([4, 1]));
});

test('a frontend that is named no more has its running answer, and no connection after it', async () => {
  const [host, port] = (await frontend()).split(':');
  const sockets = new Set<net.Socket>();
  const proxy = net.createServer((client) => {
    sockets.add(client);
    client.once('close', () => sockets.delete(client)).on('error', () => undefined);
    const target = net.connect(Number(port), host).on('error', () => undefined);
    client.pipe(target).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const worker = work([`127.0.0.1:${(proxy.address() as net.AddressInfo).port}`]);
  await eventually(() => forQueries().length >= 2);
  const gate = Promise.withResolvers<LeafResult>();
  onLeaf = () => gate.promise;
  const answer = forQueries()[0].querier.runLeaf(logLeaf);
  await eventually(() => asked.length >= 1);
  worker.setFrontends(new Set());
  await eventually(() => forQueries().length <= 1);
  expect(sockets.size).toBe(1);
  gate.resolve(logResult(1));
  expect(await answer).toEqual(logResult(1));
  await eventually(() => sockets.size === 0);
  proxy.close();
});

test('a querier that leaves answers what it has begun, and gets no more', async () => {
  const remote = await connected();
  const gate = Promise.withResolvers<LeafResult>();
  onLeaf = () => gate.promise;
  const answer = remote.runLeaf(logLeaf);
  await eventually(() => asked.length >= 1);
  const stopped = workers[0].stop();
  await eventually(() => forQueries().length <= 1);
  gate.resolve(logResult(1));
  expect(await answer).toEqual(logResult(1));
  await stopped;
  await eventually(() => forQueries().length === 0);
});

test('a frontend that dies is found again', async () => {
  await connected();
  onLeaf = untilAborted;
  const answer = forQueries()[0].querier.runLeaf(logLeaf);
  answer.catch(() => undefined);
  await eventually(() => asked.length >= 1);
  await world.kill();
  await expect(answer).rejects.toMatchObject({
    code: 'unavailable',
    message: 'the querier has disconnected',
  });
  await eventually(() => signals[0].aborted);
  expect(forQueries()).toEqual([]);
});

test('a querier that is stopped with its connections open is noticed, without an end of its connections', async () => {
  const [host, port] = (await frontend()).split(':');
  const sockets: net.Socket[] = [];
  const proxy = net.createServer((client) => {
    const target = net.connect(Number(port), host);
    sockets.push(client, target);
    client.pipe(target).pipe(client);
    for (const socket of [client, target]) socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  work([`127.0.0.1:${(proxy.address() as net.AddressInfo).port}`]);
  await eventually(() => forQueries().length >= 2);
  onLeaf = untilAborted;
  const [{ querier: remote }] = forQueries();
  const answer = remote.runLeaf(logLeaf).catch((error: unknown) => error);
  await eventually(() => asked.length >= 1);
  // As SIGSTOP does: nothing is read any more, and the peer is not told.
  for (const socket of sockets) socket.unpipe().pause();
  expect(await answer).toMatchObject({ code: 'unavailable' });
  for (const socket of sockets) socket.destroy();
  proxy.close();
});

test('a tail brings frames no faster than they are read, and another slot stands ready', async () => {
  await connected();
  let made = 0;
  onTail = async function* () {
    for (;;) {
      made++;
      yield { result: logResult(1), dropped: made };
    }
  };
  const stop = new AbortController();
  const frames = forTails()[0].querier.tail(logLeaf, stop.signal)[Symbol.asyncIterator]();
  for (let i = 1; i <= 5; i++) {
    expect((await frames.next()).value).toEqual({ result: logResult(1), dropped: i });
  }
  await timers.sleep(50);
  expect(made).toBeLessThan(10);
  await eventually(() => forTails().length >= 2);
  await frames.return!();
  await eventually(() => signals[0].aborted);
});

test('two things at a time are one too many for a slot', async () => {
  const remote = await connected();
  onLeaf = untilAborted;
  const first = remote.runLeaf(logLeaf);
  first.catch(() => undefined);
  await expect(remote.runLeaf(logLeaf)).rejects.toMatchObject({ code: 'internal' });
  await world.kill();
});
