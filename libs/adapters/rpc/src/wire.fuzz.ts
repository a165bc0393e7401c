/** Requests and results of leaves, and statuses, as peers send them. */
import { readFileSync } from 'node:fs';
import { LokiError, parseTenantId } from '@loki/model';
import { atOnce } from '@loki/ports';
import {
  encodeMessage,
  ErrorInfo,
  Status,
  WireCatalogNews,
  WireCatalogNumbers,
  WireLeafRequest,
  WireStreamsRequest,
  WireTailFrame,
} from '@loki/proto';
import type { FuzzTarget } from '@loki/test-tools';
import { newsFromWire, newsToWire, numbersFromWire, numbersToWire } from './catalog-news-codec.ts';
import { leafRequestFromWire, streamsRequestFromWire, tailFrameFromWire } from './leaf-codec.ts';
import { leafResultOf, leafResultPieces, streamVolumesOf } from './result-codec.ts';
import { errorOfStatus } from './status.ts';

const tenant = parseTenantId('t');

const goldenOf = (name: string) =>
  Buffer.from(
    readFileSync(new URL(`testdata/${name}.hex`, import.meta.url), 'utf8').replace(/\s/g, ''),
    'hex',
  );

/** The generated decoders fail by the first kinds, what is made of their messages by ours. */
function isRefusal(error: unknown): boolean {
  return (
    (error instanceof LokiError && error.code === 'internal') ||
    error instanceof RangeError ||
    (error instanceof Error &&
      /^(?:premature EOF|illegal tag|cant skip|invalid|Value is|maximum recursion depth)/.test(error.message))
  );
}

const statusBytes = encodeMessage(Status, {
  code: 3,
  message: 'no',
  details: [
    {
      typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo',
      value: encodeMessage(ErrorInfo, { reason: 'badRequest', domain: 'lokits' }),
    },
  ],
});

const shared = { compactions: 300, deletes: 0, layout: 1 };
const numbersBytes = encodeMessage(
  WireCatalogNumbers,
  numbersToWire({ partitions: new Map([[1, 1_000]]), shared }),
);
const newsBytes = encodeMessage(
  WireCatalogNews,
  newsToWire({
    partitions: [{ partition: 1, number: 300, isLeader: true, manifests: [Buffer.from('a manifest')] }],
    shared,
  }),
);

function target(name: string, golden: readonly string[], run: (input: Buffer) => unknown): FuzzTarget {
  return { name, shape: 'protobuf', corpus: () => golden.map(goldenOf), isRefusal, run };
}

export const targets: readonly FuzzTarget[] = [
  target(
    'rpc-leaf-request',
    ['log-request'],
    (input) => leafRequestFromWire(WireLeafRequest.decode(input), tenant).kind,
  ),
  target('rpc-leaf-result', ['log-result', 'sample-result'], (input) => {
    const result = atOnce(leafResultOf(input));
    // Sent on, it is the same: columns have the lengths that they say.
    const written = Buffer.concat(atOnce(leafResultPieces(result)));
    const again = atOnce(leafResultOf(written));
    if (!Buffer.concat(atOnce(leafResultPieces(again))).equals(written)) {
      throw new TypeError('sent on, a result differs');
    }
    return result.kind;
  }),
  target(
    'rpc-streams-request',
    ['stream-volumes'],
    (input) => typeof streamsRequestFromWire(WireStreamsRequest.decode(input), tenant),
  ),
  target('rpc-stream-volumes', ['stream-volumes'], (input) => atOnce(streamVolumesOf(input)).length),
  target('rpc-tail-frame', ['log-result'], (input) => tailFrameFromWire(WireTailFrame.decode(input))),
  {
    ...target('rpc-catalog-numbers', [], (input) => numbersFromWire(WireCatalogNumbers.decode(input)).shared),
    corpus: () => [numbersBytes],
  },
  {
    ...target('rpc-catalog-news', [], (input) => newsFromWire(WireCatalogNews.decode(input)).shared),
    corpus: () => [newsBytes],
  },
  {
    ...target('rpc-status', [], (input) => errorOfStatus(Status.decode(input)).code),
    corpus: () => [statusBytes],
  },
];
