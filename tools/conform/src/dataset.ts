/** The recorded data set as files and as rows of tenants. */
import fs from 'node:fs';
import path from 'node:path';
import type { TenantData } from './corpus.ts';
import type { storedTenants } from './stored.ts';

export function writeDataset(directory: string, tenants: readonly TenantData[]): void {
  fs.mkdirSync(directory, { recursive: true });
  for (const { tenant, pushes } of tenants) {
    const text = pushes.map((push) => `${JSON.stringify(push)}\n`).join('');
    fs.writeFileSync(path.join(directory, `${tenant}.jsonl`), text);
  }
}

export function ofTenants(
  stored: Awaited<ReturnType<typeof storedTenants>>,
  tenants: ReadonlySet<string>,
): { flushed: number; compacted: number; rows: number } {
  const sum = { flushed: 0, compacted: 0, rows: 0 };
  for (const tenant of tenants) {
    const ofTenant = stored.get(tenant);
    sum.flushed += ofTenant?.flushed ?? 0;
    sum.compacted += ofTenant?.compacted ?? 0;
    sum.rows += ofTenant?.rows ?? 0;
  }
  return sum;
}
