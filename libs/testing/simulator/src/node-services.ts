/**
 * The services of a simulated process: store, log and rings behind its network, and its place in the rings.
 */
import type { ObjectStore, RingStore, WriteLog } from '@loki/ports';
import { RingMember, RingView } from '@loki/ring';
import { traceLogger } from '@loki/virtual';
import type { VirtualProcess } from '@loki/virtual';
import { bugsOf } from './cluster-bugs.ts';
import type { Birth, ClusterWorld } from './cluster-world.ts';

/** Rings are faster than in production: minutes there must fit into a seed. */
const heartbeatMs = 2_000;
const heartbeatTimeoutMs = 9_000;
const pollMs = 2_500;

export function storeOf({ name, process }: Birth, world: ClusterWorld): ObjectStore {
  const store = bugsOf(world.bug).store(world.bucket.client(process), process);
  return world.network.linked(store, process, { from: name, to: 'store' }, ['put', 'putIfAbsent', 'get', 'getRange', 'getTail', 'delete']);
} // prettier-ignore

export function logOf({ name, process }: Birth, world: ClusterWorld): WriteLog {
  const log = world.log.client(process);
  return world.network.linked(log, process, { from: name, to: 'log' }, ['append', 'read', 'endOffset', 'startOffset', 'truncateBefore']);
} // prettier-ignore

function ringStoreOf({ name, process }: Birth, world: ClusterWorld): RingStore {
  return world.network.linked(world.rings.client(process), process, { from: name, to: 'rings' }, [
    'entries',
    'get',
    'put',
    'remove',
  ]);
}

export async function viewOf(key: string, birth: Birth, world: ClusterWorld): Promise<RingView> {
  const { clock, timers } = birth.process;
  const logger = traceLogger(birth.process);
  const store = ringStoreOf(birth, world);
  const view = new RingView({ store, key, clock, timers, logger, heartbeatTimeoutMs, pollMs });
  await view.start();
  return view;
}

/** Registers the process; returns the function that ends its membership. */
export async function join(
  key: string,
  birth: Birth,
  view: RingView,
  world: ClusterWorld,
): Promise<() => Promise<void>> {
  const { name, zone, process } = birth;
  const { clock, timers, random } = process;
  const member = new RingMember({
    store: ringStoreOf(birth, world),
    key,
    clock,
    timers,
    random: random.fork('member'),
    logger: traceLogger(process),
    id: name,
    address: name,
    zone,
    heartbeatMs,
    tokenCount: 8,
    view,
    autoForgetMs: 4 * heartbeatTimeoutMs,
  });
  await member.start();
  await member.activate();
  return async () => {
    await member.leave();
    await timers.sleep(3_000);
    await member.stop();
  };
}

/** Stops the process at a named point, or pauses it there. */
export async function hook(process: VirtualProcess, world: ClusterWorld): Promise<void> {
  if (!process.random.chance(world.faults().hookCrash)) return;
  if (process.random.chance(0.5)) world.onHookCrash(process);
  await process.timers.sleep(process.random.float() * 3_000);
}
