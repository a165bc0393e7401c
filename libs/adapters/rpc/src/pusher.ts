/** Loki's own gRPC push call. */
import { LokiError } from '@loki/model';
import type { ErrorCode, TenantId } from '@loki/model';
import type { DistributorService, HttpRequest } from '@loki/ports';
import { unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const serviceName = 'logproto.Pusher';
const raw = {
  serialize: (bytes: Buffer) => bytes,
  deserialize: (bytes: Buffer) => bytes,
};

/** Loki's own push call. The distributor decodes the request, so it stays bytes here. */
export const pusherMethod = {
  path: `/${serviceName}/Push`,
  originalName: 'Push',
  requestStream: false,
  responseStream: false,
  requestSerialize: raw.serialize,
  requestDeserialize: raw.deserialize,
  responseSerialize: raw.serialize,
  responseDeserialize: raw.deserialize,
} as const;

/**
 * Serves `logproto.Pusher/Push`, the call by which clients of Loki push over gRPC.
 *
 * @param tenantOf gives the tenant of a call: the one in its metadata, or the fixed one without
 *   authentication
 */
export function servePusher(
  server: RpcServer,
  distributor: DistributorService,
  tenantOf: (ofCall: () => TenantId) => TenantId,
): void {
  server.add(serviceName, [
    unaryMethod<Buffer, Buffer>(pusherMethod, async (body, { tenant, signal }) => {
      const request: HttpRequest = {
        method: 'POST',
        path: '/loki/api/v1/push',
        params: new Map(),
        queryText: '',
        headers: new Map([['content-type', 'application/x-protobuf']]),
        body: asSnappy(body),
        remoteAddress: '',
        signal,
      };
      const response = await distributor.push(tenantOf(tenant), request);
      if (response.status < 300) return Buffer.alloc(0);
      const text = Buffer.from(response.body ?? '')
        .toString('utf8')
        .trimEnd();
      throw new LokiError(codeOfStatus(response.status), text);
    }),
  ]);
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'noOrgId';
  if (status === 413) return 'bodyTooLarge';
  if (status === 429) return 'rateLimited';
  if (status === 503) return 'unavailable';
  if (status === 504) return 'timeout';
  return status >= 500 ? 'internal' : 'badRequest';
}

/**
 * The bytes as one snappy literal: the distributor expects compressed requests as over HTTP, but gRPC's are
 * not.
 */
export function asSnappy(bytes: Buffer): Buffer {
  if (bytes.length === 0) return Buffer.from([0]);
  const head: number[] = [];
  let remaining = bytes.length;
  while (remaining >= 0x80) {
    head.push((remaining % 0x80) | 0x80);
    remaining = Math.floor(remaining / 0x80);
  }
  head.push(remaining);
  // The tag of a literal; its length - 1 follows in four bytes.
  const tag = Buffer.alloc(5);
  tag[0] = 63 << 2;
  tag.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([Buffer.from(head), tag, bytes]);
}
