/** Metadata of gRPC calls: tenant and trace. */
import { Metadata } from '@grpc/grpc-js';
import { parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import { traceHeaders } from '@loki/telemetry';

/** Loki's metadata key of the tenant. */
const tenantKey = 'x-scope-orgid';
const traceKeys = ['traceparent', 'tracestate', 'baggage'] as const;

/** Metadata of every call: the tenant, and the place in the caller's trace. */
export function callMetadata(tenant?: TenantId): Metadata {
  const metadata = new Metadata();
  if (tenant !== undefined) metadata.set(tenantKey, tenant);
  for (const [name, value] of Object.entries(traceHeaders())) metadata.set(name, value);
  return metadata;
}

/** @throws LokiError noOrgId or badTenantId, with the texts of HTTP */
export function tenantOf(metadata: Metadata): TenantId {
  const [tenant] = metadata.get(tenantKey);
  return parseTenantId(typeof tenant === 'string' ? tenant : '');
}

export function traceOf(metadata: Metadata): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const key of traceKeys) {
    const [value] = metadata.get(key);
    if (typeof value === 'string') headers.set(key, value);
  }
  return headers;
}

/** The trace context for streams that carry many requests: names and values alternate. */
export function traceToWire(): string[] {
  return Object.entries(traceHeaders()).flat();
}

export function traceFromWire(flat: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i], flat[i + 1]);
  return headers;
}
