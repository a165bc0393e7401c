import type { Logger, RingStore, TimerHandle, Timers } from '@loki/ports';
import { RingStoreDefinition } from '@loki/proto';
import type { RingValue } from '@loki/proto';
import type { RpcChannel } from './channel.ts';
import { rpcMethod } from './method.ts';
import { serverStreamMethod, unaryMethod } from './rpc-server.ts';
import type { CallContext, RpcServer } from './rpc-server.ts';

const { methods } = RingStoreDefinition;
const getMethod = rpcMethod(RingStoreDefinition, methods.get);
const setMethod = rpcMethod(RingStoreDefinition, methods.compareAndSet);
const watchMethod = rpcMethod(RingStoreDefinition, methods.watch);

const deadlineMs = 3_000;
const watchPauseMs = 1_000;

/** Lends this process's ring to others. */
export function serveRingStore(server: RpcServer, store: RingStore): void {
  server.add(RingStoreDefinition.fullName, [
    unaryMethod(getMethod, async ({ key }): Promise<RingValue> => {
      const found = await store.get(key);
      return { value: found?.value, version: found?.version ?? '' };
    }),
    unaryMethod(setMethod, async ({ key, value, version }) => ({
      isSet: await store.compareAndSet(key, value, version),
    })),
    serverStreamMethod(watchMethod, ({ key }, context) => changes(store, key, context)),
  ]);
}

/** The latest value after each change; one that was overtaken is left out. */
async function* changes(store: RingStore, key: string, { signal }: CallContext): AsyncGenerator<RingValue> {
  let latest: { value: string | undefined } | undefined;
  let wake = () => {};
  const stop = store.watch(key, (value) => {
    latest = { value };
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      if (latest) {
        const { value } = latest;
        latest = undefined;
        yield { value, version: '' };
      } else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop();
    signal.removeEventListener('abort', onAbort);
  }
}

/** The ring that another process keeps in its memory. While that one is away this is a store that does not answer. */
export class RingStoreClient implements RingStore {
  readonly #channel: RpcChannel;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #closed = new AbortController();

  constructor(channel: RpcChannel, world: { timers: Timers; logger: Logger }) {
    this.#channel = channel;
    this.#timers = world.timers;
    this.#logger = world.logger;
  }

  async get(key: string): Promise<{ value: string; version: string } | undefined> {
    const { value, version } = await this.#channel.unary(getMethod, { key }, { deadlineMs });
    return value === undefined ? undefined : { value, version };
  }

  async compareAndSet(key: string, value: string, version: string | undefined): Promise<boolean> {
    const answer = await this.#channel.unary(setMethod, { key, value, version }, { deadlineMs });
    return answer.isSet;
  }

  watch(key: string, onChange: (value: string | undefined) => void): () => void {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closed.signal]);
    let timer: TimerHandle | undefined;
    const follow = async () => {
      try {
        for await (const { value } of this.#channel.serverStream(watchMethod, { key }, { signal })) {
          onChange(value);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug('the ring cannot be watched; it is polled', { key, err: String(error) });
      }
      if (!signal.aborted) timer = this.#timers.after(watchPauseMs, () => void follow());
    };
    void follow();
    return () => {
      timer?.cancel();
      stop.abort();
    };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#channel.close();
  }
}
