/** A ring in the memory of another process, over gRPC (`join_members`). */
import { createHash } from 'node:crypto';
import { LokiError } from '@loki/model';
import type { RingNews, RingPut, RingStore, TimerHandle, Timers } from '@loki/ports';
import { RingStoreDefinition } from '@loki/proto';
import type { RingValue } from '@loki/proto';
import { decodeInstance, decodeInstances, encodeInstance, encodeInstances, tokenOf } from '@loki/ring';
import type { RingInstance } from '@loki/ring';
import { rpcMethod } from './method.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const { methods } = RingStoreDefinition;
const getMethod = rpcMethod(RingStoreDefinition, methods.get);
const setMethod = rpcMethod(RingStoreDefinition, methods.compareAndSet);

const call = { deadlineMs: 2_000, waitsForPeer: true };
const watchMs = 1_000;

/** Attempts to write before giving up until the next heartbeat: other members write the same value. */
const attemptsMax = 10;
/** Pause between attempts; it differs by member, so that colliding ones separate. */
const collisionPauseMaxMs = 50;

/** Serves the ring in this process's memory to others: all members as one value, which callers write back. */
export function serveRingStore(server: RpcServer, store: RingStore): void {
  /** The last change: changes run one after another. */
  let last: Promise<unknown> = Promise.resolve();
  server.add(RingStoreDefinition.fullName, [
    unaryMethod(getMethod, async ({ key }): Promise<RingValue> => {
      const value = valueOf(await store.entries(key));
      return { value, version: versionOf(value) };
    }),
    unaryMethod(setMethod, async ({ key, value, version }) => {
      const set = last.then(() => replaceAll(store, key, value, version));
      last = set.catch(() => undefined);
      return { isSet: await set };
    }),
  ]);
}

async function replaceAll(
  store: RingStore,
  key: string,
  value: string,
  version: string | undefined,
): Promise<boolean> {
  const entries = await store.entries(key);
  const current = valueOf(entries);
  if ((current === undefined ? undefined : versionOf(current)) !== version) return false;
  const next = entriesOf(value);
  for (const [id, entry] of entries) if (!next.has(id)) await store.remove(key, id, entry);
  for (const [id, entry] of next) {
    if (entries.get(id) !== entry) await store.put({ key, id, value: entry, isNews: true });
  }
  return true;
}

/** The members as one value; undefined: there are none. */
function valueOf(entries: ReadonlyMap<string, string>): string | undefined {
  const instances: RingInstance[] = [];
  for (const [id, entry] of entries) {
    const instance = decodeInstance(id, entry);
    if (instance) instances.push(instance);
  }
  return instances.length === 0 ? undefined : encodeInstances(instances);
}

/** The entries of a value; an invalid value has none. */
function entriesOf(value: string | undefined): Map<string, string> {
  const instances = decodeInstances(value) ?? new Map<string, RingInstance>();
  return new Map([...instances].map(([id, instance]) => [id, encodeInstance(instance)]));
}

function versionOf(value: string | undefined): string {
  return value === undefined ? '' : createHash('sha256').update(value).digest('base64url');
}

interface Lent {
  /** Index of the process with the ring. */
  readonly index: number;
  readonly entries: Map<string, string>;
  /** undefined: the ring is empty. */
  readonly version: string | undefined;
}

/**
 * The ring in the memory of another process: the first one of a list that answers; all processes have the
 * same list. After a restart of that process its ring is empty and fills again with the next heartbeats; only
 * new members wait for it.
 */
export class JoinedRingStore implements RingStore {
  readonly #members: readonly RpcChannel[];
  readonly #timers: Timers;
  readonly #closed = new AbortController();

  constructor(members: readonly RpcChannel[], timers: Timers) {
    this.#members = members;
    this.#timers = timers;
  }

  async entries(key: string): Promise<ReadonlyMap<string, string>> {
    return (await this.#read(key)).entries;
  }

  async get(key: string, id: string): Promise<string | undefined> {
    return (await this.#read(key)).entries.get(id);
  }

  async put({ key, id, value }: RingPut): Promise<void> {
    await this.#change(key, id, (entries) => {
      entries.set(id, value);
      return true;
    });
  }

  remove(key: string, id: string, value: string): Promise<boolean> {
    return this.#change(key, id, (entries) => entries.get(id) === value && entries.delete(id));
  }

  watch(key: string, onNews: (news: RingNews | undefined) => void): () => void {
    let timer: TimerHandle | undefined;
    let isStopped = false;
    let lastEntries: ReadonlyMap<string, string> = new Map();
    const look = async () => {
      try {
        const entries = await this.entries(key);
        const news = new Map<string, string | undefined>();
        for (const [id, entry] of entries) if (lastEntries.get(id) !== entry) news.set(id, entry);
        for (const id of lastEntries.keys()) if (!entries.has(id)) news.set(id, undefined);
        lastEntries = entries;
        if (!isStopped && news.size > 0) onNews(news);
      } catch {
        // A failed read changes nothing: watchers keep their state, and their own polling reports the
        // failure.
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

  async #read(key: string): Promise<Lent> {
    let failure: unknown = new LokiError('unavailable', 'no member of the ring is named');
    for (const [index, member] of this.#members.entries()) {
      try {
        const { value, version } = await member.unary(getMethod, { key }, call);
        return { index, entries: entriesOf(value), version: value === undefined ? undefined : version };
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** False: `change` had nothing to write. */
  async #change(
    key: string,
    id: string,
    change: (entries: Map<string, string>) => boolean,
  ): Promise<boolean> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const { index, entries, version } = await this.#read(key);
      if (!change(entries)) return false;
      const value = valueOf(entries) ?? encodeInstances([]);
      // Writes only to the process whose value was read: versions of another process do not match.
      const answer = await this.#members[index].unary(setMethod, { key, value, version }, call);
      if (answer.isSet) return true;
      await this.#timers.sleep(tokenOf(`${id}\0${attempt}`) % collisionPauseMaxMs);
    }
    throw new LokiError('unavailable', `ring ${key}: other members kept writing first`);
  }
}
