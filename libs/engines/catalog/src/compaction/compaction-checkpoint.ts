/** Checkpoints of the compactors' log (FORMAT.md): a root that names parts, or everything in one object. */
import { ByteWriter, crc32c } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import type { DeadSegment } from '../logs/catalog-state.ts';
import {
  deadParts,
  deadPerPart,
  getDead,
  getPartRefs,
  putDead,
  putPartRefs,
} from '../logs/checkpoint-parts.ts';
import type { CheckpointFormat, CheckpointPart, PartRef } from '../logs/checkpoint-parts.ts';
import { compactionKeys, compactionPartPrefix } from '../logs/keys.ts';
import { appendChecksum, decode, getList, isOfKind } from '../logs/manifest.ts';
import { packed, partBytesMax, unpacked, wholeBytesMax } from '../logs/packed-body.ts';
import { groupBytesDefault } from '../logs/segment-groups.ts';
import type { PartIdentity } from '../logs/segment-groups.ts';
import type { CompactedDay, DayPart, ReplacedInput } from './compacted-day.ts';
import { getCompacted, getRange, putCompacted, putRange } from './compaction-manifest.ts';
import type { CompactedSegment } from './compaction-manifest.ts';

/** `LMC1`: everything in one object. The last byte is the version. */
const wholeMagic = 0x3143_4d4c;
/** `LMC2`: the root of a checkpoint in parts. */
const rootMagic = 0x3243_4d4c;
/** `LMP1`: a part. */
const partMagic = 0x3150_4d4c;
const listMax = 10_000_000;
/** Days that are looked at in one turn of the event loop: some milliseconds. */
const daysPerTurn = 4_096;

/** A day of a tenant in a checkpoint. */
export interface StoredDay {
  readonly tenant: string;
  readonly day: number;
  readonly flushed: readonly ReplacedInput[];
  readonly outputs: readonly CompactedSegment[];
}

interface DayEntry {
  readonly tenant: string;
  readonly day: number;
  readonly content: CompactedDay;
}

/** The content of a part. */
interface PartContent {
  readonly dead: readonly DeadSegment[];
  readonly days: readonly DayEntry[];
}

/** A state as its checkpoints see it: `CompactionState`. */
interface StoredCompactions {
  number: number;
  readonly dead: Map<string, DeadSegment>;
  /** About the bytes of all days in a checkpoint. */
  readonly dayBytes: number;
  tenants(): readonly string[];
  days(tenant: string): readonly number[];
  day(tenant: string, day: number): CompactedDay | undefined;
  restoreDay(day: StoredDay): CompactedDay;
}

/** Checkpoints of the compactors' log. Their parts are neighbouring days, and dead segments. */
export function compactionCheckpoints<State extends StoredCompactions & { replaceBy(newer: State): void }>(
  emptyState: () => State,
  partBytes = groupBytesDefault,
): CheckpointFormat<State> {
  return {
    checkpointPrefix: compactionKeys.checkpointPrefix,
    partPrefix: compactionPartPrefix,
    emptyState,
    replace: (state, content) => state.replaceBy(content),
    encodeWhole: (state) =>
      state.dayBytes <= partBytes && state.dead.size <= deadPerPart ? encodeCompactions(state) : undefined,
    encodeRoot: encodeCompactionRoot,
    decode: decodeCompactions,
    decodePart: decodeCompactionPart,
    parts: (state) => partsOf(state, partBytes),
  };
}

/** Everything in one object: magic, unpacked size, zstd of the body, CRC32C. */
export function encodeCompactions(state: StoredCompactions): Buffer {
  const body = new ByteWriter(1 << 16);
  body.uvarint(state.number);
  const days = state
    .tenants()
    .flatMap((tenant) =>
      state.days(tenant).map((day) => ({ tenant, day, content: state.day(tenant, day)! })),
    );
  putContent(body, { dead: [...state.dead.values()], days });
  return packed(wholeMagic, body);
}

/** The root: the number, and the parts, which have all else. */
export function encodeCompactionRoot({ number }: { number: number }, parts: readonly PartRef[]): Buffer {
  const writer = new ByteWriter(parts.length * 24 + 64);
  writer.u32(rootMagic);
  writer.uvarint(number);
  putPartRefs(writer, parts);
  return appendChecksum(writer);
}

export function encodeCompactionPart(content: PartContent): Buffer {
  const body = new ByteWriter(1 << 16);
  putContent(body, content);
  return packed(partMagic, body);
}

/**
 * Fills an empty state from a checkpoint, but for the days and dead segments in its parts.
 *
 * @returns its parts, in order; undefined: everything was in the object (version 1)
 * @throws LokiError `corrupt`, with `key`
 */
