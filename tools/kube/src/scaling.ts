/**
 * The chart's autoscalers on real figures: each simulated pod of gateway, distributor, ingester and querier
 * has a real process with its own command and configuration, on real Kafka and Redis. A Prometheus scrapes
 * them, and the metrics APIs answer from it. Under load an autoscaler adds replicas, and removes them
 * afterwards.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Daemon, startServices } from '@loki/services';
import type { Services } from '@loki/services';
import { eventually, freePorts } from '@loki/test-tools';
import { namespace } from './account.ts';
import { chart } from './lifecycle.ts';
import { Load } from './load.ts';
import { MetricsApi, queryOf } from './metrics-api.ts';
import { PodProcesses } from './pod-processes.ts';
import type { Values } from './release.ts';
import { Timeline } from './scaling-timeline.ts';
import type { Sample } from './scaling-timeline.ts';
import { endAll } from './world.ts';
import type { World } from './world.ts';

const components = ['gateway', 'distributor', 'ingester', 'querier'] as const;

const readyMsMax = 240_000;
/** Clients at the start; then more come. */
const riseMsMax = 60_000;
const clientsMax = 72;
/** Load continues this long after the first rise, so that the table shows its end. */
const holdMs = 60_000;
/** The rule of the querier's metric covers two minutes. */
const fallMsMax = 420_000;

interface Phase {
  readonly component: 'distributor' | 'querier';
  readonly load: 'push' | 'query';
  /** Clients at first, and more where they are too few for this machine. */
  readonly clients: number;
  readonly pauseMs: number;
}

const phases: readonly Phase[] = [
  { component: 'distributor', load: 'push', clients: 6, pauseMs: 50 },
  { component: 'querier', load: 'query', clients: 12, pauseMs: 0 },
];

/** @param scaled  the components whose autoscalers are driven */
export async function checkScaling(world: World, scaled: ReadonlySet<string>): Promise<void> {
  if (spawnSync('which', ['prometheus']).status !== 0) {
    console.log('skipped: scaling: there is no prometheus (Debian: apt-get install prometheus)');
    return;
  }
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-kube-scaling-'));
  const { ends } = world;
  ends.push(() => fs.rmSync(directory, { recursive: true, force: true }));
  try {
    const services = await startServices({
      directory: path.join(directory, 'services'),
      names: new Set(['kafka', 'redis']),
      brokers: 1,
      say: (text) => console.log(text),
    });
    ends.push(() => services.stop());
    if (services.kafka === undefined || services.redis === undefined) {
      console.log('skipped: scaling, which needs Kafka and Redis');
      return;
    }
    const targetsFile = path.join(directory, 'targets.json');
    const processes = new PodProcesses({
      plane: world.plane,
      namespace,
      directory,
      components: new Set(components),
      targetsFile,
    });
    ends.push(() => processes.stop());
    const prometheus = await startPrometheus(directory, targetsFile);
    ends.push(() => prometheus.daemon.stop());
    const metrics = await MetricsApi.start(
      world.plane,
      queryOf(prometheus.url),
      path.join(directory, 'metrics'),
    );
    ends.push(() => metrics.close());
    ends.push(async () => {
      await world.helm.clear();
    });
    const driven = phases.filter(({ component }) => scaled.has(component));
    await scale(world, processes, settings(directory, services), driven);
  } finally {
    await endAll(ends);
  }
}

async function scale(
  world: World,
  processes: PodProcesses,
  values: Values,
  driven: readonly Phase[],
): Promise<void> {
  const { checks, kubeconfig } = world;
  const options = { helm: 'helm4', kubeconfig, values } as const;
  const installed = await world.helm.upgrade('loki', chart, options);
  checks.check('scaling: install', installed.isGood, installed.isGood ? '' : installed.text.slice(-500));
  processes.start();
  const counts = () => components.map((each) => `${processes.urlsOf(each).length} ${each}`).join(', ');
  const isReady = () => components.every((each) => processes.urlsOf(each).length > 0);
  await eventually(isReady, {
    withinMs: readyMsMax,
    everyMs: 500,
    details: () => processes.failures.join('\n'),
  });
  console.log(`       ready: ${counts()}`);
  for (const phase of driven) await scaleOne(world, processes, phase);
  checks.check(
    'scaling: every process stood',
    processes.failures.length === 0,
    processes.failures.join('; '),
  );
}

