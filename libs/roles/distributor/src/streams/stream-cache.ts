/** Caches resolved streams by label text: agents send the same texts in every push. */
import assert from 'node:assert/strict';
import type { Limits } from '@loki/config';
import { BoundedMap } from '@loki/model';
import type { TenantId } from '@loki/model';
import { labelTextOfJson } from '../json/label-text.ts';
import { resolveStream } from './resolve-stream.ts';
import type { ResolvedStream } from './resolve-stream.ts';
import { SharedTexts } from './shared-texts.ts';

/** Resolves the streams of one push: one tenant, its limits at the arrival of the push. */
export interface StreamLookup {
  ofText(text: string): ResolvedStream;
  /** The label text is UTF-8 in bytes[start .. end). */
  ofTextBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
  /** bytes[start .. end) is a flat JSON object of labels, already checked to be well-formed. */
  ofJsonBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
}

/** Longer label texts are not cached: they come from abuse, not from agents. */
const keyBytesMax = 16 * 1024;

/**
 * Caches the meaning of label texts: agents send the same few texts in every push, and parsing, sorting,
 * hashing and checking them again would cost more than all of the entries. A stream that was resolved under
 * other limits is resolved again.
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

  /** @param backfillShard set for a push that is a backfill */
  lookup(tenant: TenantId, limits: Limits, backfillShard?: string): StreamLookup {
    // No tenant id has a line break.
    const prefix = backfillShard === undefined ? tenant : `${tenant}\n${JSON.stringify(backfillShard)}`;
    const options = { backfillShard, texts: this.#texts };
    const resolve = (text: string) => resolveStream(tenant, text, limits, options);
    const find = (kind: string, bytes: Buffer, start: number, end: number, textOf: () => string) => {
      if (end - start > keyBytesMax) return resolve(textOf());
      // `join` makes one flat text; a template would keep its parts.
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
  // The check that the object is well-formed covers its escapes.
  assert('text' in labels, 'labels were looked at before');
  return labels.text;
}
