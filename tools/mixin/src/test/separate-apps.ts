/** The separate apps under load, for tests of dashboards. */
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { Client } from 'minio';
import { Cluster, devCommand, mainOf, membersOf, wholeSystem } from '@loki/dev-cluster';
import type { AppName, AppProcess, Member } from '@loki/dev-cluster';
import { Daemon } from '@loki/services';
import { addSeries, certify, freePorts, slowTenant } from '@loki/test-tools';

interface SeparateAppsOptions {
  readonly directory: string;
  /** Of the topic, the bucket and the ring's keys. */
  readonly name: string;
  readonly kafka: string;
  readonly redis: string;
  /** Of the bucket's server, whose keys are in the usual AWS variables; absent: apps share a directory. */
  readonly endpoint?: string;
}

type Series = Map<string, ReadonlyMap<string, string>[]>;

/** Containers of the chart, where they are not named as their app. */
const containers: Readonly<Partial<Record<AppName, string>>> = { gateway: 'query-frontend' };
const zones = ['zone-a', 'zone-b', 'zone-c'];
const secure = 'secure';

/** The system of development as processes of their own, and one gateway more, which has a certificate. */
export class SeparateApps {
  readonly #cluster: Cluster;
  readonly #secureGateway: Daemon;
  readonly #secureUrl: string;
  readonly #ca: string;

  static async start(options: SeparateAppsOptions): Promise<SeparateApps> {
    if (options.endpoint !== undefined) await makeBucket(options.endpoint, options.name);
    const total = Object.values(wholeSystem).reduce((sum, count) => sum + count, 0);
    const apps = new SeparateApps(options, await freePorts(2 * total + 2));
    try {
      await apps.#cluster.start();
      await apps.#secureGateway.startUntil(() =>
        apps.#scrapeSecure().then(
          () => true,
          () => false,
        ),
      );
      return apps;
    } catch (error) {
      await apps.stop();
      throw error;
    }
  }

  private constructor(options: SeparateAppsOptions, ports: number[]) {
    const { directory, name, kafka, redis, endpoint } = options;
    const overrides = path.join(directory, 'overrides.yaml');
    // Its queries end with 504: the answer of 5xx that panels and alerts count.
    fs.writeFileSync(overrides, JSON.stringify({ overrides: { [slowTenant]: { query_timeout: '1ns' } } }));
    const flags = [
      '-auth.enabled=true',
      `-common.storage.ring.prefix=${name}/`,
      `-runtime-config.file=${overrides}`,
      '-querier.cache-results=true',
      '-frontend.embedded-cache.enabled=true',
      '-compactor.compaction-interval=1s',
      '-compactor.delete-request-cancel-period=1s',
      '-store.retention=744h',
      '-ruler.poll-interval=1s',
    ];
    const variables = {
      KAFKA_BROKERS: kafka,
      KAFKA_TOPIC: name,
      REDIS_ENDPOINT: new URL(redis).host,
      ...(endpoint === undefined
        ? {}
        : {
            LOKI_OBJECT_STORE: 's3',
            S3_ENDPOINT: endpoint,
            S3_BUCKET: name,
            S3_ACCESS_KEY: process.env['AWS_ACCESS_KEY_ID'] ?? '',
            S3_SECRET_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
          }),
    };
    const memberOf = (app: AppName, number: number): Member => {
      const [httpPort, grpcPort] = ports.splice(0, 2);
      return { app, name: `${app}-${number}`, zone: zones[(number - 1) % zones.length], httpPort, grpcPort };
    };
    const commandOf = (member: Member) => {
      const { args, env } = devCommand(member, directory, variables);
      return { args: [...args, ...flags], env };
    };
    this.#cluster = new Cluster(membersOf(wholeSystem, memberOf), {
      logDirectory: path.join(directory, 'logs'),
      restarts: false,
      onEnd: (process, reason) => console.log(`${process} ended: ${reason}`),
      command: commandOf,
    });
    certify(directory, 'ca', [secure]);
    this.#ca = fs.readFileSync(path.join(directory, 'ca.crt'), 'utf8');
    const member = memberOf('gateway', 3);
    const { args, env } = commandOf(member);
    const pair = ['cert', 'key'].map(
      (part) =>
        `-server.http-tls-${part}-path=${path.join(directory, `${secure}.${part === 'cert' ? 'crt' : part}`)}`,
    );
    this.#secureUrl = `https://127.0.0.1:${member.httpPort}`;
    const command = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      ...mainOf('gateway'),
      ...args,
      ...pair,
    ];
    this.#secureGateway = new Daemon(member.name, path.join(directory, `${member.name}.log`), command, {
      directory: path.resolve(import.meta.dirname, '../../../..'),
      env,
    });
  }

  get gateways(): AppProcess[] {
    return this.#cluster.of('gateway');
  }

  /** The series of all apps, labelled as the chart's ServiceMonitor labels them. */
  async scrape(): Promise<Series> {
    const series: Series = new Map();
    for (const { member, url } of this.#cluster.processes) {
      const response = await fetch(`${url}/metrics`);
      addSeries(series, await response.text(), targetOf(member.app, member.name));
    }
    addSeries(series, await this.#scrapeSecure(), targetOf('gateway', 'gateway-3'));
    return series;
  }

  async stop(): Promise<void> {
    await this.#secureGateway.stop();
    await this.#cluster.stop();
  }

  #scrapeSecure(): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = https.get(`${this.#secureUrl}/metrics`, { ca: this.#ca }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
      });
      request.on('error', reject);
    });
  }
}

function targetOf(app: AppName, pod: string): Record<string, string> {
  const container = containers[app] ?? app;
  return { cluster: 'test', namespace: 'loki', job: `loki/${container}`, container, pod };
}

async function makeBucket(endpoint: string, name: string): Promise<void> {
  const { hostname, port } = new URL(endpoint);
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey: process.env['AWS_ACCESS_KEY_ID'] ?? '',
    secretKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    region: 'us-east-1',
  });
  await client.makeBucket(name);
}
