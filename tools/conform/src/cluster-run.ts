import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Cluster, membersOf, wholeSystem } from '@loki/dev-cluster';
import type { AppName, Member } from '@loki/dev-cluster';
import { serviceNames, startServices } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import type { Services } from '@loki/services';
import { memberConfig } from './cluster-config.ts';
import { Corpus } from './corpus.ts';
import type { RunOptions } from './one-run.ts';

/** Areas that only ask, and of what was pushed for all of them: asked again of flushed and of compacted data. */
const readAreas = '^(?=(log-.*|metric-.*|meta-.*|query-errors|limits-query|stats-shape|params-.*|whizard)$)';

/** Cases about one process that is everything; a gateway says of itself what it is. `#processes` looks at all. */
const casesOfOneProcess: ReadonlyMap<string, string> = new Map([
  ['status-823490cd14', '/services of a gateway has no distributor, ingester and querier'],
  ['status-50d2fb6799', '/metrics of a gateway has no metrics of distributors'],
]);

/** Compaction lets flushed segments settle for two minutes; its rounds follow at this distance. */
const compactionIntervalMs = 5_000;
const compactionTimeoutMs = 300_000;

/** Every case against a gateway of the separate apps; what reads, again after a flush and after compaction. */
export async function runCluster(corpus: Corpus, options: RunOptions): Promise<number> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-conform-'));
  const services = await findServices(path.join(directory, 'services'));
  if (!services.kafka || !services.redis) {
    console.log('skipped: the separate apps, which need Kafka and Redis');
    await services.stop();
    return 0;
  }
  console.log(`objects are kept in ${services.s3 ? 'MinIO' : 'a directory that all processes share'}`);
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const cluster = await makeCluster(corpus, directory, services);
  const run = new ClusterRun(corpus, cluster, directory, options);
  try {
    return await Promise.race([run.all(), stopping.then(() => 130)]);
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await cluster.stop();
    await services.stop();
    if (options.keeps) console.log(`data and logs: ${directory}`);
    else fs.rmSync(directory, { recursive: true, force: true });
  }
}

class ClusterRun {
  readonly #corpus: Corpus;
  readonly #cluster: Cluster;
  readonly #options: RunOptions;
  readonly #result: string;
  readonly #failed: string[] = [];

  constructor(corpus: Corpus, cluster: Cluster, directory: string, options: RunOptions) {
    this.#corpus = corpus;
    this.#cluster = cluster;
    this.#options = options;
    this.#result = path.join(directory, 'result.json');
  }

  async all(): Promise<number> {
    await this.#cluster.start();
    await this.#cases('in memory', this.#options.passedOn);
    const t0 = String(BigInt(Corpus.startOf(this.#result)) / 1_000_000_000n);
    const { passedOn } = this.#options;
    const at = passedOn.indexOf('--area');
    // Of the areas that were asked for those that only read.
    const areas = at < 0 ? readAreas : `${readAreas}(?=.*?(?:${passedOn[at + 1]}))`;
    const again = ['--no-load', '--t0', t0, ...passedOn, '--area', areas];
    await this.#processes();
    const { status } = await fetch(`${this.#cluster.first('gateway').url}/flush`, { method: 'POST' });
    if (status !== 204) throw new Error(`flush: ${status}`);
    await this.#cases('flushed', again);
    if (!this.#options.inCi) {
      await this.#compact();
      await this.#cases('compacted', again);
    }
    if (this.#failed.length === 0) return 0;
    for (const { name, daemon } of this.#cluster.processes) {
      const log = fs.readFileSync(daemon.logPath, 'utf8').split('\n');
      const worst = log.filter((line) => /level=(warn|error)/.test(line)).slice(-3);
      if (worst.length > 0)
        console.log(`${name}:\n${worst.map((line) => `  ${line.slice(0, 300)}`).join('\n')}`);
    }
    return 1;
  }

  async #cases(when: string, options: readonly string[]): Promise<void> {
    const beganMs = Date.now();
    console.log(`\n— ${when} —`);
    const outcome = await this.#corpus.run(
      this.#cluster.first('gateway').url,
      this.#result,
      options,
      casesOfOneProcess,
    );
    const seconds = ((Date.now() - beganMs) / 1000).toFixed(0);
    console.log(
      `— ${when}: ${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.known} known to differ; ${seconds} s —`,
    );
    this.#failed.push(...outcome.failed);
  }

  /** Each process says what it is, and distributors count what came in. */
  async #processes(): Promise<void> {
    for (const { name, url, member } of this.#cluster.processes) {
      const text = await (await fetch(`${url}/services`)).text();
      if (!text.includes(`${member.app} => Running`)) throw new Error(`${name} does not run: ${text}`);
    }
    let lines = 0;
    for (const { url } of this.#cluster.of('distributor')) {
      const text = await (await fetch(`${url}/metrics`)).text();
      lines += sumOf(text, /^loki_distributor_lines_received_total\{[^}]*\} (\S+)$/gm);
    }
    if (lines === 0) throw new Error('no distributor has counted a line');
    console.log(`\n${this.#cluster.processes.length} processes, ${lines} lines received`);
  }

