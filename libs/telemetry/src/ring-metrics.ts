import type { Metrics } from './metrics.ts';

/** One ring as this process sees it. */
export interface RingView {
  /** Instances by state, with the oldest heartbeat (Unix seconds) of each state. */
  readonly states: ReadonlyMap<string, { readonly members: number; readonly oldestHeartbeat: number }>;
  readonly tokens: number;
  /** Tokens of this instance. */
  readonly ownTokens: number;
}

export interface RingMetrics {
  /** After each change that this process saw. */
  seen(ring: string, view: RingView): void;
  heartbeat(ring: string): void;
  /** A call to where rings are kept. */
  storeCall(call: { operation: string; role: string; isSuccessful: boolean; seconds: number }): void;
}

/** Rings under Loki's names. */
export function ringMetrics(metrics: Metrics): RingMetrics {
  const members = metrics.gauge('loki_ring_members', 'Members of a ring.', ['name', 'state']);
  const oldest = metrics.gauge('loki_ring_oldest_member_timestamp', 'Oldest heartbeat.', ['name', 'state']);
  const tokens = metrics.gauge('loki_ring_tokens_total', 'Tokens of a ring.', ['name']);
  const owned = metrics.gauge('loki_ring_member_tokens_owned', 'Tokens of this member.', ['name']);
  const heartbeats = metrics.counter('loki_ring_member_heartbeats_total', 'Heartbeats sent.', ['name']);
  const calls = metrics.histogram(
    'loki_kv_request_duration_seconds',
    'Time of calls to where rings are kept.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['kv_name', 'operation', 'role', 'status_code', 'type'],
  );
  const states = ['ACTIVE', 'JOINING', 'LEAVING', 'PENDING', 'LEFT', 'Unhealthy'];
  return {
    seen(name, view) {
      // A state that has emptied shows zero, not its last members.
      for (const state of states) {
        members.set({ name, state }, view.states.get(state)?.members ?? 0);
        oldest.set({ name, state }, view.states.get(state)?.oldestHeartbeat ?? 0);
      }
      tokens.set({ name }, view.tokens);
      owned.set({ name }, view.ownTokens);
    },
    heartbeat: (name) => heartbeats.inc({ name }),
    storeCall: ({ operation, role, isSuccessful, seconds }) =>
      calls.observe(
        { kv_name: 'ring', operation, role, status_code: isSuccessful ? '200' : '500', type: 'redis' },
        seconds,
      ),
  };
}
