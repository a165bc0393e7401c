/** Protects the list of all rules: it has the groups of every ruler, and names rulers that did not answer. */
import { parseTenantId } from '@loki/model';
import type { Clock, Logger, RulerService } from '@loki/ports';
import { Ring } from '@loki/ring';
import type { ObservedInstance, RingView } from '@loki/ring';
import { ChannelPool, RpcServer, serveRuler } from '@loki/rpc';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { observedMember } from '../test/observed-member.ts';
import { RingRulerPeers } from './ring-ruler-peers.ts';

const tenant = parseTenantId('acme');

const { signal } = new AbortController();

const timers = new NodeTimers();
const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
const servers: RpcServer[] = [];
const channels = new ChannelPool({ clock: new NodeClock() });

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop((cut) => timers.after(0, cut))));
});

afterAll(() => channels.close());

async function serve(ruler: Partial<RulerService>): Promise<string> {
  const server = new RpcServer({ address: '127.0.0.1', port: 0, logger });
  serveRuler(server, { groups: async () => '[]', rulesChanged: async () => {}, ...ruler });
  servers.push(server);
  return `127.0.0.1:${await server.listen()}`;
}

/** A ring that can be changed, seen on a clock of its own. */
class TestRing {
  nowMs = 0;
  ring: Ring;
  #listener: ((ring: Ring) => void) | undefined;

  constructor(...members: ObservedInstance[]) {
    this.ring = new Ring(members);
  }

  onChange(listener: (ring: Ring) => void): () => void {
    this.#listener = listener;
    listener(this.ring);
    return () => undefined;
  }

  change(...members: ObservedInstance[]): void {
    this.ring = new Ring(members);
    this.#listener?.(this.ring);
  }

  peers(): RingRulerPeers {
    const clock: Clock = { nowMs: () => this.nowMs, nowNs: () => 0n, monotonicMs: () => this.nowMs };
    const rulers = this as unknown as RingView;
    return new RingRulerPeers({ rulers, ownId: 'self', channels, clock, logger });
  }
}

function groupsOf(...names: string[]): Partial<RulerService> {
  return { groups: async () => JSON.stringify(names.map((name) => ({ name, file: 'ns', rules: [] }))) };
}

const self = observedMember('self', { address: '127.0.0.1:1' });
const minute = 60_000;

test('all others are asked, and neither this one nor any that left', async () => {
  const ring = new TestRing(
    self,
    observedMember('b', { address: await serve(groupsOf('b1', 'b2')) }),
    observedMember('c', { address: await serve(groupsOf('c1')) }),
    observedMember('d', { address: '127.0.0.1:1', state: 'LEAVING' }),
    observedMember('e', { address: '127.0.0.1:1', isHealthy: false }),
  );
  const peers = ring.peers();
  ring.nowMs = minute;
  const { groups, isComplete } = await peers.groups(tenant, signal);
  expect(groups.map(({ name }) => name)).toEqual(['b1', 'b2', 'c1']);
  expect(isComplete).toBe(true);
});

test('one that is gone, or answers nonsense, makes the list incomplete and is left in peace for a while', async () => {
  let asked = 0;
  const odd = await serve({
    groups: async () => {
      asked++;
      return '{';
    },
  });
  const ring = new TestRing(
    self,
    observedMember('b', { address: await serve(groupsOf('b1')) }),
    observedMember('c', { address: '127.0.0.1:1' }),
    observedMember('d', { address: odd }),
  );
  const peers = ring.peers();
  ring.nowMs = minute;
  for (let i = 0; i < 3; i++) {
    const { groups, isComplete } = await peers.groups(tenant, signal);
    expect([groups.map(({ name }) => name), isComplete]).toEqual([['b1'], false]);
  }
  expect(asked).toBe(1);
  ring.nowMs = 2 * minute;
  await peers.groups(tenant, signal);
  expect(asked).toBe(2);
});

test('answers that are no groups are left out', async () => {
  const text = JSON.stringify([
    null,
    1,
    { name: 'g' },
    { name: 'g', file: 'f', rules: [null] },
    { name: 'ok', file: 'f', rules: [{ name: 'r' }] },
  ]);
  const ring = new TestRing(
    self,
    observedMember('b', { address: await serve({ groups: async () => text }) }),
  );
  const { groups } = await ring.peers().groups(tenant, signal);
  expect(groups.map(({ name }) => name)).toEqual(['ok']);
});

test('just after a change of the ring nobody vouches for the whole', async () => {
  const b = observedMember('b', { address: await serve(groupsOf('b1')) });
  const ring = new TestRing(self);
  const peers = ring.peers();
  ring.nowMs = minute;
  expect((await peers.groups(tenant, signal)).isComplete).toBe(true);
  ring.change(self, b);
  expect((await peers.groups(tenant, signal)).isComplete).toBe(false);
  ring.nowMs += minute;
  expect((await peers.groups(tenant, signal)).isComplete).toBe(true);
});

test('a change is told to all, whoever of them hears it', async () => {
  const told: string[] = [];
  const listening = (id: string) => serve({ rulesChanged: async (of) => void told.push(`${id} ${of}`) });
  const ring = new TestRing(
    self,
    observedMember('b', { address: await listening('b') }),
    observedMember('c', { address: '127.0.0.1:1' }),
    observedMember('d', { address: await listening('d') }),
  );
  await ring.peers().rulesChanged(tenant);
  expect(told.sort()).toEqual(['b acme', 'd acme']);
});
