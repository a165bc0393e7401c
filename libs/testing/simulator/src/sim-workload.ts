/** Draws the pushes of a simulation. */
import { Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { virtualEpochMs } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import type { LedgerEntry } from './ledger.ts';

/** The habits of a seed's clients. */
interface WorkloadProfile {
  readonly tenants: number;
  readonly streamsPerTenant: number;
  readonly entriesMax: number;
  readonly streamsPerPushMax: number;
  /** Odds that an entry is older than the newest of its stream, and by how much at most. */
  readonly lateOdds: number;
  readonly lateMaxMs: number;
  /** Odds that an entry repeats an earlier one of its stream exactly. */
  readonly repeatOdds: number;
  /** Timestamps are multiples of this: coarse clocks make equal ones. */
  readonly timestampStepNs: bigint;
  readonly metadataOdds: number;
  readonly paddingMax: number;
}

/** One push: the sent entries, which the client expects to read back. */
export interface Push {
  readonly tenant: string;
  readonly entries: readonly LedgerEntry[];
  /** The body of POST /loki/api/v1/push, JSON. */
  readonly body: Buffer;
}

export function drawProfile(random: Prng): WorkloadProfile {
  return {
    tenants: random.int(1, 3),
    streamsPerTenant: random.int(1, 6),
    entriesMax: random.int(1, 8),
    streamsPerPushMax: random.int(1, 3),
    lateOdds: random.pick([0, 0.05, 0.3]),
    lateMaxMs: random.pick([100, 10_000, 600_000]),
    repeatOdds: random.pick([0, 0.05, 0.2]),
    timestampStepNs: random.pick([1n, 1_000n, 1_000_000n, 1_000_000_000n]),
    metadataOdds: random.pick([0, 0.3]),
    paddingMax: random.pick([0, 50, 500]),
  };
}

/** Entries from which a repeat is drawn: the newest of each stream. */
const recentMax = 50;

/** Draws pushes. Every line names its tenant and is sent by no other. */
export class Workload {
  readonly profile: WorkloadProfile;
  readonly #random: Prng;
  readonly #recent = new Map<string, LedgerEntry[]>();
  #nextId = 0;

  constructor(random: Prng, profile: WorkloadProfile) {
    this.#random = random;
    this.profile = profile;
  }

  get tenants(): string[] {
    return Array.from({ length: this.profile.tenants }, (_, i) => `tenant-${i}`);
  }

  /** A push of entries of about virtual time `nowMs`. */
  next(nowMs: number): Push {
    const tenant = this.#random.pick(this.tenants);
    const entries: LedgerEntry[] = [];
    const streams: { labels: Labels; entries: LedgerEntry[] }[] = [];
    const streamCount = this.#random.int(1, this.profile.streamsPerPushMax);
    for (let i = 0; i < streamCount; i++) {
      const labels = Labels.fromPairs([
        ['app', `app-${this.#random.int(0, this.profile.streamsPerTenant - 1)}`],
        ['service_name', 'sim'],
      ]);
      const count = this.#random.int(1, this.profile.entriesMax);
      const own = Array.from({ length: count }, () => this.#entry(tenant, labels, nowMs));
      streams.push({ labels, entries: own });
      entries.push(...own);
    }
    return { tenant, entries, body: encodePush(streams) };
  }

  #entry(tenant: string, labels: Labels, nowMs: number): LedgerEntry {
    const random = this.#random;
    const stream = labels.toString();
    const recent = this.#recentOf(tenant + stream);
    if (recent.length > 0 && random.chance(this.profile.repeatOdds)) return random.pick(recent);
    const lateMs = random.chance(this.profile.lateOdds) ? random.float() * this.profile.lateMaxMs : 0;
    const ns = BigInt(Math.floor((virtualEpochMs + nowMs - lateMs) * 1e3)) * 1_000n;
    const padding = 'x'.repeat(random.int(0, this.profile.paddingMax));
    const metadata: LabelPair[] = random.chance(this.profile.metadataOdds)
      ? [['trace', `t${random.int(0, 3)}`]]
      : [];
    const entry: LedgerEntry = {
      tenant,
      stream,
      timestampNs: ns - (ns % this.profile.timestampStepNs),
      line: `${tenant} line ${this.#nextId++} ${padding}`,
      metadata: metadataText(metadata),
    };
    recent.push(entry);
    if (recent.length > recentMax) recent.shift();
    return entry;
  }

  #recentOf(key: string): LedgerEntry[] {
    let recent = this.#recent.get(key);
    if (!recent) this.#recent.set(key, (recent = []));
    return recent;
  }
}

/** Canonical text of structured metadata, '' for none. */
export function metadataText(pairs: readonly LabelPair[]): string {
  return pairs.length === 0 ? '' : Labels.fromPairs(pairs).toString();
}

function encodePush(streams: readonly { labels: Labels; entries: readonly LedgerEntry[] }[]): Buffer {
  const body = streams.map(({ labels, entries }) => ({
    stream: labels.toObject(),
    values: entries.map(({ timestampNs, line, metadata }) => {
      const value: unknown[] = [timestampNs.toString(), line];
      if (metadata !== '') value.push(Object.fromEntries(parseMetadata(metadata)));
      return value;
    }),
  }));
  return Buffer.from(JSON.stringify({ streams: body }));
}

/** The workload's own metadata only: names and values without quotes in them. */
function parseMetadata(text: string): [string, string][] {
  return [...text.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]);
}
