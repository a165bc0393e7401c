/** Opens the files of a partition after a stop or a crash: torn ends are cut, damage is reported. */
import { LokiError } from '@loki/model';
import { fileHeaderBytes, headerOf, parseRecord, writeRecord } from './format.ts';
import { LogFile, logFilePath } from './log-file.ts';
import type { PartitionLogDeps } from './partition-log-deps.ts';
import { scanNewestFile } from './scan.ts';
import type { DamagedRange, ScanResult } from './scan.ts';

type OnDamage = (file: LogFile, range: DamagedRange) => void;

interface Recovered {
  /** Files that replace the newest one, oldest first. */
  readonly files: readonly LogFile[];
  /** The file for appends; undefined: a new one is needed. */
  readonly active: LogFile | undefined;
  readonly endOffset: number;
}

/**
 * Finds the records that survived in the newest file of a partition, and makes them durable again.
 *
 * The bytes come from the system's cache. After a failed fsync the cache may have bytes that will never be on
 * the disk, even for a process that starts later. This is possible for the newest commit only, because
 * everything before it was synced before it was written. So its records are rewritten to a new file, which
 * starts at their first offset; the old file is not changed.
 *
 * A damaged header makes the records unreadable only if their salt is lost.
 *
 * @param place `knownOffset`: records below it were durable or committed
 * @throws LokiError `corrupt`, with the path, when an intact header belongs to another file
 */
export async function recoverNewestFile(
  context: PartitionLogDeps,
  place: { partition: number; firstOffset: number; knownOffset: number },
  onDamage: OnDamage,
): Promise<Recovered> {
  const path = logFilePath(place.partition, place.firstOffset);
  const bytes = await readWhole(context, path);
  const header = headerOf(bytes, place);
  if (header === undefined) {
    // Too short for a record: a file gets its name only after its header is durable.
    if (bytes.length <= fileHeaderBytes) {
      return { files: [], active: undefined, endOffset: place.firstOffset };
    }
    return unreadable(context, { ...place, path, bytes: bytes.length }, onDamage);
  }
  if (header.firstOffset !== place.firstOffset || header.partition !== place.partition) {
    throw new LokiError('corrupt', `write log: ${path}: name and header differ`);
  }
  const scan = scanNewestFile(bytes, place.firstOffset, header.salt);
  const old = oldFile(context, { ...place, path, salt: header.salt }, scan, onDamage);
  for (const range of scan.damage) onDamage(old, range);
  const files = scan.lastCommit.offset > place.firstOffset ? [old] : [];
  const { offset } = scan.lastCommit;
  const salt = context.random.uint32();
  const records = rewriteLastCommit(bytes, scan, { from: header.salt, to: salt });
  try {
    const active = await LogFile.create(
      context.disk,
      { partition: place.partition, firstOffset: offset, salt },
      onDamage,
      { bytes: records, count: scan.endOffset - offset },
    );
    old.state.endOffset = offset;
    old.state.length = scan.lastCommit.position;
    return { files: [...files, active], active, endOffset: scan.endOffset };
  } catch (error) {
    // A full disk must not prevent reads. The records stay in the old file, which takes no appends.
    if (!isNoSpace(error)) throw error;
    return { files: [old], active: undefined, endOffset: scan.endOffset };
  }
}

/**
 * All records of the file are lost, and their end is unknown. The file stays for inspection, so the next one
 * gets another name.
 */
function unreadable(
  context: PartitionLogDeps,
  file: { partition: number; firstOffset: number; knownOffset: number; path: string; bytes: number },
  onDamage: OnDamage,
): Recovered {
  const { partition, firstOffset, knownOffset, path, bytes: length } = file;
  const endOffset = Math.max(knownOffset, firstOffset + 1);
  const range = { position: 0, nextPosition: length, fromOffset: firstOffset, toOffset: endOffset };
  const state = { path, partition, firstOffset, endOffset, length, salt: undefined, damage: [range] };
  const unreadableFile = new LogFile(context.disk, state, onDamage);
  onDamage(unreadableFile, range);
  return { files: [unreadableFile], active: undefined, endOffset };
}

async function readWhole(context: PartitionLogDeps, path: string): Promise<Buffer> {
  const handle = await context.disk.open(path);
  try {
    return await handle.read(0, await handle.size());
  } finally {
    await handle.close();
  }
}

function oldFile(
  context: PartitionLogDeps,
  place: { partition: number; firstOffset: number; path: string; salt: number },
  scan: ScanResult,
  onDamage: OnDamage,
): LogFile {
  const { endOffset, endPosition: length, damage } = scan;
  return new LogFile(context.disk, { ...place, endOffset, length, damage: [...damage] }, onDamage);
}

/** The newest commit's records, framed for another file. */
function rewriteLastCommit(bytes: Buffer, scan: ScanResult, salts: { from: number; to: number }): Buffer {
  const { offset: durableOffset, position } = scan.lastCommit;
  const out = Buffer.alloc(scan.endPosition - position);
  let at = 0;
  for (let offset = durableOffset; offset < scan.endOffset; offset++) {
    const record = parseRecord(bytes, position + at, salts.from)!; // the scan read it a moment ago
    at = writeRecord(out, at, record, { offset, durableOffset, salt: salts.to });
  }
  return out;
}

function isNoSpace(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOSPC';
}
