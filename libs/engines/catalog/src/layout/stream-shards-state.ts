/** The fold of the log of shard steps: how many partitions a hot stream has, by time. */
import { ByteWriter } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { LokiError } from '@loki/model';
import { decode, appendChecksum } from '../logs/manifest.ts';
import type { FoldedLog } from '../logs/numbered-log.ts';

/** The number of partitions of a stream in a range of row time. */
export interface ShardStep {
  /** The stream's placement hash. Streams with the same hash have the same steps, which is harmless. */
  readonly placement: number;
  /** Unix seconds of the first rows to which the step applies. */
  readonly fromSeconds: number;
  /** Rows from here on go to one partition again. */
  readonly untilSeconds: number;
  readonly shards: number;
}

export interface ShardManifest {
  readonly number: number;
  readonly createdMs: number;
  /** The process that added the step; empty: the step corrects another one and needs no correction itself. */
  readonly writer: string;
  readonly steps: readonly ShardStep[];
}

/**
 * Steps that ended longer ago than this are dropped: rows of that time are too old to be accepted
 * (`reject_old_samples_max_age`).
 */
const forgottenAfterMs = 30 * 86_400_000;

/** Manifests: `LSE1`, checkpoints: `LSC1`. The last byte is the version. */
const manifestMagic = 0x3145_534c;
const checkpointMagic = 0x3143_534c;
const stepsMax = 10_000_000;

/**
 * Steps of all streams, by placement hash, each stream's ascending. A step that does not begin after the last
 * one of its stream does not count; one that begins with it takes its place.
 */
export class StreamShardsState implements FoldedLog<ShardManifest> {
  number = 0;
  readonly steps = new Map<number, ShardStep[]>();
  /** Returns a correction for a step that came too late, else the step itself; called for each step. */
  substitute: ((step: ShardStep, writer: string) => ShardStep) | undefined;

  fold(manifest: ShardManifest): void {
    if (manifest.number !== this.number + 1) {
      throw new LokiError('corrupt', `stream shards: manifest ${manifest.number} after ${this.number}`);
    }
    for (const step of manifest.steps) this.#take(this.substitute?.(step, manifest.writer) ?? step);
    this.number = manifest.number;
    this.#forget(manifest.createdMs);
  }

  /** A step from `fromSeconds` on with the number of partitions that the stream had before. */
  withoutStep({ placement, fromSeconds }: ShardStep): ShardStep {
    const previous = this.steps.get(placement)?.findLast((step) => step.fromSeconds < fromSeconds);
    return previous
      ? { ...previous, fromSeconds, untilSeconds: Math.max(fromSeconds, previous.untilSeconds) }
      : { placement, fromSeconds, untilSeconds: fromSeconds, shards: 1 };
  }

  encodeManifest({ number, createdMs, writer, steps }: ShardManifest): Buffer {
    const out = new ByteWriter(64);
    out.u32(manifestMagic);
    out.uvarint(number);
    out.uvarint(createdMs);
    out.sizedText(writer);
    putSteps(out, steps);
    return appendChecksum(out);
  }

  decodeManifest(bytes: Uint8Array, key: string): ShardManifest {
    return decode(bytes, key, manifestMagic, (reader) => ({
      number: reader.uvarint(),
      createdMs: reader.uvarint(),
      writer: reader.sizedText(),
      steps: readSteps(reader),
    }));
  }

  encodeCheckpoint(): Buffer {
    const out = new ByteWriter(1 << 12);
    out.u32(checkpointMagic);
    out.uvarint(this.number);
    putSteps(out, [...this.steps.values()].flat());
    return appendChecksum(out);
  }

  decodeCheckpoint(bytes: Uint8Array, key: string): void {
    decode(bytes, key, checkpointMagic, (reader) => {
      const number = reader.uvarint();
      const steps = readSteps(reader);
      this.steps.clear();
      for (const step of steps) this.#take(step);
      this.number = number;
    });
  }

  #take(step: ShardStep): void {
    const steps = this.steps.get(step.placement);
    const last = steps?.at(-1);
    if (!steps || !last) this.steps.set(step.placement, [step]);
    else if (step.fromSeconds > last.fromSeconds) steps.push(step);
    else if (step.fromSeconds === last.fromSeconds) steps[steps.length - 1] = step;
  }

  #forget(nowMs: number): void {
    const oldestSeconds = (nowMs - forgottenAfterMs) / 1_000;
    for (const [placement, steps] of this.steps) {
      if (steps[0].untilSeconds > oldestSeconds) continue;
      const recent = steps.filter((step) => step.untilSeconds > oldestSeconds);
      if (recent.length === 0) this.steps.delete(placement);
      else this.steps.set(placement, recent);
    }
  }
}

function putSteps(out: ByteWriter, steps: readonly ShardStep[]): void {
  out.uvarint(steps.length);
  for (const { placement, fromSeconds, untilSeconds, shards } of steps) {
    out.uvarint(placement);
    out.varint(fromSeconds);
    out.uvarint(untilSeconds - fromSeconds);
    out.uvarint(shards);
  }
}

function readSteps(reader: ByteReader): ShardStep[] {
  return Array.from({ length: reader.count(stepsMax) }, () => {
    const placement = reader.uvarint();
    const fromSeconds = reader.varint();
    return { placement, fromSeconds, untilSeconds: fromSeconds + reader.uvarint(), shards: reader.uvarint() };
  });
}
