/** Routes that prepare the shutdown or the scale-down of an ingester. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '@loki/config';
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest, HttpResponse, Logger } from '@loki/ports';
import type { Rings } from '../cluster/rings.ts';

interface IngesterLifecycleDeps {
  readonly config: Config;
  readonly rings: Rings;
  readonly logger: Logger;
}

const markerName = 'shutdown-requested.txt';
const noContent: HttpResponse = { status: 204 };

/** An operator's request to end this ingester, and its state. */
export class IngesterLifecycle {
  readonly #deps: IngesterLifecycleDeps;
  readonly #markerPath: string | undefined;
  #isPrepared = false;
  #flushes: boolean | undefined;

  constructor(deps: IngesterLifecycleDeps) {
    this.#deps = deps;
    const { shutdownMarkerPath } = deps.config.ingester;
    this.#markerPath = shutdownMarkerPath === '' ? undefined : path.join(shutdownMarkerPath, markerName);
  }

  /** Reads a decision that was made before this process started. */
  async start(): Promise<void> {
    if (this.#markerPath === undefined) return;
    this.#isPrepared = await fs.access(this.#markerPath).then(
      () => true,
      () => false,
    );
    if (this.#isPrepared) {
      this.#deps.logger.info('shutdown prepared: the process flushes all records when it stops');
    }
  }

  /** True: everything is flushed when this process ends. */
  get flushesAtEnd(): boolean {
    return this.#flushes ?? (this.#isPrepared || this.#deps.config.ingester.flushOnShutdown);
  }

  /** Overrides the decision, for a shutdown by hand. */
  endWith(options: { flush: boolean }): void {
    this.#flushes = options.flush;
  }

  /** `/ingester/prepare_shutdown` */
  readonly prepareShutdown: HttpHandler = async ({ method }) => {
    if (this.#markerPath === undefined) {
      throw new LokiError(
        'internal',
        'no path for the shutdown marker is configured: set ingester.shutdown_marker_path',
      );
    }
    if (method === 'GET' || method === 'HEAD') return text(this.#isPrepared ? 'set' : 'unset');
    if (method === 'DELETE') {
      await fs.rm(this.#markerPath, { force: true });
      this.#isPrepared = false;
    } else {
      await fs.mkdir(path.dirname(this.#markerPath), { recursive: true });
      await fs.writeFile(this.#markerPath, '');
      this.#isPrepared = true;
    }
    this.#deps.logger.info('prepare_shutdown', { isPrepared: this.#isPrepared });
    return noContent;
  };

  /**
   * `/ingester/prepare_partition_downscale`: other ingesters take over the partitions; this one serves them
   * until then.
   */
  readonly preparePartitionDownscale: HttpHandler = async ({ method }: HttpRequest) => {
    const { config, rings } = this.#deps;
    if (config.writeLog.kind !== 'kafka') {
      throw new LokiError(
        'methodNotAllowed',
        'partitions belong to ingesters only when they share a write log (Kafka)',
      );
    }
    const member = rings.member('ring');
    if (!member || member.state === 'PENDING' || member.state === 'JOINING') {
      return { ...text('the partitions of this ingester are pending\n'), status: 409 };
    }
    if (method === 'POST') await member.setReadOnly(true);
    else if (method === 'DELETE') await member.setReadOnly(false);
    const { readOnly, readOnlyMs = 0 } = member.instance;
    const body = JSON.stringify({
      timestamp: readOnly ? Math.floor(readOnlyMs / 1000) : 0,
      state: readOnly ? 'PartitionInactive' : 'PartitionActive',
    });
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  };
}

function text(body: string): HttpResponse {
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
