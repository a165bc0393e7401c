/** Caches resolved streams by label text: agents send the same texts in every push. */
import assert from 'node:assert/strict';
import type { Limits } from '@loki/config';
import { BoundedMap } from '@loki/model';
import type { TenantId } from '@loki/model';
import { labelTextOfJson } from '../json/label-text.ts';
import { resolveStream } from './resolve-stream.ts';
import type { ResolvedStream } from './resolve-stream.ts';
import { SharedTexts } from './shared-texts.ts';

/** Finds the streams of one push: one tenant, its limits as they were when the push came. */
export interface StreamLookup {
  ofText(text: string): ResolvedStream;
  /** The label text is UTF-8 in bytes[start .. end). */
  ofTextBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
  /** bytes[start .. end) is a flat JSON object of labels, already known to be well-formed. */
  ofJsonBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
}

/** Label texts longer than this are resolved anew each time: they are abuse, not agents. */
const keyBytesMax = 16 * 1024;

/**
 * The meaning of label texts, remembered: agents send the same few texts in every push, and parsing, sorting,
 * hashing and checking them again would cost more than all of the entries. An entry resolved under other
 * limits is resolved anew.
 */
export class StreamCache {
  readonly #streams: BoundedMap<string, ResolvedStream>;
  readonly #texts = new SharedTexts();

  constructor(entriesMax: number) {
    this.#streams = new BoundedMap(entriesMax);
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @param backfillShard of a push that is a backfill */
  lookup(tenant: TenantId, limits: Limits, backfillShard?: string): StreamLookup {
    // No tenant id has a line break.
    const prefix = backfillShard === undefined ? tenant : `${tenant}\n${JSON.stringify(backfillShard)}`;
    const options = { backfillShard, texts: this.#texts };
    const resolve = (text: string) => resolveStream(tenant, text, limits, options);
    const find = (kind: string, bytes: Buffer, start: number, end: number, textOf: () => string) => {
      if (end - start > keyBytesMax) return resolve(textOf());
      // Joined, the key is one text; put together by a template it would keep its parts.
      const key = [prefix, kind, bytes.toString('latin1', start, end)].join('');
      const cached = this.#streams.get(key);
      if (cached !== undefined && cached.limits === limits) return cached;
      const resolved = resolve(textOf());
      this.#streams.set(key, resolved);
      return resolved;
    };
    // The separators cannot be part of a tenant id.
    return {
      ofText: (text) => {
        const bytes = Buffer.from(text);
        return find(':', bytes, 0, bytes.length, () => text);
      },
      ofTextBytes: (bytes, start, end) =>
        find(':', bytes, start, end, () => bytes.toString('utf8', start, end)),
      ofJsonBytes: (bytes, start, end) => find('/', bytes, start, end, () => jsonText(bytes, start, end)),
    };
  }
}

function jsonText(bytes: Buffer, start: number, end: number): string {
  const labels = labelTextOfJson(bytes, { start, end });
  // The check that the object is well-formed knows of its escapes too.
  assert('text' in labels, 'labels were looked at before');
  return labels.text;
}