  /** Waits until rounds of the compactor have replaced flushed segments, and one has found nothing more to do. */
  async #compact(): Promise<void> {
    const compactor = this.#cluster.first('compactor');
    const beganMs = Date.now();
    console.log('\nwaiting for compaction …');
    for (;;) {
      const text = await (await fetch(`${compactor.url}/metrics`)).text();
      const merged = sumOf(text, /^loki_compactor_merges_total(?:\{[^}]*\})? (\S+)$/gm);
      const backlog = sumOf(text, /^loki_compactor_backlog_merges(?:\{[^}]*\})? (\S+)$/gm);
      if (merged > 0 && backlog === 0) {
        console.log(`${merged} merges in ${((Date.now() - beganMs) / 1000).toFixed(0)} s`);
        return;
      }
      if (Date.now() - beganMs > compactionTimeoutMs) throw new Error('nothing was compacted in time');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

function sumOf(metrics: string, pattern: RegExp): number {
  return [...metrics.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function makeCluster(corpus: Corpus, directory: string, services: Services): Promise<Cluster> {
  const counts = wholeSystem;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const ports = await freePorts(2 * total + 1);
  const alertmanagerPort = ports.pop()!;
  const zones = ['zone-a', 'zone-b', 'zone-c'];
  const members = membersOf(counts, (app: AppName, number: number): Member => {
    const [httpPort, grpcPort] = ports.splice(0, 2);
    return { app, name: `${app}-${number}`, zone: zones[(number - 1) % 3], httpPort, grpcPort };
  });
  const place = { directory, services, runName: path.basename(directory).toLowerCase() };
  const settings = { directory, httpPort: 0, grpcPort: 0, alertmanagerPort };
  fs.writeFileSync(path.join(directory, 'overrides.yaml'), corpus.config('overrides.yaml', settings));
  const recorded = corpus.config('loki.yaml', settings);
  return new Cluster(members, {
    logDirectory: path.join(directory, 'logs'),
    restarts: false,
    onEnd: (name, reason) => console.log(`${name} ended: ${reason}`),
    command: (member) => {
      const file = path.join(directory, `${member.name}.yaml`);
      fs.writeFileSync(file, memberConfig(recorded, member, place));
      return { args: [`-config.file=${file}`, `-compactor.compaction-interval=${compactionIntervalMs}ms`] };
    },
  });
}

/** Those that `npm run test:services` has running, else our own. */
async function findServices(directory: string): Promise<Services> {
  const kafka = process.env['LOKI_TEST_KAFKA_BROKERS'];
  const redis = process.env['LOKI_TEST_REDIS_URL'];
  const endpoint = process.env['LOKI_TEST_S3_ENDPOINT'];
  if (!kafka || !redis) {
    return startServices({
      directory,
      wanted: new Set(serviceNames),
      brokers: 3,
      say: (text) => console.log(text),
    });
  }
  return {
    kafka,
    redis: new URL(redis).host,
    ...(endpoint
      ? {
          s3: {
            endpoint,
            bucket: 'loki',
            accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
            secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
          },
        }
      : {}),
    stop: () => Promise.resolve(),
  };
}
