/** Tenants of a store, from its catalog. */
import { Catalog } from '@loki/catalog';
import { loadConfig } from '@loki/config';
import { dayNs } from '@loki/model';
import { openObjectStore } from '@loki/process';
import { NodeTimers } from '@loki/runtime';

/** Rows of a tenant in the store. */
interface StoredTenant {
  /** Flushed sections with live rows. */
  readonly flushed: number;
  /** Segments of compactors. */
  readonly compacted: number;
  readonly rows: number;
}

/** All tenants of the store that a configuration names, read from its catalog. */
export async function storedTenants(configText: string): Promise<ReadonlyMap<string, StoredTenant>> {
  const loaded = await loadConfig({
    argv: ['-config.file=c'],
    env: () => undefined,
    readText: () => Promise.resolve(configText),
    versionText: '',
  });
  if (loaded.kind === 'exit') throw new Error(loaded.stderr);
  const { storage, writeLog } = loaded.config;
  const catalog = new Catalog({
    objectStore: openObjectStore(storage),
    timers: new NodeTimers(),
    partitionCount: writeLog.partitions,
  });
  await catalog.refresh();
  return new Map(catalog.tenants().map((tenant) => [tenant, storedOf(catalog, tenant)]));
}

function storedOf(catalog: Catalog, tenant: string): StoredTenant {
  const days = catalog.days(tenant).map(BigInt);
  const [first, last] = [days.reduce(min, 1n << 40n), days.reduce(max, 0n)];
  const refs = catalog.segmentsFor(tenant, first * dayNs, (last + 1n) * dayNs);
  const flushed = new Set(refs.filter(({ sources }) => !sources).map(({ key }) => key));
  const compacted = new Set(refs.filter(({ sources }) => sources).map(({ key }) => key));
  return {
    flushed: flushed.size,
    compacted: compacted.size,
    rows: refs.reduce((sum, { rowCount }) => sum + rowCount, 0),
  };
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
