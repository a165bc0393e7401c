/**
 * Writes and reads results in slices: a result may have a hundred thousand series, and the thread also serves
 * other requests. The bytes are those of the generated code.
 */
import { emptyLeafStats } from '@loki/ports';
import type { LabelSet, LeafResult, LeafStats, SeriesState, SlicedWork, StreamVolume } from '@loki/ports';
import {
  bytesPieces,
  encodeMessage,
  HeadLeafAnswer,
  nestedPieces,
  readSliced,
  repeatedPieces,
  WireLabelSet,
  WireLeafStats,
  WireSampleResult,
  WireSeries,
  WireStreamVolume,
} from '@loki/proto';
import { bytesOf, malformed } from './columns.ts';
import { streamVolumeFromWire, streamVolumeToWire } from './leaf-codec.ts';
import {
  labelSetFromWire,
  labelSetToWire,
  logOfColumns,
  seriesFromWire,
  seriesToWire,
} from './leaf-result-codec.ts';

/** Tags of protobuf fields: field number and wire type. */
const leafResult = { log: 10, samples: 18, stats: 26 };
const logResult = { labelSets: 10, labelSet: 18, timestampNs: 26, lineEnds: 34, lines: 42 };
const sampleResult = { steps: 8, series: 18 };
const streamVolumes = { streams: 10 };
/** Tags of both kinds of a head's answer. */
const headAnswer = { committedOffset: 8, result: 18 };

type Pieces = SlicedWork<Uint8Array[]>;

export function* leafResultPieces(result: LeafResult): Pieces {
  const stats = nestedPieces(leafResult.stats, [encodeMessage(WireLeafStats, result.stats)]);
  if (result.kind === 'log') {
    const { labelSets, labelSet, timestampNs, lineEnds, lines } = result;
    const log = [
      ...(yield* repeatedPieces(logResult.labelSets, WireLabelSet, labelSets, labelSetToWire)),
      ...bytesPieces(logResult.labelSet, bytesOf(labelSet)),
      ...bytesPieces(logResult.timestampNs, bytesOf(timestampNs)),
      ...bytesPieces(logResult.lineEnds, bytesOf(lineEnds)),
      ...bytesPieces(logResult.lines, lines),
    ];
    return [...nestedPieces(leafResult.log, log), ...stats];
  }
  const { steps, series } = result;
  const toWire = (each: SeriesState) => seriesToWire(each, steps);
  const samples = [
    encodeMessage(WireSampleResult, { steps, series: [] }),
    ...(yield* repeatedPieces(sampleResult.series, WireSeries, series, toWire)),
  ];
  return [...nestedPieces(leafResult.samples, samples), ...stats];
}

/** @throws LokiError internal when columns are inconsistent; the result is safe to index */
export function* leafResultOf(bytes: Uint8Array): SlicedWork<LeafResult> {
  let kind: { readonly isLog: boolean; readonly bytes: Uint8Array } | undefined;
  const stats: LeafStats = emptyLeafStats();
  yield* readSliced(bytes, [
    [leafResult.log, (reader) => void (kind = { isLog: true, bytes: reader.bytes() })],
    [leafResult.samples, (reader) => void (kind = { isLog: false, bytes: reader.bytes() })],
    [leafResult.stats, (reader) => void Object.assign(stats, WireLeafStats.decode(reader.bytes()))],
  ]);
  if (!kind) throw malformed('a result of no kind');
  return yield* kind.isLog ? logOf(kind.bytes, stats) : samplesOf(kind.bytes, stats);
}

function* logOf(bytes: Uint8Array, stats: LeafStats): SlicedWork<LeafResult> {
  const labelSets: LabelSet[] = [];
  const empty: Uint8Array = new Uint8Array(0);
  const columns = { labelSet: empty, timestampNs: empty, lineEnds: empty, lines: empty };
  yield* readSliced(bytes, [
    [
      logResult.labelSets,
      (reader) => void labelSets.push(labelSetFromWire(WireLabelSet.decode(reader.bytes()))),
    ],
    [logResult.labelSet, (reader) => void (columns.labelSet = reader.bytes())],
    [logResult.timestampNs, (reader) => void (columns.timestampNs = reader.bytes())],
    [logResult.lineEnds, (reader) => void (columns.lineEnds = reader.bytes())],
    [logResult.lines, (reader) => void (columns.lines = reader.bytes())],
  ]);
  return logOfColumns(labelSets, columns, stats);
}

function* samplesOf(bytes: Uint8Array, stats: LeafStats): SlicedWork<LeafResult> {
  let steps = 0;
  const series: SeriesState[] = [];
  yield* readSliced(bytes, [
    [sampleResult.steps, (reader) => void (steps = reader.uint32())],
    [
      sampleResult.series,
      (reader) => void series.push(seriesFromWire(WireSeries.decode(reader.bytes()), steps)),
    ],
  ]);
  return { kind: 'samples', steps, series, stats };
}

export function* streamVolumesPieces(volumes: readonly StreamVolume[]): Pieces {
  return yield* repeatedPieces(streamVolumes.streams, WireStreamVolume, volumes, streamVolumeToWire);
}

export function* streamVolumesOf(bytes: Uint8Array): SlicedWork<StreamVolume[]> {
  const streams: StreamVolume[] = [];
  yield* readSliced(bytes, [
    [
      streamVolumes.streams,
      (reader) => void streams.push(streamVolumeFromWire(WireStreamVolume.decode(reader.bytes()))),
    ],
  ]);
  return streams;
}

/** The pieces of a head's answer around its result. */
export function* headAnswerPieces(committedOffset: number, result: Pieces): Pieces {
  // Both kinds of answers have the same beginning.
  const start = encodeMessage(HeadLeafAnswer, {
    committedOffset: BigInt(committedOffset),
    result: undefined,
  });
  return [start, ...nestedPieces(headAnswer.result, yield* result)];
}

export function* headAnswerOf<T>(
  bytes: Uint8Array,
  resultOf: (bytes: Uint8Array) => SlicedWork<T>,
): SlicedWork<{ committedOffset: number; result: T }> {
  let committedOffset = 0;
  let result: Uint8Array | undefined;
  yield* readSliced(bytes, [
    [headAnswer.committedOffset, (reader) => void (committedOffset = Number(reader.uint64()))],
    [headAnswer.result, (reader) => void (result = reader.bytes())],
  ]);
  if (!result) throw malformed('no result');
  return { committedOffset, result: yield* resultOf(result) };
}
