/**
 * A ring in the form of the version before this one: one value with all members. While processes of both
 * versions run, members that have entries are mirrored in that value, and members that stand in the value
 * alone are copied to entries. This file and its users can be deleted when upgrades from that version end.
 */
import { decodeInstance, decodeInstances, encodeInstance, encodeInstances } from './instance.ts';
import type { RingInstance } from './instance.ts';

/** A member of the value; processes of the former version write unknown properties back. */
interface FormerInstance extends RingInstance {
  /** The member has an entry of its own; the value only mirrors it. */
  readonly mirrored?: boolean;
}

/** A change of one entry, on condition that the entry is unchanged. */
export interface EntryChange {
  readonly id: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

interface Agreement {
  readonly changes: readonly EntryChange[];
  /** The value with all members after the changes. */
  readonly value: string;
  /** Members that have an entry and stand in the value as well, by id: to be given to the next call. */
  readonly conflicts: ReadonlyMap<string, string>;
}

/**
 * Makes a ring's entries (one for each member) agree with the value of all members, which the former version
 * reads and writes. A pure function of a few microseconds a member.
 *
 * @param value      the value of all members; undefined: none is stored. Bytes that are no ring count as an
 *                   empty one
 * @param conflicts  members with an entry of their own that also stood in the value at the call before. A
 *                   process that one of the other version replaced leaves its entry, or its place in the
 *                   value: of two, the one whose heartbeat has moved since is right
 * @param removedId  the id of a member to remove from both
 */
export function agree(
  entries: ReadonlyMap<string, string>,
  value: string | undefined,
  conflicts: ReadonlyMap<string, string>,
  removedId?: string,
): Agreement {
  const former: ReadonlyMap<string, FormerInstance> = decodeInstances(value) ?? new Map();
  const changes: EntryChange[] = [];
  const members: FormerInstance[] = [];
  const doubles = new Map<string, string>();
  for (const id of new Set([...entries.keys(), ...former.keys()])) {
    const before = entries.get(id);
    const ownInstance = before === undefined ? undefined : decodeInstance(id, before);
    const stated = former.get(id);
    const other = stated?.mirrored || id === removedId ? undefined : stated;
    const isOwn = ownInstance !== undefined && !isCopied(before);
    if (isOwn && other) {
      const beats = `${beatOf(ownInstance)} ${beatOf(other)}`;
      const [ownBefore, otherBefore] = conflicts.get(id)?.split(' ') ?? [];
      const isSilent = ownBefore === beatOf(ownInstance) && otherBefore !== beatOf(other);
      if (ownBefore === undefined || beats === conflicts.get(id)) {
        doubles.set(id, beats); // the next heartbeat decides
        members.push(other);
        continue;
      }
      if (!isSilent) {
        members.push({ ...ownInstance, mirrored: true });
        continue;
      }
    } else if (isOwn) {
      members.push({ ...ownInstance, mirrored: true });
      continue;
    }
    const after = other && copyOf(other);
    const isForeign = !ownInstance && !other; // its member overwrites it, if the member lives
    if (after !== before && !isForeign) changes.push({ id, before, after });
    if (other) members.push(other);
  }
  return { changes, value: encodeInstances(members), conflicts: doubles };
}

/** The value with the members of all entries. */
export function formerValueOf(entries: ReadonlyMap<string, string>): string {
  const members: FormerInstance[] = [];
  for (const [id, entry] of entries) {
    const instance = decodeInstance(id, entry);
    if (instance) members.push(isCopied(entry) ? plainOf(instance) : { ...instance, mirrored: true });
  }
  return encodeInstances(members);
}

const copiedMark = '"copied":true';

function copyOf(instance: RingInstance): string {
  return encodeInstance({ ...instance, copied: true } as RingInstance);
}

function isCopied(entry: string | undefined): boolean {
  return entry?.includes(copiedMark) === true;
}

function plainOf(instance: RingInstance & { copied?: boolean }): RingInstance {
  const { copied: _, ...plain } = instance;
  return plain;
}

function beatOf({ incarnation, beat }: RingInstance): string {
  return `${encodeURIComponent(incarnation)}/${beat}`;
}
