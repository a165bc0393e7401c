/** Messages between our processes, from the wire: generated decoders, and what they decode written again. */
import type { FuzzTarget } from '@loki/test-tools';
import { PushAnswer, PushHead, PushPart } from './generated/lokits/v1/distributor.ts';
import { ErrorInfo, Status } from './generated/lokits/v1/error.ts';
import { FromQuerier, ToQuerier, Work } from './generated/lokits/v1/frontend.ts';
import { HeadLeafAnswer, HeadsPart, HeadStreamsAnswer } from './generated/lokits/v1/ingester.ts';
import {
  LeafRequest,
  LeafResult,
  LogResult,
  SampleResult,
  StreamsRequest,
  StreamVolumes,
  TailFrame,
} from './generated/lokits/v1/leaf.ts';
import { PatternsAnswer } from './generated/lokits/v1/patterns.ts';
import { RingValue } from './generated/lokits/v1/ring.ts';
import { RouteAnswer, RouteCall } from './generated/lokits/v1/routes.ts';
import { encodeMessage } from './message.ts';
import type { MessageType } from './message.ts';
import { decodeOtlpLogs } from './otlp-logs.ts';
import { decodePushRequest, encodePushRequest } from './push-request.ts';
import { ProtoError } from './wire.ts';

const types = { PushAnswer, PushHead, PushPart, ErrorInfo, Status, FromQuerier, ToQuerier, Work, HeadLeafAnswer, HeadsPart, HeadStreamsAnswer, LeafRequest, LeafResult, LogResult, SampleResult, StreamsRequest, StreamVolumes, TailFrame, PatternsAnswer, RingValue, RouteAnswer, RouteCall }; // prettier-ignore
const decoders = Object.values(types) as unknown as MessageType<unknown>[];

/** A message with every kind of field: numbers, texts, bytes and messages within, by their low numbers. */
const anyMessage = Buffer.from(
  '0a0568656c6c6f10ac02180122066162636465662a0408011002320808808080808080801039000000000000f03f42020a00',
  'hex',
);

/** The generated decoders fail by these: cut short, a bad length, a varint without end, a wrong wire type. */
function isWireError(error: unknown): boolean {
  return (
    error instanceof RangeError ||
    error instanceof ProtoError ||
    (error instanceof Error &&
      /^(?:premature EOF|illegal tag|cant skip|invalid|Value is|maximum recursion depth)/.test(error.message))
  );
}

const nowhere = { startStream() {}, addMetadata() {}, addEntry() {}, endStream() {} };
const nowhereOtlp = { resource() {}, scope() {}, record() {} };

export const targets: readonly FuzzTarget[] = [
  {
    name: 'grpc-messages',
    shape: 'protobuf',
    corpus: () => decoders.map((_, index) => Buffer.concat([Buffer.from([index]), anyMessage])),
    isRefusal: isWireError,
    run: (input) => {
      const type = decoders[(input[0] ?? 0) % decoders.length];
      const message = type.decode(input.subarray(1));
      const written = encodeMessage(type, message);
      const again = encodeMessage(type, type.decode(written));
      if (!Buffer.from(written).equals(Buffer.from(again))) {
        throw new TypeError('written twice, a message differs');
      }
      return written.length;
    },
  },
  {
    name: 'otlp-wire',
    shape: 'protobuf',
    corpus: () => [
      Buffer.from(
        '0a330a110a0f0a046e616d6512070a0573686f7031121e0a050a036c6962121509000000000000f03f100922002a060a0470616964',
        'hex',
      ),
    ],
    isRefusal: (error) => error instanceof ProtoError,
    run: (input) => decodeOtlpLogs(input, nowhereOtlp),
  },
  {
    name: 'push-wire',
    shape: 'protobuf',
    corpus: () => [
      encodePushRequest({
        streams: [
          {
            labels: '{a="b"}',
            entries: [{ timestampNs: 1_768_000_000_123_456_789n, line: 'x', metadata: [['k', 'v']] }],
          },
        ],
      }),
    ],
    isRefusal: (error) => error instanceof ProtoError,
    run: (input) => decodePushRequest(input, nowhere),
  },
];
