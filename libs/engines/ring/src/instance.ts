/** A member of a ring and its text in the ring store. */
import { tokensOf } from './tokens.ts';

/** Loki's states of a member, in the order of its life. Only ACTIVE instances own anything. */
const instanceStates = ['PENDING', 'JOINING', 'ACTIVE', 'LEAVING'] as const;
/** The life of a member, in Loki's names: PENDING, JOINING, ACTIVE, LEAVING. */
export type InstanceState = (typeof instanceStates)[number];

/** One member as stored in the ring store. */
export interface RingInstance {
  readonly id: string;
  /** host:port of its server for peers. */
  readonly address: string;
  /** '' when the instance has none. */
  readonly zone: string;
  readonly state: InstanceState;
  /** Gets no new ownership, although ACTIVE. */
  readonly readOnly: boolean;
  /** Wall clock of the instance at the last change of `isReadOnly`; absent: never changed. */
  readonly readOnlyMs?: number;
  /** Ascending, 32 bit. */
  readonly tokens: readonly number[];
  /** Identifies a start of the process, so that a restarted one differs from the one before. */
  readonly incarnation: string;
  /**
   * Rises with each heartbeat of an incarnation. Other processes judge liveness by it, so that clocks need
   * not agree.
   */
  readonly beat: number;
  /** Wall clock of the instance at its last heartbeat, and when it first joined. */
  readonly heartbeatMs: number;
  readonly registeredMs: number;
}

/** Bounds of values that are accepted from a store. */
export const instancesMax = 10_000;
const tokensMax = 1024;
/** Above the size of an entry with the longest names and all tokens. */
const entryCharsMax = 65_536;

/**
 * One member as its entry in the ring store. Tokens that follow from the id are written as their number: 128
 * of them would be nine tenths of the entry.
 */
export function encodeInstance({ id, tokens, ...fields }: RingInstance): string {
  const derived = tokensOf(id, tokens.length);
  const isDerived = tokens.every((token, i) => token === derived[i]);
  return JSON.stringify({ ...fields, ...(isDerived ? { tokenCount: tokens.length } : { tokens }) });
}

/** The member in an entry of the ring store. undefined: not written by this program. */
export function decodeInstance(id: string, entry: string): RingInstance | undefined {
  const parsed = entry.length > entryCharsMax ? undefined : parseJson(entry);
  if (!isRecord(parsed)) return undefined;
  const { tokenCount, ...fields } = parsed;
  const isDerived =
    Number.isInteger(tokenCount) && Number(tokenCount) >= 0 && Number(tokenCount) <= tokensMax;
  const instance = { ...fields, id, ...(isDerived ? { tokens: tokensOf(id, Number(tokenCount)) } : {}) };
  return isInstance(instance) ? instance : undefined;
}

/** All members as one value, for processes that exchange rings in memory. */
export function encodeInstances(instances: Iterable<RingInstance>): string {
  const sorted = [...instances].sort((a, b) => (a.id < b.id ? -1 : 1));
  return JSON.stringify({ version: 1, instances: sorted });
}

/**
 * The members in a value of all. undefined: not a value of this program. A missing value is an empty ring.
 */
export function decodeInstances(value: string | undefined): Map<string, RingInstance> | undefined {
  if (value === undefined) return new Map();
  const parsed = parseJson(value);
  if (!isRecord(parsed) || parsed['version'] !== 1 || !Array.isArray(parsed['instances'])) return undefined;
  const list: unknown[] = parsed['instances'];
  if (list.length > instancesMax || !list.every(isInstance)) return undefined;
  return new Map(list.map((instance) => [instance.id, instance]));
}

/** undefined: not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the store holds a foreign value; the next write replaces it
  }
}

function isInstance(value: unknown): value is RingInstance {
  if (!isRecord(value)) return false;
  const { tokens } = value;
  return (
    ['id', 'address', 'zone', 'incarnation'].every((name) => typeof value[name] === 'string') &&
    ['beat', 'heartbeatMs', 'registeredMs'].every((name) => Number.isFinite(value[name])) &&
    instanceStates.includes(value['state'] as InstanceState) &&
    typeof value['readOnly'] === 'boolean' &&
    Array.isArray(tokens) &&
    tokens.length <= tokensMax &&
    tokens.every((token) => Number.isInteger(token) && token >= 0 && token <= 0xffff_ffff) &&
    tokens.every((token, i) => i === 0 || token >= tokens[i - 1]) &&
    (value['readOnlyMs'] === undefined || Number.isFinite(value['readOnlyMs']))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
