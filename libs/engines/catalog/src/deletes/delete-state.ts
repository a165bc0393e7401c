/** The fold of the log of delete requests. */
import { ByteReader, ByteWriter, crc32c, zstdCompress, zstdDecompress } from '@loki/bytes';
import { LokiError } from '@loki/model';
import { decode, appendChecksum } from '../logs/manifest.ts';
import type { FoldedLog } from '../logs/numbered-log.ts';

/** A tenant's request to delete entries. Times are Unix milliseconds, both inclusive. */
export interface DeleteRequest {
  readonly id: string;
  readonly tenant: string;
  /** The text of the client: a log query that may select every stream. */
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly createdMs: number;
  /** Number of parts of the request, and number of parts that are done. */
  readonly parts: number;
  readonly partsDone: number;
  /** Time at which the last part was done. */
  readonly processedMs?: number;
}

/** One step in the life of a delete request, or of a tenant's cached results. */
export interface DeleteManifest {
  readonly number: number;
  readonly atMs: number;
  readonly tenant: string;
  readonly change:
    | {
        readonly kind: 'create';
        readonly id: string;
        readonly query: string;
        readonly startMs: number;
        readonly endMs: number;
        readonly parts: number;
      }
    | { readonly kind: 'cancel'; readonly id: string }
    | { readonly kind: 'progress'; readonly id: string; readonly partsDone: number }
    | { readonly kind: 'increase' };
}

/** Manifests: `LDE2`, before that `LDE1`, checkpoints: `LDC1`. The last byte is the version. */
const manifestMagic = 0x3245_444c;
const manifestMagic1 = 0x3145_444c;
const checkpointMagic = 0x3143_444c;
const kinds = ['create', 'cancel', 'progress', 'increase'] as const;
/** Time for which completed requests stay listed. */
const listedMs = 30 * 86_400_000;
const listMax = 10_000_000;
const unpackedBytesMax = 512 << 20;

/** All delete requests of all tenants, folded from their log. */
export class DeleteState implements FoldedLog<DeleteManifest> {
  number = 0;
  readonly #tenants = new Map<string, Map<string, DeleteRequest>>();
  readonly #generations = new Map<string, number>();
  /** Steps that cannot be read, by number. */
  readonly damaged = new Map<number, { readonly tenant: string; readonly text: string }>();