export function decodeCompactions(
  bytes: Uint8Array,
  key: string,
  state: StoredCompactions,
): PartRef[] | undefined {
  if (isOfKind(bytes, rootMagic)) {
    return decode(bytes, key, rootMagic, (reader) => {
      state.number = reader.uvarint();
      return getPartRefs(reader);
    });
  }
  return decode(bytes, key, wholeMagic, (reader) => {
    const body = unpacked(reader, wholeBytesMax);
    state.number = body.uvarint();
    getContent(body, state);
    return undefined;
  });
}

/** Adds a part's days and dead segments to the state. @throws LokiError `corrupt`, with `key` */
export function decodeCompactionPart(
  bytes: Uint8Array,
  key: string,
  state: StoredCompactions,
  { hash, sizeBytes }: PartIdentity,
): void {
  decode(bytes, key, partMagic, (reader) => {
    const days = getContent(unpacked(reader, partBytesMax), state);
    const part: DayPart = { hash, sizeBytes, days: days.length };
    for (const day of days) day.part = part;
  });
}

/**
 * Days by day and tenant, so that what compactors change lies together: the last days of all tenants. A part
 * ends before a day by a hash of that day alone, more probably before a large one, so that a change moves the
 * borders beside it and no others. Processes that folded the same manifests make the same parts.
 */
function* partsOf(state: StoredCompactions, partBytes: number): Iterable<CheckpointPart | undefined> {
  let entries: DayEntry[] = [];
  let bytes = 0;
  for (const entry of entriesOf(state)) {
    if (!entry) {
      yield undefined;
      continue;
    }
    const next = entry.content.bytes;
    const isBorder = bytes >= partBytes / 4 && shareOf(entry) < next / partBytes;
    if (entries.length > 0 && (isBorder || bytes + next > 2 * partBytes)) {
      yield partOf(entries);
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += next;
  }
  if (entries.length > 0) yield partOf(entries);
  yield* deadParts(state.dead, (dead) => encodeCompactionPart({ dead, days: [] }));
}

/** All days in order; undefined: a turn of the event loop is due. */
function* entriesOf(state: StoredCompactions): Iterable<DayEntry | undefined> {
  let lookups = 0;
  const days = new Set<number>();
  const tenants = [...state.tenants()].sort();
  for (const tenant of tenants) {
    for (const day of state.days(tenant)) days.add(day);
    if (++lookups % (daysPerTurn >> 5) === 0) yield undefined;
  }
  for (const day of [...days].sort((a, b) => a - b)) {
    for (const tenant of tenants) {
      const content = state.day(tenant, day);
      if (content) yield { tenant, day, content };
      if (++lookups % daysPerTurn === 0) yield undefined;
    }
  }
}

/** A number in [0, 1) that follows from the name of the day. */
function shareOf({ tenant, day }: DayEntry): number {
  return (Math.imul(crc32c(Buffer.from(`${day} ${tenant}`)), 0x9e37_79b1) >>> 0) / 2 ** 32;
}

function partOf(entries: readonly DayEntry[]): CheckpointPart {
  const { part } = entries[0].content;
  const isStored = part?.days === entries.length && entries.every(({ content }) => content.part === part);
  return {
    identity: isStored ? part : undefined,
    encode: () => encodeCompactionPart({ dead: [], days: entries }),
    stored: ({ hash, sizeBytes }) => {
      const stored: DayPart = { hash, sizeBytes, days: entries.length };
      for (const { content } of entries) content.part = stored;
    },
  };
}

function putContent(body: ByteWriter, { dead, days }: PartContent): void {
  putDead(body, dead);
  body.uvarint(days.length);
  for (const { tenant, day, content } of days) {
    body.sizedText(tenant);
    body.varint(day);
    body.uvarint(content.flushed.size);
    for (const input of content.flushed.values()) {
      body.sizedText(input.key);
      putRange(body, input);
      body.uvarint(input.replacedMs);
    }
    body.uvarint(content.outputs.length);
    for (const output of content.outputs) putCompacted(body, output);
  }
}

/** Adds dead segments and days to the state, to the end of the body. @returns the days */
function getContent(body: ByteReader, state: StoredCompactions): CompactedDay[] {
  const read = <T>(readItem: () => T) => getList(body, readItem, listMax);
  const dead = getDead(body);
  const days = read((): StoredDay => ({
    tenant: body.sizedText(),
    day: body.varint(),
    flushed: read(() => ({ key: body.sizedText(), ...getRange(body), replacedMs: body.uvarint() })),
    outputs: read(() => getCompacted(body)),
  }));
  body.expectEnd();
  for (const each of dead) state.dead.set(each.key, each);
  return days.map((day) => state.restoreDay(day));
}
