/** The manifests that one process has folded last: steps *flush, commit* of a written line. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { manifestKey } from './keys.ts';
import { encodeManifest } from './manifest.ts';
import type { Manifest, ManifestContent } from './manifest.ts';
import { isReadable } from './numbered-log.ts';

/** The newest manifests as stored, up to a bound of bytes. */
export class NewestManifests {
  readonly #bytesMax: number;
  #bytes = 0;
  #manifests: { readonly number: number; readonly bytes: Uint8Array }[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(number: number, bytes: Uint8Array): void {
    // A checkpoint lies between.
    if (this.#manifests.at(-1)?.number !== number - 1) [this.#manifests, this.#bytes] = [[], 0];
    this.#manifests.push({ number, bytes });
    this.#bytes += bytes.length;
    while (this.#bytes > this.#bytesMax) this.#bytes -= this.#manifests.shift()!.bytes.length;
  }

  after(number: number): readonly Uint8Array[] {
    if ((this.#manifests[0]?.number ?? Infinity) > number + 1) return [];
    return this.#manifests.filter((each) => each.number > number).map(({ bytes }) => bytes);
  }
}

/** A manifest without its sections, of which there are thousands. */
type RecentManifest = Pick<Manifest, 'number' | 'startOffset' | 'endOffset' | 'createdMs'> & {
  readonly key: string | undefined;
};

/** A commit is repeated at once or given up: it will find itself among the last few manifests. */
const recentMax = 64;

/** Manifests in which a commit finds itself that is repeated, because its answer was lost. */
export class RecentManifests {
  readonly #store: ObjectStore;
  readonly #partition: number;
  #manifests: RecentManifest[] = [];

  constructor(store: ObjectStore, partition: number) {
    this.#store = store;
    this.#partition = partition;
  }

  add({ number, startOffset, endOffset, createdMs, segment }: Manifest): void {
    this.#manifests.push({ number, startOffset, endOffset, createdMs, key: segment?.key });
    if (this.#manifests.length > recentMax) this.#manifests.shift();
  }

  /** A checkpoint has taken the place of manifests that were not read. */
  clear(): void {
    this.#manifests = [];
  }

  /** Our own manifest, put by an attempt whose answer never came: the same in all but when it was tried. */
  async find(content: ManifestContent, signal?: AbortSignal): Promise<Manifest | undefined> {
    const { startOffset, endOffset, segment } = content;
    if (endOffset === startOffset) return undefined; // dropping twice is harmless
    const candidate = this.#manifests.find(
      (each) => each.startOffset === startOffset && each.endOffset === endOffset && each.key === segment?.key,
    );
    if (!candidate) return undefined;
    const { number, createdMs } = candidate;
    const manifest: Manifest = { ...content, partition: this.#partition, number, createdMs };
    const key = manifestKey(this.#partition, number);
    const encoded = encodeManifest(manifest);
    const isOwn = await isReadable(
      this.#store,
      key,
      (bytes) => {
        if (!bytes.equals(encoded)) throw new LokiError('corrupt', `catalog: ${key}: another manifest`);
      },
      signal,
    );
    return isOwn ? manifest : undefined;
  }
}
