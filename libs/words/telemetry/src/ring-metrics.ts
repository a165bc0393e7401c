/** Metrics of rings and of the store of their state. */
import type { Clock, RingStore } from '@loki/ports';
import type { Metrics } from './metrics.ts';

/** The state of one ring member in this process's view. */
export interface RingMemberStatus {
  /** Loki's name: `ACTIVE`, `LEAVING`, `Unhealthy`, … */
  readonly state: string;
  /** Unix milliseconds, by the member's own clock. */
  readonly heartbeatMs: number;
  readonly tokenCount: number;
  /** The member is this process. */
  readonly isSelf: boolean;
}

/**
 * Every ring has a series for each of these states, zero if there is no such member, so that series do not
 * end.
 */
const states = ['ACTIVE', 'JOINING', 'LEAVING', 'PENDING', 'LEFT', 'Unhealthy'];

/** Gauges of the rings that this process knows, read from `rings` at each scrape. */
export function ringMetrics(
  metrics: Metrics,
  rings: () => ReadonlyMap<string, readonly RingMemberStatus[]>,
): void {
  metrics.gauge('loki_ring_members', 'Members of a ring, by state.', ['name', 'state'], (gauge) => {
    for (const [name, members] of rings()) {
      for (const state of states) gauge.set({ name, state }, membersIn(members, state).length);
    }
  });
  metrics.gauge(
    'loki_ring_oldest_member_timestamp',
    'Unix seconds of the oldest heartbeat among the members of a ring in a state.',
    ['name', 'state'],
    (gauge) => {
      for (const [name, members] of rings()) {
        for (const state of states) gauge.set({ name, state }, oldestSeconds(membersIn(members, state)));
      }
    },
  );
  metrics.gauge('loki_ring_tokens_total', 'Tokens of a ring.', ['name'], (gauge) => {
    for (const [name, members] of rings()) gauge.set({ name }, tokensOf(members));
  });
  metrics.gauge('loki_ring_member_tokens_owned', 'Tokens of this process in a ring.', ['name'], (gauge) => {
    for (const [name, members] of rings()) {
      gauge.set({ name }, tokensOf(members.filter((member) => member.isSelf)));
    }
  });
}

/** Counts a heartbeat that this process sent to the ring `name`. */
export function countHeartbeat(metrics: Metrics, name: string): void {
  metrics.counter('loki_ring_member_heartbeats_total', 'Heartbeats sent.', ['name']).inc({ name });
}

/**
 * Wraps a store: time and outcome of each call are counted. A removal that comes too late is a success here.
 *
 * @param kind  Loki's `type`: `redis`, `inmemory`, `memberlist`
 */
export function measuredRingStore(
  store: RingStore,
  metrics: Metrics,
  { kind, clock }: { readonly kind: string; readonly clock: Clock },
): RingStore {
  const calls = metrics.histogram(
    'loki_kv_request_duration_seconds',
    'Time of calls to the store of the rings.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['kv_name', 'operation', 'role', 'status_code', 'type'],
  );
  async function measure<T>(operation: string, call: () => Promise<T>): Promise<T> {
    const startMs = clock.monotonicMs();
    let statusCode = '500';
    try {
      const answer = await call();
      statusCode = '200';
      return answer;
    } finally {
      calls.observe(
        { kv_name: 'ring', operation, role: 'primary', status_code: statusCode, type: kind },
        (clock.monotonicMs() - startMs) / 1000,
      );
    }
  }
  return {
    entries: (key) => measure('GET', () => store.entries(key)),
    get: (key, id) => measure('GET', () => store.get(key, id)),
    put: (entry) => measure('CAS', () => store.put(entry)),
    remove: (key, id, value) => measure('CAS', () => store.remove(key, id, value)),
    watch: (key, onNews) => store.watch(key, onNews),
    close: () => store.close(),
  };
}

function membersIn(members: readonly RingMemberStatus[], state: string): RingMemberStatus[] {
  return members.filter((member) => member.state === state);
}

/** Unix seconds; 0 without members. */
function oldestSeconds(members: readonly RingMemberStatus[]): number {
  return members.length === 0 ? 0 : Math.min(...members.map((member) => member.heartbeatMs)) / 1000;
}

function tokensOf(members: readonly RingMemberStatus[]): number {
  return members.reduce((sum, member) => sum + member.tokenCount, 0);
}
