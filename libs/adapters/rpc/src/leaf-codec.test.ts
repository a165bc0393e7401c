/**
 * Protects the wire between versions and against nonsense: old bytes stay readable, bad ones never index out
 * of bounds.
 */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { LokiError } from '@loki/model';
import { atOnce, emptyLeafStats } from '@loki/ports';
import type {
  LeafResult,
  LeafStats,
  LogLeafRequest,
  SampleLeafRequest,
  SampleLeafResult,
  SlicedWork,
  StreamsRequest,
  StreamVolume,
} from '@loki/ports';
import {
  encodeMessage,
  HeadStreamsAnswer,
  WireLeafRequest,
  WireLeafResult,
  WireStreamsRequest,
} from '@loki/proto';
import {
  leafRequestFromWire,
  leafRequestToWire,
  streamsRequestFromWire,
  streamsRequestToWire,
} from './leaf-codec.ts';
import {
  headAnswerOf,
  headAnswerPieces,
  leafResultOf,
  leafResultPieces,
  streamVolumesOf,
  streamVolumesPieces,
} from './result-codec.ts';
import { logLeaf, logResult, tenant } from './test/rpc.ts';

const samples: SampleLeafResult = {
  kind: 'samples',
  steps: 2,
  series: [
    { labels: [['a', 'b']], columns: [Float64Array.of(1, 2), Float64Array.of(0.5, -0)] },
    {
      labels: [],
      columns: [],
      samples: { times: Float64Array.of(-5, 0), values: Float64Array.of(7, 8) },
    },
  ],
  stats: logResult(1).stats,
};
const volumes: StreamVolume[] = [
  { labels: [['app', 'x']], entries: 3, lineBytes: 4.5, volume: { bucket: [0, 2], bytes: [1, 2 ** 40] } },
];

const encodeResult = (result: LeafResult) => Buffer.concat(atOnce(leafResultPieces(result)));
const decodeResult = (bytes: Uint8Array) => atOnce(leafResultOf(bytes));
const encodeStreams = (streams: readonly StreamVolume[]) =>
  Buffer.concat(atOnce(streamVolumesPieces(streams)));
const decodeStreams = (bytes: Uint8Array) => atOnce(streamVolumesOf(bytes));

/** Written once; a change here is a change that running processes of the last release do not understand. */
const golden: Record<string, { bytes: () => Buffer; read: (bytes: Buffer) => unknown; value: unknown }> = {
  'log-request': {
    bytes: () => encodeMessage(WireLeafRequest, leafRequestToWire(logLeaf)),
    read: (bytes) => leafRequestFromWire(WireLeafRequest.decode(bytes), tenant),
    value: logLeaf,
  },
  'log-result': { bytes: () => encodeResult(logResult(3)), read: decodeResult, value: logResult(3) },
  'sample-result': { bytes: () => encodeResult(samples), read: decodeResult, value: samples },
  'stream-volumes': {
    bytes: () => encodeStreams(volumes),
    read: decodeStreams,
    value: volumes,
  },
};

test.each(Object.keys(golden))('the bytes of a %s equal those of the former version', (name) => {
  const file = path.join(import.meta.dirname, 'testdata', `${name}.hex`);
  const stored = Buffer.from(fs.readFileSync(file, 'utf8').replace(/\s/g, ''), 'hex');
  expect(golden[name].bytes().toString('hex')).toBe(stored.toString('hex'));
  expect(golden[name].read(stored)).toEqual(golden[name].value);
});

