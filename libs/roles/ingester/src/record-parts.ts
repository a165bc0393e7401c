/**
 * A log record cut into the parts that enter the head one after another: step *consume* of a written line.
 */
import { LokiError } from '@loki/model';
import type { LoggedRecord } from '@loki/ports';
import { openSegment, sectionOf } from '@loki/segment';
import type { Segment } from '@loki/segment';
import { isUnreadable } from './quarantine.ts';

/** Rows of a record that enter the head together: all of them, or those of one tenant. */
export interface RecordPart {
  readonly record: LoggedRecord;
  readonly tenants: readonly string[];
  /** The tenant of the rows; undefined: rows of all tenants of the record. */
  readonly part?: string;
  /** Throws `corrupt` when the rows cannot be read. */
  readonly open: () => Segment;
}

/**
 * Treats any error of the parser at a record as damage of the record: one writer's bug must not stop a
 * partition.
 */
export function openRecord(bytes: Buffer): Segment {
  try {
    return openSegment(bytes, 'write-log record');
  } catch (cause) {
    if (isUnreadable(cause)) throw cause;
    throw new LokiError('corrupt', 'write-log record: the parser failed', { cause });
  }
}

/**
 * Opens all rows of a record. It is opened once, in its final memory: the labels that the search for repeats
 * decodes also serve the head's index. A record that cannot be read belongs to no tenant, and throws when it
 * is opened.
 */
export function wholeOf(record: LoggedRecord): RecordPart {
  try {
    const segment = openRecord(shared(record.payload));
    const tenants = segment.sections.map(({ tenant }) => tenant);
    return { record, tenants, open: () => segment };
  } catch (error) {
    const open = () => {
      throw error;
    };
    return { record, tenants: [''], open };
  }
}

export function partOf(record: LoggedRecord, tenant: string): RecordPart {
  const open = () => openRecord(shared(sectionOf(record.payload, tenant, 'write-log record')));
  return { record, tenants: [tenant], part: tenant, open };
}

/** A copy in memory that all threads share: a message to a thread carries only a view of it. */
export function shared(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