async function scaleOne(world: World, processes: PodProcesses, phase: Phase): Promise<void> {
  const { checks } = world;
  const { component } = phase;
  const load = new Load(() => processes.urlsOf('gateway')[0]);
  const timeline = new Timeline(world, processes, component);
  // The CPU of a start may count as load for a while.
  const first = await timeline.until(
    'at rest',
    ({ desired, isActive, desiredMin }) => isActive && desired === desiredMin,
    readyMsMax,
  );
  const isRisen = ({ desired }: Sample): boolean => desired > first.desired;
  let risen = first;
  while (!isRisen(risen) && load.clients < clientsMax) {
    load.add(phase.load, phase.clients, phase.pauseMs);
    risen = await timeline.until(`${load.clients} clients ${phase.load}`, isRisen, riseMsMax);
  }
  await timeline.until(`${load.clients} clients ${phase.load}`, () => false, holdMs);
  await load.stop();
  const fallen = await timeline.until('none', ({ desired }) => desired <= first.desired, fallMsMax);
  timeline.print();
  const requests = `${load.answered} answered, ${load.failed} failed ${load.failure}`;
  checks.check(
    `scaling: ${component}: under ${phase.load} load desiredReplicas rises`,
    risen.desired > first.desired,
    `${first.desired} to ${timeline.desiredMax} (${requests})`,
  );
  checks.check(
    `scaling: ${component}: it falls when the load is over`,
    fallen.desired <= first.desired && timeline.desiredMax > first.desired,
    `${timeline.desiredMax} to ${fallen.desired}`,
  );
  checks.check(
    `scaling: ${component}: ScalingActive all the time`,
    timeline.inactive.length === 0,
    timeline.inactive.join('; '),
  );
}

async function startPrometheus(
  directory: string,
  targetsFile: string,
): Promise<{ url: string; daemon: Daemon }> {
  const [port] = await freePorts(1);
  const config = {
    // A scrape's time-out is at most the interval: pods under load answer late.
    global: { scrape_interval: '5s', scrape_timeout: '5s' },
    scrape_configs: [
      { job_name: 'pods', file_sd_configs: [{ files: [targetsFile], refresh_interval: '2s' }] },
    ],
  };
  fs.writeFileSync(path.join(directory, 'prometheus.yaml'), JSON.stringify(config));
  const daemon = new Daemon('prometheus', path.join(directory, 'prometheus.log'), [
    'prometheus',
    `--config.file=${path.join(directory, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${path.join(directory, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await daemon.start(port);
  return { url: `http://127.0.0.1:${port}`, daemon };
}

/**
 * Values of the chart for processes of this machine: they share a directory in place of a bucket, and have
 * the names of their pods. The autoscalers are the chart's own, but they wait less before they remove
 * replicas.
 */
function settings(directory: string, { kafka, redis }: Services): Values {
  const store = path.join(directory, 'store');
  const filesystem = {
    chunks_directory: path.join(store, 'chunks'),
    rules_directory: path.join(store, 'rules'),
  };
  const autoscaling = {
    enabled: true,
    maxReplicas: 6,
    behavior: {
      scaleDown: {
        stabilizationWindowSeconds: 20,
        policies: [{ type: 'Pods', value: 2, periodSeconds: 15 }],
      },
    },
  };
  return {
    kafka: { brokers: kafka, partitions: 4 },
    redis: { endpoint: redis },
    storage: { endpoint: 'http://store', accessKeyId: 'none', secretAccessKey: 'none' },
    gateway: { replicas: 1 },
    ingester: { replicas: 1 },
    compactor: { replicas: 0 },
    distributor: { autoscaling },
    querier: { autoscaling },
    loki: {
      config: {
        server: { http_listen_address: '127.0.0.1', grpc_listen_address: '127.0.0.1' },
        common: {
          replication_factor: 1,
          storage: { s3: null, filesystem },
          ring: { instance_id: '${POD_NAME}', instance_addr: '127.0.0.1' },
        },
        compactor: { delete_request_store: 'filesystem' },
        worker_pool: { threads: 1 },
        limits_config: {
          ingestion_rate_mb: 1024,
          ingestion_burst_size_mb: 1024,
          per_stream_rate_limit: '1GB',
          per_stream_rate_limit_burst: '1GB',
        },
      },
    },
  };
}