/** `Required`: a field that is new must be given a value here, and then must travel. */
const common = {
  tenant,
  expr: '{a="b"}',
  shard: { index: 2, of: 3 },
  startNs: 5n,
  endNs: 9n,
  deletes: [
    { expr: '{} |= "x"', startNs: -1n, endNs: 2n, except: ['{a="c"}', '{d="e"}'] },
    { expr: '{a="b"}', startNs: 0n, endNs: 1n },
  ],
  memoryBytesMax: 1 << 30,
  isDryRun: true,
  heads: [
    { partition: 3, committedOffset: 2 ** 40, oldestNs: -7n },
    { partition: 4, committedOffset: 0, oldestNs: undefined },
  ],
  cache: { kind: 'instant', splitNs: 3_600n, newestNs: 1n << 60n },
} as const;
const everyLog: Required<LogLeafRequest> = { ...common, kind: 'log', direction: 'forward', limit: 7 };
const everySample: Required<SampleLeafRequest> = { ...common, kind: 'samples', stepNs: 2n, seriesMax: 3 };
const everyStreams: Required<StreamsRequest> = {
  tenant,
  selector: '{a="b"}',
  startNs: 1n,
  endNs: 2n,
  volume: { stepNs: 3n },
  purpose: 'labels',
  group: { by: 'name', names: ['a', 'b'], withValues: true },
  cache: { kind: 'volume', splitNs: 0n, newestNs: 7n },
  heads: [
    { partition: 3, committedOffset: 9, oldestNs: 5n },
    { partition: 4, committedOffset: 0, oldestNs: undefined },
  ],
};

test('every field of a request travels', () => {
  for (const leaf of [everyLog, everySample]) {
    const bytes = encodeMessage(WireLeafRequest, leafRequestToWire(leaf));
    expect(leafRequestFromWire(WireLeafRequest.decode(bytes), tenant)).toEqual(leaf);
  }
  const bytes = encodeMessage(WireStreamsRequest, streamsRequestToWire(everyStreams));
  expect(streamsRequestFromWire(WireStreamsRequest.decode(bytes), tenant)).toEqual(everyStreams);
});

test('groups of streams travel with the values of their labels', () => {
  const through = (groups: StreamVolume[]) => decodeStreams(encodeStreams(groups));
  const groupOf = (...values: string[]) => [
    { labels: [['a', ''] as const], entries: 0, lineBytes: 0, values },
  ];
  for (const values of [[], ['x'], ['', 'ab', 'é', '日本'], ['plain', 'ascii', '']]) {
    expect(through(groupOf(...values))).toEqual(groupOf(...values));
  }
  // Halves of a surrogate pair stay separate, each as the replacement character.
  expect(through(groupOf('\ud83d', '\ude00'))).toEqual(groupOf('\ufffd', '\ufffd'));
});

test("every figure of a leaf's cost is transferred", () => {
  const names = Object.keys(emptyLeafStats());
  const stats = Object.fromEntries(names.map((name, i) => [name, i + 0.5])) as unknown as LeafStats;
  expect(decodeResult(encodeResult({ ...samples, stats })).stats).toEqual(stats);
});

test('columns that do not fit together are refused', () => {
  const good = logResult(2);
  const bad: Partial<typeof good>[] = [
    { labelSet: Uint32Array.of(0, 2) },
    { labelSet: Uint32Array.of(0) },
    { lineEnds: Uint32Array.of(3, 2) },
    { lineEnds: Uint32Array.of(3, 7) },
    { timestampNs: BigInt64Array.of(1n, 2n, 3n) },
  ];
  for (const change of bad) {
    expect(() => decodeResult(encodeResult({ ...good, ...change }))).toThrow(LokiError);
  }
  const [first] = samples.series;
  const short = { ...samples, series: [{ ...first, columns: [Float64Array.of(1, 2, 3)] }] };
  expect(() => decodeResult(encodeResult(short))).toThrow('too few steps');
  const uneven = { times: Float64Array.of(1, 2), values: Float64Array.of(1) };
  for (const state of [{ samples: uneven }, { samples: undefined }]) {
    const result = { ...samples, series: [{ labels: [], columns: [], ...state }] };
    expect(() => decodeResult(encodeResult(result))).toThrow(LokiError);
  }
});

