/**
 * Sends one tenant's recorded samples to one metrics store; samples stay in files until the store has them.
 */
import { compress } from 'snappy';
import type { TenantId } from '@loki/model';
import type { Clock, Disk, HttpClient, Logger, Random, Timers } from '@loki/ports';
import type { RemoteLabels, RulerMetrics } from '@loki/telemetry';
import type { SeriesSample } from './recording-rule.ts';
import { relabel } from './relabel.ts';
import { authorizationHeaders } from './remote-client.ts';
import type { ReadSecret, RemoteClient } from './remote-client.ts';
import type { QueuedRecord } from './send-queue-records.ts';
import { SendQueue } from './send-queue.ts';
import type { Lost } from './send-queue.ts';
import { encodeWriteRequest } from './write-request.ts';

interface RemoteQueueOptions {
  readonly tenant: TenantId;
  readonly client: RemoteClient;
  /** Below the disk's root. */
  readonly directory: string;
  readonly bytesMax: number;
  /** Older samples are no longer sent. */
  readonly ageMaxMs: number;
  /** Adds a header with the tenant. */
  readonly sendsTenant: boolean;
}

export interface RemoteQueueDeps {
  readonly disk: Disk;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RulerMetrics;
  readonly readSecret: ReadSecret;
}

type Outcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string; readonly retryAfterMs: number };

/** Bound on halving the records of one request, to isolate the refused samples. */
const splitsMax = 256;
/** Longest pause that a receiver can request. */
const retryAfterMsMax = 60_000;

