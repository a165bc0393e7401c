/**
 * Tests of the chart's pods as real containers: `helm template`, containerd by its CRI, the chart's own
 * command, mounts, limits, probes and security contexts, in a network namespace that stands for a node.
 *
 *     npm run test:pods -- [--archive FILE] [--previous FILE|COMMIT|last [--roll-back]]
 *                              [--only defaults,single,external] [--logs DIRECTORY]
 *
 * --archive takes an image that was built before (npm run test:image -- --save FILE). With --previous the
 * system starts as an earlier version and is upgraded, before it is restarted: an image that was built
 * before, or a commit, whose image and chart are made here; `last` is the last released version, or the
 * commit before this one where no version is released yet. --roll-back goes back to it in the end. --logs
 * keeps the logs of pods and the reports of the canary. Programs that are missing are installed from Debian's
 * packages; where they, Helm, or Kafka and Redis cannot be had, the test prints what it leaves out, and why.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { bringHelm, programsCache } from '@loki/deploy';
import {
  buildTestImage,
  Checks,
  endProgramsOnSignals,
  interruptedCode,
  isInterrupted,
  lackOf,
  runProgram,
  testTag,
} from '@loki/image';
import { installJars, kafkaLacks, servicesCache, startServices } from '@loki/services';
import type { Services } from '@loki/services';
import { Manifest } from './manifest.ts';
import { nodeAddress, PodNode, runInNetwork } from './node.ts';
import { distributed, single, withoutServices } from './scenarios.ts';
import { forwardTo } from './service-proxy.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const chart = path.join(root, 'deploy/helm/loki');
const insideFlag = '--inside';
const scenarioNames = ['defaults', 'single', 'external'] as const;
const image = { registry: 'localhost', repository: 'loki', tag: testTag };
/** The repository of the version before. */
const previousRepository = 'loki-previous';

async function main(): Promise<number> {
  const { values } = readOptions(import.meta.filename, {
    options: {
      inside: { type: 'boolean', default: false },
      archive: { type: 'string' },
      previous: { type: 'string' },
      'roll-back': { type: 'boolean', default: false },
      'previous-chart': { type: 'string', default: chart },
      only: { type: 'string', default: scenarioNames.join() },
      logs: { type: 'string' },
    },
  });
  endProgramsOnSignals();
  if (!values.inside) {
    return prepare(values).catch((error: unknown) => {
      if (!isInterrupted()) throw error;
      return interruptedCode;
    });
  }
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-pods-'));
  const only = new Set(values.only.split(','));
  const checks = new Checks();
  let node: PodNode | undefined;
  let services: Services | undefined;
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => resolve(interruptedCode));
    }
  });
  try {
    return await Promise.race([interrupted, checkAll()]);
  } finally {
    await services?.stop();
    await node?.stop();
    if (values.logs !== undefined) keepLogs(directory, values.logs);
    fs.rmSync(directory, { recursive: true, force: true });
  }

  async function checkAll(): Promise<number> {
    node = await PodNode.start(directory);
    await node.importImage(values.archive!, `${image.registry}/${image.repository}`);
    if (values.previous !== undefined) {
      await node.importImage(values.previous, `${image.registry}/${previousRepository}`);
    }
    const { previous, 'previous-chart': previousChart } = values;
    const scenario = async (name: string, settings: Settings) => ({
      checks,
      node: node!,
      manifest: await render(path.join(directory, `${name}.json`), settings, {
        ofChart: chart,
        ofImage: image,
      }),
    });
    if (only.has('defaults')) await withoutServices(await scenario('defaults', {}));
    if (only.has('single')) {
      const settings = { mode: 'single', single: { persistence: { enabled: true } } };
      await single({ ...(await scenario('single', settings)), address: '10.96.0.10' });
    }
    if (only.has('external')) {
      services = await startServices({
        directory: path.join(directory, 'services'),
        names: new Set(['kafka', 'redis', 's3']),
        brokers: 1,
        host: nodeAddress,
        say: (text) => console.log(text),
      });
      if (services.kafka && services.redis) {
        const settings = await externalSettings(directory, services);
        const next = await scenario('external', settings);
        const restart = { name: 'restart', manifest: next.manifest };
        const place = { ...next, address: '10.96.0.11' };
        if (previous === undefined) {
          await distributed(place, [restart]);
        } else {
          const manifest = await render(path.join(directory, 'previous.json'), settings, {
            ofChart: previousChart,
            ofImage: { ...image, repository: previousRepository },
          });
          const changes = [{ ...restart, name: 'upgrade' }, restart];
          if (values['roll-back']) changes.push({ name: 'roll back', manifest });
          await distributed({ ...place, manifest }, changes);
        }
      } else {
        console.log('skipped: the distributed system, which needs Kafka and Redis');
      }
    }
    return checks.finish();
  }
}

