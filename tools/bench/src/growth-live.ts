/**
 * Row about tenants that live in one process of 1 GiB: each pushes, all are flushed, three times, and one of
 * them asks. The cost of a flush follows its tenants, and not those of all flushes before.
 */
import { Product } from '@loki/attack';
import type { Bar, Measure } from './growth-judge.ts';

const memoryMb = 1_024;
const mib = 2 ** 20;
const linesOfPush = 20;
const pushesAtOnce = 16;
const flushes = 3;
const judgedTenants = 10_000;
const flushAttemptsMax = 4;
const answerTimeoutMs = 300_000;

const flags = [
  '-ingester.max-global-streams-per-user=0',
  // Flushes are those of this row.
  '-ingester.max-chunk-age=10h',
  '-ingester.chunks-idle-period=10h',
];

function cpu(costMax: number): Bar {
  return { costMax, atSize: judgedTenants, exponentMax: 1, floor: 0.3 };
}

export const liveMeasures: readonly Measure[] = [
  { name: 'a push', unit: 's', bar: { costMax: 0.005, atSize: judgedTenants, exponentMax: 0, floor: 0.003 } },
  { name: 'first flush', unit: 's', bar: cpu(15) },
  { name: 'last flush', unit: 's', bar: cpu(15) },
  { name: 'last flush takes', unit: 'wall s', bar: { ...cpu(40), floor: 1 } },
  {
    name: 'lines of a tenant',
    unit: 's',
    bar: { costMax: 0.05, atSize: judgedTenants, exponentMax: 0, floor: 0.05 },
  },
  {
    name: 'memory',
    unit: 'MiB',
    bar: { costMax: memoryMb, atSize: judgedTenants, exponentMax: 1, floor: 400 },
  },
];

/** Measures a fresh process with that many tenants. */
export async function measureLive(tenants: number): Promise<Map<string, number>> {
  const product = await Product.start(memoryMb, flags);
  const costs = new Map<string, number>();
  try {
    let memoryBytes = 0;
    for (let round = 0; round < flushes; round++) {
      const pushBegan = product.cpuSeconds();
      await pushAll(product, tenants, round);
      costs.set('a push', (product.cpuSeconds() - pushBegan) / tenants);
      const [began, beganCpu] = [performance.now(), product.cpuSeconds()];
      await flush(product);
      costs.set(round === 0 ? 'first flush' : 'last flush', product.cpuSeconds() - beganCpu);
      costs.set('last flush takes', (performance.now() - began) / 1_000);
      memoryBytes = Math.max(memoryBytes, product.memoryBytes());
    }
    costs.set('memory', memoryBytes / mib);
    let least = Infinity;
    for (let i = 0; i < 5; i++) {
      const beganCpu = product.cpuSeconds();
      const path = `/loki/api/v1/query_range?${new URLSearchParams({ query: '{app="a"}' }).toString()}`;
      const text = await ask(product, path, `tenant-${i}`);
      const lines = text.split(`a line of tenant-${i} `).length - 1;
      if (lines !== linesOfPush * flushes) {
        throw new Error(`${lines} lines of a tenant: ${text.slice(0, 200)}`);
      }
      least = Math.min(least, product.cpuSeconds() - beganCpu);
    }
    costs.set('lines of a tenant', least);
    if (!product.isAlive) throw new Error(`the process ended: ${product.logTail()}`);
    return costs;
  } finally {
    await product.stop();
  }
}

/** A busy machine may need more than one request for it, which has 60 s. */
async function flush(product: Product): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask(product, '/flush', 'tenant-0', { method: 'POST' });
      return;
    } catch (error) {
      if (attempt === flushAttemptsMax) throw error;
    }
  }
}

async function pushAll(product: Product, tenants: number, round: number): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < tenants) {
      const tenant = `tenant-${next++}`;
      const now = Date.now();
      const values = Array.from({ length: linesOfPush }, (_, i) => [
        `${now}${String(i).padStart(6, '0')}`,
        `a line of ${tenant} number ${i} in round ${round}`,
      ]);
      const body = JSON.stringify({ streams: [{ stream: { app: 'a' }, values }] });
      const headers = { 'content-type': 'application/json' };
      await ask(product, '/loki/api/v1/push', tenant, { method: 'POST', headers, body });
    }
  };
  await Promise.all(Array.from({ length: pushesAtOnce }, client));
}

async function ask(
  product: Product,
  path: string,
  tenant: string,
  init: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${product.port}${path}`, {
    ...init,
    headers: { ...init.headers, 'x-scope-orgid': tenant },
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
  return text;
}
