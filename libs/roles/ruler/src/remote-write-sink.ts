/** Prometheus remote write of recorded series: one queue on disk for each tenant and client. */
import { mib, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { SeriesSample } from './recording-rule.ts';
import type { RemoteClient } from './remote-client.ts';
import { RemoteQueue } from './remote-queue.ts';
import type { RemoteQueueDeps } from './remote-queue.ts';
import { encodeName } from './rule-store.ts';
import type { SeriesSink } from './ruler-deps.ts';

interface RemoteWriteOptions {
  /** Clients of a tenant; [] for none. Called for each write. */
  clientsOf(tenant: TenantId): readonly RemoteClient[];
  readonly sendsTenant: boolean;
  /** Bound on the bytes on disk for one client of one tenant. */
  readonly bytesMaxPerQueue?: number;
  readonly ageMaxMs: number;
}

/** Enough for an hour with 1,000 samples a second. */
const defaultBytesMaxPerQueue = 256 * mib;

/**
 * Sends recorded series to metrics stores by Prometheus' remote write. Queues are in `{tenant}/{client}` on
 * disk.
 */
export class RemoteWriteSink implements SeriesSink {
  readonly #deps: RemoteQueueDeps;
  readonly #options: RemoteWriteOptions;
  readonly #queues = new Map<
    string,
    { readonly client: RemoteClient; readonly queue: Promise<RemoteQueue> }
  >();
  #isStopped = false;

  constructor(deps: RemoteQueueDeps, options: RemoteWriteOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Resumes the queues of an earlier process, also of tenants without rules. */
  async start(): Promise<void> {
    const { disk, logger } = this.#deps;
    for (const name of await disk.list('')) {
      let tenant: TenantId;
      try {
        tenant = parseTenantId(name);
      } catch {
        logger.warn('remote write: a directory is no queue of samples', { directory: name });
        continue;
      }
      const clients = new Map(
        this.#options.clientsOf(tenant).map((client) => [encodeName(client.name), client]),
      );
      for (const directory of await disk.list(tenant)) {
        const client = clients.get(directory);
        if (client) await this.#queueOf(tenant, client);
        else logger.warn('samples wait for a client that is not configured', { tenant, directory });
      }
    }
  }

  async write(tenant: TenantId, samples: readonly SeriesSample[]): Promise<void> {
    if (this.#isStopped || samples.length === 0) return;
    const { metrics } = this.#deps;
    const clients = this.#options.clientsOf(tenant);
    if (clients.length === 0) return;
    const newestMs = samples.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), 0);
    try {
      const queues = await Promise.all(clients.map((client) => this.#queueOf(tenant, client)));
      await Promise.all(queues.map((queue) => queue.append(samples)));
      metrics.samplesAppended(tenant, samples.length, newestMs);
      metrics.queueReady(tenant, true);
      metrics.queueBytes(
        tenant,
        queues.reduce((sum, queue) => sum + queue.bytes, 0),
      );
    } catch (error) {
      metrics.queueReady(tenant, false);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    // A queue that could not be opened was reported to its writer.
    const opened = await Promise.allSettled(queues.map(({ queue }) => queue));
    await Promise.all(
      opened.map(async (each) => {
        if (each.status === 'fulfilled') await each.value.stop();
      }),
    );
  }

  /** One queue per tenant and client, opened again when the client's settings change. */
  #queueOf(tenant: TenantId, client: RemoteClient): Promise<RemoteQueue> {
    const key = `${tenant}/${encodeName(client.name)}`;
    const existing = this.#queues.get(key);
    if (existing?.client === client) return existing.queue;
    const queue = this.#open(tenant, client, key, existing?.queue);
    this.#queues.set(key, { client, queue });
    // The next write tries again after a failure of the disk.
    queue.catch(() => {
      if (this.#queues.get(key)?.queue === queue) this.#queues.delete(key);
    });
    return queue;
  }

  async #open(
    tenant: TenantId,
    client: RemoteClient,
    directory: string,
    before: Promise<RemoteQueue> | undefined,
  ): Promise<RemoteQueue> {
    await (await before?.catch(() => undefined))?.stop();
    return RemoteQueue.open(this.#deps, {
      tenant,
      client,
      directory,
      bytesMax: this.#options.bytesMaxPerQueue ?? defaultBytesMaxPerQueue,
      ageMaxMs: this.#options.ageMaxMs,
      sendsTenant: this.#options.sendsTenant,
    });
  }
}
