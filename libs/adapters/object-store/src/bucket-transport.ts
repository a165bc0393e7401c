/** The HTTP transport of the bucket's client, which observes each request. */
import type { IncomingMessage, RequestOptions } from 'node:http';
import type { Clock } from '@loki/ports';
import type { BucketRequest, StoreObserver } from '@loki/telemetry';

/** Loaded by the first bucket: threads without one save 15 MiB. */
export const http = () => process.getBuiltinModule('node:http');
export const https = () => process.getBuiltinModule('node:https');

/** The part of `node:http` that the client of a bucket calls. */
type Transport = Pick<ReturnType<typeof http>, 'request'>;

/** The observer of requests, and the clock that times them. */
export interface RequestObservation {
  readonly observer: Pick<StoreObserver, 'requested'>;
  readonly clock: Clock;
}

export function observedTransport(useTls: boolean, { observer, clock }: RequestObservation): Transport {
  const inner: Transport = useTls ? https() : http();
  const request = (options: RequestOptions, onAnswer?: (answer: IncomingMessage) => void) => {
    const startedMs = clock.monotonicMs();
    const outgoing = inner.request(options, onAnswer);
    let isTold = false;
    const tell = (status: number) => {
      if (isTold) return;
      isTold = true;
      const { method, operation } = requestOf(options);
      observer.requested({ method, operation, status, seconds: (clock.monotonicMs() - startedMs) / 1000 });
    };
    outgoing.once('response', ({ statusCode }) => tell(statusCode ?? 0));
    outgoing.once('error', () => tell(0));
    outgoing.once('close', () => tell(0));
    return outgoing;
  };
  return { request: request as Transport['request'] };
}

/** S3's name for a request, by its method and query. */
function requestOf({
  method = 'GET',
  path = '',
}: RequestOptions): Pick<BucketRequest, 'method' | 'operation'> {
  const [, query = ''] = (path ?? '').split('?', 2);
  switch (method) {
    case 'PUT':
      return { method, operation: query.includes('partNumber=') ? 'S3.UploadPart' : 'S3.PutObject' };
    case 'DELETE':
      return { method, operation: 'S3.DeleteObject' };
    case 'HEAD':
      return { method, operation: 'S3.Head' };
    case 'POST':
      return {
        method,
        operation: query.startsWith('uploads') ? 'S3.CreateMultipartUpload' : 'S3.CompleteMultipartUpload',
      };
    default:
      return { method, operation: query.includes('list-type=') ? 'S3.List' : 'S3.GetObject' };
  }
}
