/** Caches resolved streams by label text: agents send the same texts in every push. */
import assert from 'node:assert/strict';
import type { Limits } from '@loki/config';
import { BoundedMap, mib } from '@loki/model';
import type { TenantId } from '@loki/model';
import { labelTextOfJson } from '../json/label-text.ts';
import { resolveStream } from './resolve-stream.ts';
import type { ResolvedStream } from './resolve-stream.ts';
import { ResolvedStreams, hashOfBytes } from './resolved-streams.ts';

/** Resolves the streams of one push: one tenant, its limits at the arrival of the push. */
export interface StreamLookup {
  ofText(text: string): ResolvedStream;
  /** The label text is UTF-8 in bytes[start .. end). */
  ofTextBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
  /** bytes[start .. end) is a flat JSON object of labels, already checked to be well-formed. */
  ofJsonBytes(bytes: Buffer, start: number, end: number): ResolvedStream;
}

/** `:` label text, `/` a JSON object; neither can be part of a tenant id. */
type LabelForm = ':' | '/';

/** Longer label texts are not cached: they come from abuse, not from agents. */
const keyBytesMax = 16 * 1024;
/** Streams of an agent with mistakes in its labels: each has a text for its error. */
const rejectedMax = 1_000;
const rejectedBytesMax = 4 * mib;
/** Memory of a scope: its text and its place in a map. */
const bytesPerScope = 200;

/**
 * Caches the meaning of label texts: agents send the same few texts in every push, and parsing, sorting,
 * hashing and checking them again would cost more than all of the entries. A stream that was resolved under
 * other limits is resolved again.
 *
 * Entries live in two generations, each with half of the memory: a read moves an entry into the young one,
 * and when that is full the old one is dropped.
 */
export class StreamCache {
  readonly #generationBytesMax: number;
  #young = new ResolvedStreams();
  #old: ResolvedStreams | undefined;
  /** Numbers of tenants, backfills and forms; dropped when their texts take half of a generation. */
  readonly #scopes = new Map<string, number>();
  #scopeBytes = 0;
  #nextScope = 0;
  readonly #rejected = new BoundedMap<string, ResolvedStream>(rejectedMax, {
    weightMax: rejectedBytesMax,
    weightOf: (key, { rejection }) => key.length + 2 * (rejection?.text.length ?? 0),
  });

  /** @param bytesMax of memory for streams that are not rejected */
  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2;
  }

  /** At most; a stream in both generations counts twice. */
  get size(): number {
    return this.#young.size + (this.#old?.size ?? 0);
  }

  /** Memory of streams that are not rejected. */
  get bytes(): number {
    return this.#young.bytes + (this.#old?.bytes ?? 0) + this.#scopeBytes;
  }

  /** @param backfillShard set for a push that is a backfill */
  lookup(tenant: TenantId, limits: Limits, backfillShard?: string): StreamLookup {
    // No tenant id has a line break.
    const prefix = backfillShard === undefined ? tenant : `${tenant}\n${JSON.stringify(backfillShard)}`;
    const resolve = (text: string) => resolveStream(tenant, text, limits, backfillShard);
    const scopes: Partial<Record<LabelForm, number>> = {};
    const find = (kind: LabelForm, bytes: Buffer, start: number, end: number, textOf: () => string) => {
      if (end - start > keyBytesMax) return resolve(textOf());
      const scope = (scopes[kind] ??= this.#scope(prefix + kind));
      const key = { scope, bytes, start, end, hash: hashOfBytes(bytes, start, end) };
      const young = this.#young.get(key, limits);
      if (young) return young;
      const old = this.#old?.get(key, limits);
      if (old) {
        this.#set(key, old);
        return old;
      }
      // `join` makes one flat text; a template would keep its parts.
      const rejectedKey = [prefix, kind, bytes.toString('latin1', start, end)].join('');
      const rejected = this.#rejected.get(rejectedKey);
      if (rejected?.limits === limits) return rejected;
      const resolved = resolve(textOf());
      if (resolved.rejection) this.#rejected.set(rejectedKey, resolved);
      else this.#set(key, resolved);
      return resolved;
    };
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

  #scope(text: string): number {
    let scope = this.#scopes.get(text);
    if (scope === undefined) {
      if (this.#scopeBytes > this.#generationBytesMax / 2) {
        // Numbers are not used twice: rows of the former ones are found no more.
        this.#scopes.clear();
        this.#scopeBytes = 0;
      }
      this.#scopes.set(text, (scope = this.#nextScope++));
      this.#scopeBytes += bytesPerScope + text.length;
    }
    return scope;
  }

  #set(key: Parameters<ResolvedStreams['set']>[0], stream: ResolvedStream): void {
    if (this.#young.bytes > this.#generationBytesMax) {
      this.#old?.free();
      this.#old = this.#young;
      this.#young = new ResolvedStreams();
    }
    this.#young.set(key, stream);
  }
}

function jsonText(bytes: Buffer, start: number, end: number): string {
  const labels = labelTextOfJson(bytes, { start, end });
  // The check that the object is well-formed covers its escapes.
  assert('text' in labels, 'labels were looked at before');
  return labels.text;
}
