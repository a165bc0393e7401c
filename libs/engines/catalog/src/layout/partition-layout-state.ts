/** The fold of the log of the number of partitions: how many each role uses, and from which row time on. */
import { ByteWriter } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { LokiError } from '@loki/model';
import { decode, appendChecksum } from '../logs/manifest.ts';
import type { FoldedLog } from '../logs/numbered-log.ts';

/** Rows from a second on are spread over partitions 0 .. count - 1, until the next step. */
export interface LayoutStep {
  /** Unix seconds of row time. */
  readonly fromSeconds: number;
  readonly count: number;
}

/** The numbers of partitions at one moment. Each is at least as large as the next. */
export interface Layout {
  /** Number of partitions that ingesters own and compactors follow. */
  readonly owned: number;
  /** Number of partitions that queriers ask. */
  readonly asked: number;
  /**
   * Number of partitions to which distributors write, by row time; ascending. The first holds for all earlier
   * rows too.
   */
  readonly steps: readonly LayoutStep[];
}

/** The layout after one change, as a whole: a few hundred bytes. */
export interface LayoutManifest extends Layout {
  readonly number: number;
  readonly createdMs: number;
}

/** Manifests: `LPM1`, checkpoints: `LPC1`. The last byte is the version. */
const manifestMagic = 0x314d_504c;
const checkpointMagic = 0x3143_504c;
const stepsMax = 100_000;

/** The last layout of the log. Numbers only grow, and a step only follows the last one. */
export class LayoutState implements FoldedLog<LayoutManifest> {
  number = 0;
  layout: Layout;
  /** The latest wall time of any writer of the manifests that this process has folded; 0: unknown. */
  newestMs = 0;

  /** @param count partitions of a log without changes */
  constructor(count: number) {
    this.layout = { owned: count, asked: count, steps: [{ fromSeconds: 0, count }] };
  }

  fold(manifest: LayoutManifest): void {
    if (manifest.number !== this.number + 1) {
      throw new LokiError('corrupt', `partition layout: manifest ${manifest.number} after ${this.number}`);
    }
    const { owned, asked, steps } = manifest;
    // The first manifest states the number before it, independent of this process's configuration.
    if (this.number > 0) checkGrowth(this.layout, manifest);
    this.layout = { owned, asked, steps };
    this.number = manifest.number;
    this.newestMs = Math.max(this.newestMs, manifest.createdMs);
  }

  encodeManifest(manifest: LayoutManifest): Buffer {
    const out = new ByteWriter(64);
    out.u32(manifestMagic);
    out.uvarint(manifest.number);
    out.uvarint(manifest.createdMs);
    putLayout(out, manifest);
    return appendChecksum(out);
  }

  decodeManifest(bytes: Uint8Array, key: string): LayoutManifest {
    return decode(bytes, key, manifestMagic, (reader) => ({
      number: reader.uvarint(),
      createdMs: reader.uvarint(),
      ...readLayout(reader),
    }));
  }

  encodeCheckpoint(): Buffer {
    const out = new ByteWriter(64);
    out.u32(checkpointMagic);
    out.uvarint(this.number);
    putLayout(out, this.layout);
    return appendChecksum(out);
  }

  decodeCheckpoint(bytes: Uint8Array, key: string): void {
    decode(bytes, key, checkpointMagic, (reader) => {
      const number = reader.uvarint();
      this.layout = readLayout(reader);
      this.number = number;
    });
  }
}

/** Whether two layouts of one log are equal: numbers only grow, and steps are never changed. */
export function isSame(a: Layout, b: Layout): boolean {
  return a.owned === b.owned && a.asked === b.asked && a.steps.length === b.steps.length;
}

function checkGrowth(before: Layout, after: Layout): void {
  const grows =
    after.owned >= before.owned && after.asked >= before.asked && after.steps.length >= before.steps.length;
  const goesOn = before.steps.every(
    ({ fromSeconds, count }, i) =>
      after.steps[i]?.fromSeconds === fromSeconds && after.steps[i].count === count,
  );
  if (!grows || !goesOn) throw new LokiError('corrupt', 'partition layout: a change that takes back another');
}

function putLayout(out: ByteWriter, { owned, asked, steps }: Layout): void {
  out.uvarint(owned);
  out.uvarint(asked);
  out.uvarint(steps.length);
  for (const { fromSeconds, count } of steps) {
    out.uvarint(fromSeconds);
    out.uvarint(count);
  }
}

function readLayout(reader: ByteReader): Layout {
  const owned = reader.uvarint();
  const askedCount = reader.uvarint();
  const steps = Array.from({ length: reader.count(stepsMax) }, () => ({
    fromSeconds: reader.uvarint(),
    count: reader.uvarint(),
  }));
  const isAscending = steps.every(
    ({ fromSeconds, count }, i) =>
      count >= 1 &&
      count <= askedCount &&
      (i === 0 || (fromSeconds > steps[i - 1].fromSeconds && count > steps[i - 1].count)),
  );
  if (steps.length === 0 || !isAscending || askedCount > owned) {
    throw new LokiError('corrupt', 'partition layout: numbers that contradict each other');
  }
  return { owned, asked: askedCount, steps };
}
