/** The product as one process over a bucket, for benchmarks. */
import fs from 'node:fs';
import path from 'node:path';
import { Daemon, minioPassword, minioUser } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import type { StoreQuery } from './store-queries.ts';

interface StoreProcessOptions {
  /** The checkout that is run. */
  readonly tree: string;
  readonly directory: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly partitions: number;
  /** False: flushed segments stay as they are. */
  readonly compacts: boolean;
}

/** The answer of `/compaction`. */
interface CompactorState {
  readonly merges: number;
  readonly backlogMerges: number;
  readonly isRunning: boolean;
}

/** One process with all roles, whose object store is a bucket. */
export class StoreProcess {
  readonly #options: StoreProcessOptions;
  #daemon: Daemon | undefined;
  #url = '';

  constructor(options: StoreProcessOptions) {
    this.#options = options;
  }

  /** @param cacheMib of the cache on disk; 0: none */
  async start(cacheMib: number): Promise<void> {
    const { directory, tree } = this.#options;
    const [port, grpcPort] = await freePorts(2);
    this.#url = `http://127.0.0.1:${port}`;
    fs.writeFileSync(
      path.join(directory, 'loki.yaml'),
      JSON.stringify(this.#config(port, grpcPort, cacheMib)),
    );
    this.#daemon = new Daemon('loki', path.join(directory, 'loki.log'), [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      path.join(tree, 'apps/loki/src/main.ts'),
      `-config.file=${path.join(directory, 'loki.yaml')}`,
    ]);
    await this.#daemon.startUntil(async () => {
      const ready = await fetch(`${this.#url}/ready`).catch(() => undefined);
      return ready?.status === 200;
    });
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  /** User and system time since the start. */
  cpuSeconds(): number {
    const fields = fs.readFileSync(`/proc/${this.#daemon?.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Deletes the cache on disk. The process does not run. */
  forgetDisk(): void {
    fs.rmSync(this.#cacheDirectory, { recursive: true, force: true });
  }

  get #cacheDirectory(): string {
    return path.join(this.#options.directory, 'cache');
  }

  async push(body: Uint8Array<ArrayBuffer>, tenant: string): Promise<void> {
    const headers = { 'Content-Type': 'application/x-protobuf', 'X-Scope-OrgID': tenant };
    const answer = await fetch(`${this.#url}/loki/api/v1/push`, { method: 'POST', headers, body });
    if (answer.status !== 204) throw new Error(`push: ${answer.status} ${await answer.text()}`);
  }

  async flush(): Promise<void> {
    const answer = await fetch(`${this.#url}/flush`, { method: 'POST' });
    if (answer.status !== 204) throw new Error(`flush: ${answer.status} ${await answer.text()}`);
  }

  /** The state of the compactor. */
  async compaction(): Promise<CompactorState> {
    const answer = await fetch(`${this.#url}/compaction`);
    return ((await answer.json()) as { compactors: CompactorState[] }).compactors[0];
  }

  async ask({ others = [], ...query }: StoreQuery, tenant: string): Promise<void> {
    await Promise.all([query, ...others].map((each) => this.#ask(each, tenant)));
  }

  async #ask({ path: route, params }: StoreQuery, tenant: string): Promise<void> {
    const headers = { 'X-Scope-OrgID': tenant };
    const answer = await fetch(`${this.#url}${route}?${new URLSearchParams(params).toString()}`, { headers });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${text}`);
  }

  #config(port: number, grpcPort: number, cacheMib: number): unknown {
    const { directory, endpoint, bucket, partitions, compacts } = this.#options;
    return {
      auth_enabled: true,
      server: { http_listen_port: port, grpc_listen_port: grpcPort },
      common: { path_prefix: path.join(directory, 'data') },
      schema_config: { configs: [{ from: '2024-01-01', store: 'tsdb', object_store: 's3', schema: 'v13' }] },
      storage_config: {
        aws: { endpoint, bucketnames: bucket, access_key_id: minioUser, secret_access_key: minioPassword },
      },
      write_log: { partitions },
      compactor: { compaction_interval: compacts ? '5s' : '1000h' },
      limits_config: {
        ingestion_rate_mb: 1024,
        ingestion_burst_size_mb: 1024,
        per_stream_rate_limit: '1GB',
        per_stream_rate_limit_burst: '1GB',
        max_global_streams_per_user: 0,
        reject_old_samples: false,
        max_query_series: 100_000,
      },
      ...(cacheMib > 0 ? { disk_cache: { directory: this.#cacheDirectory, max_size: `${cacheMib}MB` } } : {}),
    };
  }
}
