/**
 * The resource and external metrics APIs of Kubernetes, from a Prometheus that scrapes the product: what
 * metrics-server and prometheus-adapter are in a cluster. The rules of the latter are those that the chart
 * ships.
 */
import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { parse } from 'yaml';
import { certify } from '@loki/test-tools';
import type { ControlPlane } from './control-plane.ts';

const rulesFile = path.resolve(
  import.meta.dirname,
  '../../../deploy/helm/loki/files/prometheus-adapter-values.yaml',
);
/** Span of the average that is reported; six scrapes, of which some may fail while the machine is busy. */
const windowSeconds = 30;
const queryTimeoutMs = 10_000;
const resourceGroup = 'metrics.k8s.io/v1beta1';
const externalGroup = 'external.metrics.k8s.io/v1beta1';

/** Value of each series, by one of its labels. */
type Query = (promql: string, label: string) => Promise<ReadonlyMap<string, number>>;

/** Queries a Prometheus. */
export function queryOf(url: string): Query {
  return async (promql, label) => {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`, {
      signal: AbortSignal.timeout(queryTimeoutMs),
    });
    const body = (await response.json()) as {
      readonly error?: string;
      readonly data?: {
        readonly result: readonly {
          readonly metric: Readonly<Record<string, string>>;
          readonly value: readonly [number, string];
        }[];
      };
    };
    if (!body.data) throw new Error(`${promql}: ${body.error}`);
    return new Map(body.data.result.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]));
  };
}

interface AdapterRule {
  readonly name: { readonly as: string };
  readonly metricsQuery: string;
}

/**
 * The query of an external metric, as prometheus-adapter makes it; undefined: the chart has no rule for it.
 */
export function externalQuery(
  rules: readonly AdapterRule[],
  metric: string,
  matchers: Readonly<Record<string, string>>,
): string | undefined {
  const text = Object.entries(matchers).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return rules
    .find(({ name }) => name.as === metric)
    ?.metricsQuery.replaceAll('<<.LabelMatchers>>', text.join(','));
}

/** Equality alone: `a=b,c=d`. */
export function selectorOf(text: string | null): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((each) => each !== '');
  return Object.fromEntries(pairs.map((each) => each.split('=') as [string, string]));
}

export class MetricsApi {
  readonly #plane: ControlPlane;
  readonly #query: Query;
  readonly #rules: readonly AdapterRule[];
  readonly #server: https.Server;

  private constructor(plane: ControlPlane, query: Query, directory: string) {
    this.#plane = plane;
    this.#query = query;
    const values = parse(fs.readFileSync(rulesFile, 'utf8')) as { rules: { external: AdapterRule[] } };
    this.#rules = values.rules.external;
    certify(directory, 'authority', ['metrics']);
    const [key, cert] = ['key', 'crt'].map((kind) =>
      fs.readFileSync(path.join(directory, `metrics.${kind}`)),
    );
    this.#server = https.createServer(
      { key, cert },
      (request, response) => void this.#serve(request, response),
    );
  }

  static async start(plane: ControlPlane, query: Query, directory: string): Promise<MetricsApi> {
    const api = new MetricsApi(plane, query, directory);
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    const { port } = api.#server.address() as { port: number };
    await plane.apply(...registration(port));
    return api;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://metrics');
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    try {
      const body = await this.#answer(url);
      if (body) send(200, body);
      else send(404, statusOf(404, 'NotFound', url.pathname));
    } catch (error) {
      send(500, statusOf(500, 'InternalError', String(error)));
    }
  }

  async #answer({ pathname, searchParams }: URL): Promise<object | undefined> {
    if (pathname === `/apis/${resourceGroup}`) {
      return resourceList(resourceGroup, [{ name: 'pods', kind: 'PodMetrics', verbs: ['get', 'list'] }]);
    }
    if (pathname === `/apis/${externalGroup}`) {
      const names = this.#rules.map(({ name }) => name.as);
      return resourceList(
        externalGroup,
        names.map((name) => ({ name, kind: 'ExternalMetricValueList', verbs: ['get'] })),
      );
    }
    const selector = selectorOf(searchParams.get('labelSelector'));
    const pods = /^\/apis\/metrics\.k8s\.io\/v1beta1\/namespaces\/([^/]+)\/pods$/.exec(pathname);
    if (pods) return this.#podMetrics(pods[1], searchParams.get('labelSelector') ?? '');
    const external = /^\/apis\/external\.metrics\.k8s\.io\/v1beta1\/namespaces\/([^/]+)\/([^/]+)$/.exec(
      pathname,
    );
    if (external) return this.#externalMetric(external[2], { namespace: external[1], ...selector });
    return undefined;
  }

  async #podMetrics(namespace: string, selector: string): Promise<object> {
    const matcher = `{namespace=${JSON.stringify(namespace)}}`;
    const [pods, cpu, memory] = await Promise.all([
      this.#plane.api.list(
        `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`,
      ),
      this.#query(`rate(process_cpu_seconds_total${matcher}[${windowSeconds}s])`, 'pod'),
      // One failed scrape ends a series at once; a kubelet reports its last figure instead.
      this.#query(`last_over_time(process_resident_memory_bytes${matcher}[${windowSeconds}s])`, 'pod'),
    ]);
    const items = pods.flatMap(({ metadata, spec }) => {
      const [cores, bytes] = [cpu.get(metadata.name), memory.get(metadata.name)];
      if (cores === undefined || bytes === undefined) return [];
      const usage = { cpu: milli(cores), memory: String(Math.round(bytes)) };
      const { name } = spec.containers[0] as { name: string };
      return {
        metadata: { name: metadata.name, namespace, labels: metadata.labels },
        timestamp: now(),
        window: `${windowSeconds}s`,
        containers: [{ name, usage }],
      };
    });
    return { kind: 'PodMetricsList', apiVersion: resourceGroup, metadata: {}, items };
  }

  async #externalMetric(
    name: string,
    matchers: Readonly<Record<string, string>>,
  ): Promise<object | undefined> {
    const promql = externalQuery(this.#rules, name, matchers);
    if (promql === undefined) return undefined;
    const items = [...(await this.#query(promql, '')).values()].map((value) => ({
      metricName: name,
      metricLabels: {},
      timestamp: now(),
      value: milli(value),
    }));
    return { kind: 'ExternalMetricValueList', apiVersion: externalGroup, metadata: {}, items };
  }
}

/** The API server passes both groups on to this machine's port. */
function registration(port: number): object[] {
  const namespace = 'metrics';
  const service = { name: 'metrics', namespace, port };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service.name, namespace },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] },
    },
    ...[resourceGroup, externalGroup].map((groupVersion) => {
      const [group, version] = groupVersion.split('/');
      return {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: `${version}.${group}` },
        spec: {
          group,
          version,
          service,
          insecureSkipTLSVerify: true,
          groupPriorityMinimum: 100,
          versionPriority: 100,
        },
      };
    }),
  ];
}

function resourceList(groupVersion: string, resources: readonly object[]): object {
  const all = resources.map((each) => ({ singularName: '', namespaced: true, ...each }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: all };
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

function milli(value: number): string {
  return `${Math.round(value * 1000)}m`;
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