/** Samples of one tenant for one metrics store: written to disk first, then sent until the store has them. */
export class RemoteQueue {
  readonly #deps: RemoteQueueDeps;
  readonly #options: RemoteQueueOptions;
  readonly #labels: RemoteLabels;
  readonly #queue: SendQueue;
  readonly #stop = new AbortController();
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  private constructor(deps: RemoteQueueDeps, options: RemoteQueueOptions, queue: SendQueue) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = queue;
    this.#labels = {
      tenant: options.tenant,
      remote_name: options.client.name,
      url: options.client.url,
    };
  }

  static async open(deps: RemoteQueueDeps, options: RemoteQueueOptions): Promise<RemoteQueue> {
    const { directory, bytesMax } = options;
    const { queue, losses } = await SendQueue.open({ disk: deps.disk, directory, bytesMax });
    const remote = new RemoteQueue(deps, options, queue);
    remote.#tell(losses);
    remote.#running = remote.#run();
    return remote;
  }

  get bytes(): number {
    return this.#queue.bytes;
  }

  /** Resolves when the samples are on disk. */
  async append(samples: readonly SeriesSample[]): Promise<void> {
    const { relabel: steps, samplesPerSendMax } = this.#options.client;
    const recent = samples.flatMap((sample) => {
      const labels = relabel(sample.labels, steps);
      return labels === undefined || labels.length === 0 ? [] : [{ ...sample, labels }];
    });
    for (let at = 0; at < recent.length; at += samplesPerSendMax) {
      const part = recent.slice(at, at + samplesPerSendMax);
      const newestMs = part.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), 0);
      this.#tell(
        await this.#queue.append({ bytes: encodeWriteRequest(part), samples: part.length, newestMs }),
      );
    }
    this.#deps.metrics.samplesPending(this.#labels, this.#queue.samples);
    this.#wake();
  }

  /** Unsent samples stay on disk for the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
    await this.#queue.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { logger, timers } = this.#deps;
    while (!signal.aborted) {
      try {
        const woken = new Promise<void>((resolve) => (this.#wake = resolve));
        if (!(await this.#sendNext(signal))) await woken;
      } catch (error) {
        if (signal.aborted) return;
        // The disk may work again later.
        logger.error('recorded samples cannot be read', { ...this.#labels, err: String(error) });
        await timers.sleep(this.#options.client.backoffMaxMs, signal).catch(() => undefined);
      }
    }
  }

  /** Sends the oldest records; false: the queue is empty. */
  async #sendNext(signal: AbortSignal): Promise<boolean> {
    const { metrics, clock } = this.#deps;
    const { client, ageMaxMs } = this.#options;
    const { records, end, losses } = await this.#queue.peek(client.samplesPerSendMax);
    this.#tell(losses);
    if (records.length === 0) return false;
    const oldestMs = clock.nowMs() - ageMaxMs;
    const fresh = records.filter((record) => record.newestMs >= oldestMs);
    const samples = countSamples(records);
    const freshSamples = countSamples(fresh);
    if (freshSamples < samples) metrics.samplesDropped(this.#labels, 'too_old', samples - freshSamples);
    if (freshSamples > 0 && !(await this.#deliver(fresh, { splitsLeft: splitsMax }, signal))) return true;
    await this.#queue.take(end, samples);
    metrics.samplesPending(this.#labels, this.#queue.samples);
    return true;
  }

  /**
   * Sends until the receiver has the samples or refuses them for good. Prometheus refuses a whole request
   * because of one sample that is older than the newest of its series, for example after a crash or from
   * another ruler: the request is halved, so that the other samples are stored.
   *
   * @returns false: stopped, or the samples are too old by now
   */
  async #deliver(
    records: readonly QueuedRecord[],
    budget: { splitsLeft: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const samples = countSamples(records);
    const { metrics, logger, timers, random, clock } = this.#deps;
    const { client, ageMaxMs } = this.#options;
    const body = await compress(Buffer.concat(records.map(({ bytes }) => bytes)));
    const newestMs = Math.max(...records.map((record) => record.newestMs));
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#post(body);
      if (signal.aborted) return outcome.kind === 'sent';
      if (outcome.kind === 'sent') {
        metrics.samplesSent(this.#labels, samples, newestMs);
        return true;
      }
      if (outcome.kind === 'refused') {
        if (records.length > 1 && budget.splitsLeft-- > 0) {
          const half = Math.ceil(records.length / 2);
          return (
            (await this.#deliver(records.slice(0, half), budget, signal)) &&
            (await this.#deliver(records.slice(half), budget, signal))
          );
        }
        metrics.samplesDropped(this.#labels, 'refused', samples);
        logger.error('recorded samples were refused', { ...this.#labels, samples, err: outcome.reason });
        return true;
      }
      if (attempt % 10 === 0) {
        logger.warn('recorded samples could not be sent', { ...this.#labels, samples, err: outcome.reason });
      }
      const backoffMs = Math.min(client.backoffMaxMs, client.backoffMinMs * 2 ** Math.min(attempt, 20));
      await timers
        .sleep(Math.max(outcome.retryAfterMs, backoffMs * (0.5 + random.float() / 2)), signal)
        .catch(() => undefined);
      // Samples that became too old during retries are filtered again.
      if (signal.aborted || newestMs < clock.nowMs() - ageMaxMs) return false;
    }
  }

  async #post(body: Buffer): Promise<Outcome> {
    const { http, readSecret } = this.#deps;
    const { client, tenant, sendsTenant } = this.#options;
    try {
      const answer = await http.send({
        method: 'POST',
        url: client.url,
        headers: {
          ...Object.fromEntries(client.headers),
          ...(await authorizationHeaders(client.credentials, readSecret)),
          ...(sendsTenant ? { 'x-scope-orgid': tenant } : {}),
          'content-encoding': 'snappy',
          'content-type': 'application/x-protobuf',
          'user-agent': 'loki-ruler',
          'x-prometheus-remote-write-version': '0.1.0',
        },
        body,
        timeoutMs: client.timeoutMs,
        signal: this.#stop.signal,
        tls: client.tls,
      });
      if (answer.status >= 200 && answer.status < 300) return { kind: 'sent' };
      const reason = `status ${answer.status}: ${answer.body.subarray(0, 300).toString('utf8').trim()}`;
      const isRetryable = answer.status >= 500 || answer.status === 429;
      const seconds = Number(answer.headers.get('retry-after') ?? 0);
      const retryAfterMs = seconds > 0 ? Math.min(retryAfterMsMax, seconds * 1000) : 0;
      return { kind: isRetryable ? 'failed' : 'refused', reason, retryAfterMs };
    } catch (error) {
      return { kind: 'failed', reason: String(error), retryAfterMs: 0 };
    }
  }

  #tell(losses: readonly Lost[]): void {
    for (const { samples, reason } of losses) {
      this.#deps.metrics.samplesDropped(this.#labels, reason, samples);
      this.#deps.logger.error('recorded samples are lost', { ...this.#labels, samples, reason });
    }
  }
}

function countSamples(records: readonly QueuedRecord[]): number {
  return records.reduce((sum, { samples }) => sum + samples, 0);
}
