/**
 * Saved states of alerts, one object per group, for the ruler that evaluates the group next. FORMAT.md draws
 * it.
 */
import { crc32c } from '@loki/bytes';
import { LokiError, mib } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import type { Alert, AlertState } from './alert-rule.ts';
import { encodeName } from './rule-store.ts';

/** Alerts of a group after an evaluation. */
export interface SavedAlerts {
  readonly evaluatedAtMs: number;
  /** By `ruleIdentity`, in the group's order. */
  readonly rules: readonly { readonly identity: string; readonly alerts: readonly Alert[] }[];
}

/**
 * Bound on the bytes of one group's state; a larger state is not saved, and its alerts start new after a
 * restart.
 */
const stateBytesMax = 32 * mib;

/**
 * Stores the state of alerts, one object per group, so that a new owner can continue. Only the owner of a
 * group writes its object; while two rulers act as owner, the state of either is correct.
 */
export class AlertStateStore {
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /**
   * undefined: no state, or an unreadable one.
   *
   * @throws LokiError `corrupt` for damaged bytes
   */
  async load(
    tenant: TenantId,
    namespace: string,
    group: string,
    signal?: AbortSignal,
  ): Promise<SavedAlerts | undefined> {
    try {
      const bytes = await this.#objects.get(keyOf(tenant, namespace, group), signal);
      return parseSaved(checkedText(bytes));
    } catch (error) {
      if (error instanceof LokiError && error.code === 'notFound') return undefined;
      throw error;
    }
  }

  async save(
    { tenant, namespace, group }: { tenant: TenantId; namespace: string; group: string },
    saved: SavedAlerts,
    signal?: AbortSignal,
  ): Promise<void> {
    const bytes = withChecksum(JSON.stringify({ crc32c: noChecksum, version: 1, ...saved }));
    if (bytes.length > stateBytesMax) {
      throw new LokiError('internal', `state of ${bytes.length} bytes is too large to keep`);
    }
    await this.#objects.put(keyOf(tenant, namespace, group), bytes, signal);
  }

  async delete(tenant: TenantId, namespace: string, group: string): Promise<void> {
    await this.#objects.delete(keyOf(tenant, namespace, group));
  }
}

function keyOf(tenant: TenantId, namespace: string, group: string): string {
  return `ruler-alerts/${tenant}/${encodeName(namespace)}/${encodeName(group)}`;
}

/** Start of the JSON with a checksum, and of the older form without. */
const checkedStart = '{"crc32c":"';
const olderStart = '{"version":1,';
/** Placeholder while the checksum is computed. */
const noChecksum = '00000000';

function withChecksum(text: string): Buffer {
  const bytes = Buffer.from(text);
  bytes.write(checksumOf(bytes), checkedStart.length);
  return bytes;
}

/** The JSON, if its checksum is correct or its version has none. */
function checkedText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (text.startsWith(olderStart)) return text;
  if (text.startsWith(checkedStart)) {
    const end = checkedStart.length + noChecksum.length;
    const plain = Buffer.from(bytes);
    plain.write(noChecksum, checkedStart.length);
    if (text.slice(checkedStart.length, end) === checksumOf(plain)) return text;
  }
  throw new LokiError('corrupt', 'the checksum of the saved alerts does not hold');
}

function checksumOf(bytes: Uint8Array): string {
  return crc32c(bytes).toString(16).padStart(8, '0');
}

/** Stored bytes are not trusted: any malformed value makes the whole state unknown. */
function parseSaved(text: string): SavedAlerts | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { version, evaluatedAtMs, rules } = fieldsOf(value);
  if (version !== 1 || !isTime(evaluatedAtMs) || !Array.isArray(rules)) return undefined;
  const read: { identity: string; alerts: Alert[] }[] = [];
  for (const rule of rules) {
    const { identity, alerts } = fieldsOf(rule);
    if (typeof identity !== 'string' || !Array.isArray(alerts)) return undefined;
    const parsed = alerts.map(parseAlert);
    if (parsed.includes(undefined)) return undefined;
    read.push({ identity, alerts: parsed as Alert[] });
  }
  return { evaluatedAtMs, rules: read };
}

const states: readonly unknown[] = ['pending', 'firing', 'inactive'];

function parseAlert(value: unknown): Alert | undefined {
  const alert = fieldsOf(value);
  const { labels, annotations, state } = alert;
  if (!states.includes(state) || !isPairs(labels) || !isPairs(annotations)) return undefined;
  const times = [
    alert['activeAtMs'],
    alert['firedAtMs'],
    alert['resolvedAtMs'],
    alert['keepFiringSinceMs'],
    alert['lastSentAtMs'],
    alert['validUntilMs'],
  ];
  if (!times.every(isTime)) return undefined;
  const [activeAtMs, firedAtMs, resolvedAtMs, keepFiringSinceMs, lastSentAtMs, validUntilMs] = times;
  return {
    labels,
    annotations,
    state: state as AlertState,
    // JSON has no NaN; the next evaluation sets the value.
    value: typeof alert['value'] === 'number' ? alert['value'] : Number.NaN,
    activeAtMs,
    firedAtMs,
    resolvedAtMs,
    keepFiringSinceMs,
    lastSentAtMs,
    validUntilMs,
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e15;
}

function isPairs(value: unknown): value is LabelPair[] {
  return (
    Array.isArray(value) &&
    value.every(
      (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === 'string'),
    )
  );
}