/** Logs of pods, and reports of the canary. */
function keepLogs(directory: string, target: string): void {
  for (const file of fs.globSync(['pods/*/logs/*.log', 'canary*/*.json'], { cwd: directory })) {
    const copy = path.join(target, file);
    fs.mkdirSync(path.dirname(copy), { recursive: true });
    fs.copyFileSync(path.join(directory, file), copy);
  }
}

/** Loads images from registries, which the node's network does not reach, and continues inside the node. */
async function prepare({ archive, previous }: { archive?: string; previous?: string }): Promise<number> {
  const lack =
    lackOf(['bridge', 'buildah', 'containerd', 'debootstrap', 'gcc', 'runc', 'umoci']) ?? helmLack();
  if (lack !== undefined) {
    console.log(`skipped: the pods: ${lack}`);
    return 0;
  }
  if (kafkaLacks(servicesCache) === undefined) installJars(servicesCache);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-pods-image-'));
  try {
    const own = archive === undefined ? ['--archive', await buildTestImage(directory)] : [];
    if (previous !== undefined && !fs.existsSync(previous)) {
      own.push(...(await earlierVersion(previous, directory)));
    }
    return await runInNetwork(import.meta.filename, [...process.argv.slice(2), ...own], insideFlag);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** The image and the chart of a commit; of this one without a former commit, as in a shallow clone. */
async function earlierVersion(name: string, directory: string): Promise<string[]> {
  const git = (...args: string[]) => runProgram('git', ['-C', root, ...args]);
  const revision = name === 'last' ? await lastVersion(git) : name;
  console.log(`the earlier version: ${(await git('log', '-1', '--format=%h %s', revision)).trim()}`);
  const image = await buildTestImage(directory, revision);
  const folder = path.join(directory, 'earlier');
  fs.mkdirSync(folder);
  const archive = path.join(directory, 'chart.tar');
  await git('archive', `--output=${archive}`, revision, 'deploy/helm/loki');
  await runProgram('tar', ['-xf', archive, '-C', folder]);
  return ['--previous', image, '--previous-chart', path.join(folder, 'deploy/helm/loki')];
}

async function lastVersion(git: (...args: string[]) => Promise<string>): Promise<string> {
  try {
    return (await git('describe', '--tags', '--abbrev=0', '--match=v*', 'HEAD^')).trim();
  } catch {
    // There is no release yet.
  }
  try {
    return (await git('rev-parse', '--verify', '--quiet', 'HEAD^')).trim();
  } catch {
    console.log('there is no commit before this one: it is upgraded to itself');
    return 'HEAD';
  }
}

function helmLack(): string | undefined {
  try {
    bringHelm(programsCache);
    return undefined;
  } catch (error) {
    return `Helm: ${String(error)}`;
  }
}

/** The Marketplace's name of the release with the components. */
async function render(
  file: string,
  settings: Settings,
  { ofChart, ofImage }: { readonly ofChart: string; readonly ofImage: typeof image },
): Promise<Manifest> {
  fs.writeFileSync(file, JSON.stringify({ ...settings, defaults: { ...settings.defaults, image: ofImage } }));
  const args = ['template', 'loki-agent', ofChart, '--namespace', 'loki', '--values', file];
  return new Manifest(await runProgram(bringHelm(programsCache), args));
}

/** Values of the chart. */
interface Settings {
  readonly [key: string]: unknown;
  readonly defaults?: object;
}

/** Services of the node, which listen on its own 127.0.0.1, under the address that pods reach. */
async function externalSettings(directory: string, services: Services): Promise<Settings> {
  const shared = { kafka: { brokers: services.kafka, partitions: 4 }, ruler: { replicas: 1 } };
  const redis = { endpoint: await forwardTo(services.redis!, nodeAddress) };
  if (services.s3) {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = services.s3;
    const place = await forwardTo(new URL(endpoint).host, nodeAddress);
    const storage = { endpoint: `http://${place}`, bucket, accessKeyId, secretAccessKey };
    return { ...shared, redis, storage };
  }
  console.log('skipped: MinIO: pods share a directory of the node instead');
  const store = path.join(directory, 'store');
  fs.mkdirSync(store);
  fs.chownSync(store, 10_001, 10_001);
  const defaults = {
    extraVolumes: [{ name: 'store', hostPath: { path: store } }],
    extraVolumeMounts: [{ name: 'store', mountPath: '/var/loki/store' }],
  };
  // The chart has the processes share a bucket; the directory takes its place in the configuration.
  const storage = { endpoint: 'http://store', accessKeyId: 'none', secretAccessKey: 'none' };
  const filesystem = { chunks_directory: '/var/loki/store/chunks', rules_directory: '/var/loki/store/rules' };
  const config = {
    common: { storage: { s3: null, filesystem } },
    compactor: { delete_request_store: 'filesystem' },
  };
  return { ...shared, redis, storage, loki: { config }, defaults };
}

process.exitCode = await main();
// All pods are stopped and judged: a connection to a removed pod must not delay the check for minutes.
setTimeout(() => process.exit(), 5_000).unref();
