import { LokiError } from '@loki/model';
import type { RingStore, TimerHandle, Timers } from '@loki/ports';
import { RingStoreDefinition } from '@loki/proto';
import type { RingValue } from '@loki/proto';
import { rpcMethod } from './method.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const { methods } = RingStoreDefinition;
const getMethod = rpcMethod(RingStoreDefinition, methods.get);
const setMethod = rpcMethod(RingStoreDefinition, methods.compareAndSet);

const call = { deadlineMs: 2_000, waitsForPeer: true };
const watchMs = 1_000;

/** Lends the ring in this process's memory to others. */
export function serveRingStore(server: RpcServer, store: RingStore): void {
  server.add(RingStoreDefinition.fullName, [
    unaryMethod(getMethod, async ({ key }): Promise<RingValue> => {
      const found = await store.get(key);
      return { value: found?.value, version: found?.version ?? '' };
    }),
    unaryMethod(setMethod, async ({ key, value, version }) => ({
      isSet: await store.compareAndSet(key, value, version),
    })),
  ]);
}

/**
 * The ring that another process keeps in its memory: the first of a list that answers, the same list
 * everywhere. When that one restarts its ring is empty, and fills again with the next heartbeats; nothing but
 * new members waits for it.
 */
export class JoinedRingStore implements RingStore {
  readonly #members: readonly RpcChannel[];
  readonly #timers: Timers;
  readonly #closed = new AbortController();

  constructor(members: readonly RpcChannel[], timers: Timers) {
    this.#members = members;
    this.#timers = timers;
  }

  async get(key: string): Promise<{ value: string; version: string } | undefined> {
    let failure: unknown = new LokiError('unavailable', 'no member of the ring is named');
    for (const [index, member] of this.#members.entries()) {
      try {
        const { value, version } = await member.unary(getMethod, { key }, call);
        return value === undefined ? undefined : { value, version: `${index}/${version}` };
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Only the member whose value was read takes the new one: numbers of another's would mean nothing. */
  async compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean> {
    if (version !== undefined) {
      const slash = version.indexOf('/');
      return this.#set(Number(version.slice(0, slash)), key, value, version.slice(slash + 1));
    }
    let failure: unknown;
    for (const index of this.#members.keys()) {
      try {
        return await this.#set(index, key, value, undefined);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  watch(key: string, onChange: (value: string | undefined) => void): () => void {
    let timer: TimerHandle | undefined;
    let isStopped = false;
    const look = async () => {
      try {
        const found = await this.get(key);
        if (!isStopped) onChange(found?.value);
      } catch {
        // A ring store that does not answer changes nothing: watchers keep what they know, and their own
        // polling says so.
      }
      if (!isStopped && !this.#closed.signal.aborted) timer = this.#timers.after(watchMs, () => void look());
    };
    void look();
    return () => {
      isStopped = true;
      timer?.cancel();
    };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    for (const member of this.#members) member.close();
  }

  async #set(index: number, key: string, value: string, version: string | undefined): Promise<boolean> {
    const answer = await this.#members[index].unary(setMethod, { key, value, version }, call);
    return answer.isSet;
  }
}