test('whatever the bytes, what comes out is safe to index', () => {
  const seeds = ['log-result', 'sample-result', 'stream-volumes'].map((name) => golden[name].bytes());
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.option(fc.nat(), { nil: undefined }),
    )
    .map(([seed, changes, cut]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return cut === undefined ? bytes : bytes.subarray(0, cut % bytes.length);
    });
  let understood = 0;
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      let result: LeafResult;
      try {
        decodeStreams(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      try {
        result = decodeResult(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        return;
      }
      understood++;
      checkSafe(result);
    }),
    { numRuns: 3000 },
  );
  expect(understood).toBeGreaterThan(20);
});

function checkSafe(result: LeafResult): void {
  if (result.kind === 'log') {
    let last = 0;
    for (let row = 0; row < result.labelSet.length; row++) {
      expect(result.labelSets[result.labelSet[row]]).toBeDefined();
      expect(result.lineEnds[row]).toBeGreaterThanOrEqual(last);
      last = result.lineEnds[row];
    }
    expect(last).toBeLessThanOrEqual(result.lines.length);
    return;
  }
  for (const { columns, samples } of result.series) {
    for (const column of columns) expect(column).toHaveLength(result.steps);
    if (samples) expect(samples.values).toHaveLength(samples.times.length);
    else expect(columns.length).toBeGreaterThan(0);
  }
}

/** How often the work stands still, and what it makes. */
function counted<T>(work: SlicedWork<T>): { readonly pauses: number; readonly value: T } {
  for (let pauses = 0; ; pauses++) {
    const next = work.next();
    if (next.done) return { pauses, value: next.value };
  }
}

// A result of 100,000 series kept the thread of a gateway for a second, tails and pushes with it.
describe('results are written and read in pieces, of the bytes that generated code writes', () => {
  const labels: [string, string][] = Array.from({ length: 5 }, (_, i) => [`name_${i}`, 'v'.repeat(30)]);
  const series = Array.from({ length: 5_000 }, (_, i) => ({ labels, columns: [Float64Array.of(i, 2)] }));
  const many: SampleLeafResult = { ...samples, series };
  const lines = logResult(20);
  const sets = { ...lines, labelSets: Array.from({ length: 5_000 }, () => lines.labelSets[0]) };
  const streams = Array.from({ length: 5_000 }, () => ({ labels, entries: 1, lineBytes: 2 }));

  test("sample results are written in slices, and equal the generated code's bytes", () => {
    const { pauses, value } = counted(leafResultPieces(many));
    const bytes = Buffer.concat(value);
    const wire = WireLeafResult.decode(bytes);
    expect(encodeMessage(WireLeafResult, wire).equals(bytes)).toBe(true);
    const read = counted(leafResultOf(bytes));
    expect(read.value).toEqual(many);
    // A megabyte.
    for (const count of [pauses, read.pauses]) expect(count).toBeGreaterThan(25);
  });

  test('label sets of lines', () => {
    const { pauses, value } = counted(leafResultPieces(sets));
    const bytes = Buffer.concat(value);
    expect(encodeMessage(WireLeafResult, WireLeafResult.decode(bytes)).equals(bytes)).toBe(true);
    const read = counted(leafResultOf(bytes));
    expect(read.value).toEqual(sets);
    for (const count of [pauses, read.pauses]) expect(count).toBeGreaterThan(5);
  });

  test("streams are written in slices, with the head's fields around them", () => {
    const { pauses, value } = counted(headAnswerPieces(2 ** 40, streamVolumesPieces(streams)));
    const bytes = Buffer.concat(value);
    const wire = HeadStreamsAnswer.decode(bytes);
    expect(wire.committedOffset).toBe(2n ** 40n);
    expect(encodeMessage(HeadStreamsAnswer, wire).equals(bytes)).toBe(true);
    const read = counted(headAnswerOf(bytes, streamVolumesOf));
    expect(read.value).toEqual({ committedOffset: 2 ** 40, result: streams });
    for (const count of [pauses, read.pauses]) expect(count).toBeGreaterThan(25);
  });
});