  /** A tenant's requests, oldest first. */
  requests(tenant: string): readonly DeleteRequest[] {
    return [...(this.#tenants.get(tenant)?.values() ?? [])];
  }

  request(tenant: string, id: string): DeleteRequest | undefined {
    return this.#tenants.get(tenant)?.get(id);
  }

  tenants(): readonly string[] {
    return [...this.#tenants.keys()];
  }

  /** Rises with each step that may change a tenant's answers to queries about the past; 0: no such step. */
  generation(tenant: string): number {
    return this.#generations.get(tenant) ?? 0;
  }

  get isDamaged(): boolean {
    return this.damaged.size > 0;
  }

  /**
   * @throws LokiError `corrupt` when a step of the tenant's requests cannot be read: answers may return the
   *   rows that it deletes
   */
  proveSound(tenant: string): void {
    for (const damage of this.damaged.values()) {
      if (damage.tenant === tenant) throw new LokiError('corrupt', `${damage.text} (lokictl repair)`);
    }
  }

  /** The step's number and tenant must be readable: otherwise the damage concerns every tenant. */
  foldDamaged(number: number, bytes: Uint8Array, error: LokiError): boolean {
    const tenant = tenantOfDamaged(number, bytes);
    if (tenant === undefined) return false;
    this.number = number;
    this.damaged.set(number, { tenant, text: error.message });
    this.#generations.set(tenant, this.generation(tenant) + 1);
    return true;
  }

  fold(manifest: DeleteManifest): void {
    const { number, tenant, atMs, change } = manifest;
    if (number !== this.number + 1) {
      throw new LokiError('corrupt', `catalog: delete requests: manifest ${number} follows ${this.number}`);
    }
    this.number = number;
    const requests = this.#tenants.get(tenant) ?? new Map<string, DeleteRequest>();
    if (change.kind === 'create') {
      const { id, query, startMs, endMs, parts } = change;
      requests.set(id, { id, tenant, query, startMs, endMs, parts, createdMs: atMs, partsDone: 0 });
    } else if (change.kind === 'cancel') {
      requests.delete(change.id);
    } else if (change.kind === 'progress') {
      const request = requests.get(change.id);
      if (request && request.partsDone < change.partsDone) {
        const isLast = change.partsDone >= request.parts;
        const processedMs = isLast ? atMs : undefined;
        requests.set(change.id, { ...request, partsDone: change.partsDone, processedMs });
      }
    }
    for (const { id, processedMs } of requests.values()) {
      if (processedMs !== undefined && processedMs < atMs - listedMs) requests.delete(id);
    }
    if (requests.size > 0) this.#tenants.set(tenant, requests);
    else this.#tenants.delete(tenant);
    // Progress in the store changes no answer: answers had left the rows out already.
    if (change.kind !== 'progress') this.#generations.set(tenant, this.generation(tenant) + 1);
  }

  encodeManifest(manifest: DeleteManifest): Buffer {
    const writer = new ByteWriter(256);
    const { change } = manifest;
    writer.u32(manifestMagic);
    writer.uvarint(manifest.number);
    writer.uvarint(manifest.atMs);
    writer.sizedText(manifest.tenant);
    writer.u32(crc32c(writer.view()));
    writer.u8(kinds.indexOf(change.kind));
    if (change.kind !== 'increase') writer.sizedText(change.id);
    if (change.kind === 'create') {
      writer.sizedText(change.query);
      writer.varint(change.startMs);
      writer.varint(change.endMs);
      writer.uvarint(change.parts);
    } else if (change.kind === 'progress') writer.uvarint(change.partsDone);
    writer.bytes(tenantCopy(manifest));
    return appendChecksum(writer);
  }

  decodeManifest(bytes: Uint8Array, key: string): DeleteManifest {
    const isOld = bytes.length >= 4 && new ByteReader(bytes).u32() === manifestMagic1;
    return decode(bytes, key, isOld ? manifestMagic1 : manifestMagic, (reader) => {
      const number = reader.uvarint();
      const atMs = reader.uvarint();
      const tenant = reader.sizedText();
      if (isOld) return { number, atMs, tenant, change: readChange(reader) };
      const isProven = crc32c(bytes, 0, reader.position) === reader.u32();
      const manifest = { number, atMs, tenant, change: readChange(reader) };
      const copy = tenantCopy(manifest);
      if (!isProven || !reader.bytes(copy.length).equals(copy)) {
        throw new Error('its tenant is not the same twice');
      }
      return manifest;
    });
  }

  encodeCheckpoint(): Buffer {
    const body = new ByteWriter(1 << 12);
    body.uvarint(this.number);
    body.uvarint(this.#generations.size);
    for (const [tenant, generation] of this.#generations) {
      body.sizedText(tenant);
      body.uvarint(generation);
    }
    const all = [...this.#tenants.values()].flatMap((requests) => [...requests.values()]);
    body.uvarint(all.length);
    for (const request of all) putRequest(body, request);
    const writer = new ByteWriter(body.length / 4 + 64);
    writer.u32(checkpointMagic);
    writer.uvarint(body.length);
    writer.sizedBytes(zstdCompress(body.view()));
    return appendChecksum(writer);
  }

  decodeCheckpoint(bytes: Uint8Array, key: string): void {
    decode(bytes, key, checkpointMagic, (reader) => {
      const size = reader.count(unpackedBytesMax);
      const body = new ByteReader(zstdDecompress(reader.sizedBytes(), size));
      const number = body.uvarint();
      const generations: [string, number][] = [];
      for (let remaining = body.count(listMax); remaining > 0; remaining--) {
        generations.push([body.sizedText(), body.uvarint()]);
      }
      const requests: DeleteRequest[] = [];
      for (let remaining = body.count(listMax); remaining > 0; remaining--) requests.push(getRequest(body));
      body.expectEnd();
      this.number = number;
      this.#generations.clear();
      this.#tenants.clear();
      for (const [tenant, generation] of generations) this.#generations.set(tenant, generation);
      for (const request of requests) {
        let tenantState = this.#tenants.get(request.tenant);
        if (!tenantState) this.#tenants.set(request.tenant, (tenantState = new Map()));
        tenantState.set(request.id, request);
      }
    });
  }
}

/**
 * Repeats the tenant at the end, with a checksum that includes the step's number: damage of one copy leaves
 * the other.
 */
function tenantCopy({ number, tenant }: DeleteManifest): Buffer {
  const text = Buffer.from(tenant);
  const copy = Buffer.concat([text, Buffer.alloc(5)]);
  copy.writeUInt8(text.length, text.length);
  copy.writeUInt32LE(crc32c(copy, 0, text.length + 1, number >>> 0), text.length + 1);
  return copy;
}

/** The tenant of a damaged manifest, when the checksum of one of its two copies holds. */
function tenantOfDamaged(number: number, bytes: Uint8Array): string | undefined {
  return tenantAtBegin(number, bytes) ?? tenantAtEnd(number, bytes);
}

function tenantAtBegin(number: number, bytes: Uint8Array): string | undefined {
  try {
    const reader = new ByteReader(bytes, 0, bytes.length);
    if (reader.u32() !== manifestMagic || reader.uvarint() !== number) return undefined;
    reader.uvarint();
    const tenant = reader.sizedText();
    return crc32c(bytes, 0, reader.position) === reader.u32() ? tenant : undefined;
  } catch {
    return undefined; // cut before the checksum
  }
}

function tenantAtEnd(number: number, bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checksumAt = buffer.length - 8;
  if (checksumAt < 1) return undefined;
  const lengthAt = checksumAt - 1;
  const start = lengthAt - buffer.readUInt8(lengthAt);
  if (start < 0 || crc32c(buffer, start, checksumAt, number >>> 0) !== buffer.readUInt32LE(checksumAt)) {
    return undefined;
  }
  return buffer.toString('utf8', start, lengthAt);
}

function readChange(reader: ByteReader): DeleteManifest['change'] {
  const kind = kinds[reader.u8()];
  if (kind === undefined) throw new Error('unknown kind of change');
  if (kind === 'increase') return { kind };
  const id = reader.sizedText();
  if (kind === 'cancel') return { kind, id };
  if (kind === 'progress') return { kind, id, partsDone: reader.uvarint() };
  const query = reader.sizedText();
  return { kind, id, query, startMs: reader.varint(), endMs: reader.varint(), parts: reader.uvarint() };
}

function putRequest(body: ByteWriter, request: DeleteRequest): void {
  body.sizedText(request.id);
  body.sizedText(request.tenant);
  body.sizedText(request.query);
  body.varint(request.startMs);
  body.varint(request.endMs);
  body.uvarint(request.createdMs);
  body.uvarint(request.parts);
  body.uvarint(request.partsDone);
  body.u8(request.processedMs === undefined ? 0 : 1);
  if (request.processedMs !== undefined) body.uvarint(request.processedMs);
}

function getRequest(body: ByteReader): DeleteRequest {
  return {
    id: body.sizedText(),
    tenant: body.sizedText(),
    query: body.sizedText(),
    startMs: body.varint(),
    endMs: body.varint(),
    createdMs: body.uvarint(),
    parts: body.uvarint(),
    partsDone: body.uvarint(),
    processedMs: body.u8() === 1 ? body.uvarint() : undefined,
  };
}
