/** Shares of work by the ring: days of compactors, groups of rulers. */
import type { RingView } from './ring-view.ts';
import type { Ring } from './ring.ts';
import { shuffleShard } from './shuffle-shard.ts';
import { tokenOf } from './tokens.ts';

/** A few members of the ring, the same for all keys of one kind (a tenant's, say). */
export interface WorkShard {
  readonly key: string;
  /** 0: all members. */
  readonly size: number;
}

/**
 * The member that does the work that a key names; undefined: there is none. Of one ring every process gives
 * the same answer. A member that goes leaves its work to the others and nothing else moves; one that comes
 * takes some, and nothing moves between the others.
 *
 * O(log tokens); with a shard, O(members).
 */
export function workOwner(ring: Ring, key: string, shard?: WorkShard): string | undefined {
  if (!shard || shard.size <= 0) return ring.owners(tokenOf(key), 1)[0]?.id;
  const ids = shuffleShard(
    ring.eligible.map(({ id }) => id),
    shard.key,
    shard.size,
  );
  // The highest hash wins: of so few a walk around the ring would give one nothing and another all.
  let best: string | undefined;
  let bestRank = -1;
  for (const id of ids) {
    const rank = tokenOf(`${key}\0${id}`);
    if (rank <= bestRank) continue;
    best = id;
    bestRank = rank;
  }
  return best;
}

/**
 * One member's share of work that any member could do. It goes by the last ring that was seen: while the
 * store of the ring is away, each member keeps its share. A member that sees no ring at all is alone, and
 * does everything.
 */
export class WorkShare {
  readonly #view: Pick<RingView, 'ring' | 'onChange'>;
  readonly #id: string;

  constructor(view: Pick<RingView, 'ring' | 'onChange'>, id: string) {
    this.#view = view;
    this.#id = id;
  }

  owns(key: string, shard?: WorkShard): boolean {
    return (workOwner(this.#view.ring, key, shard) ?? this.#id) === this.#id;
  }

  /** Calls back when shares may have changed; returns how to stop. */
  onChange(callback: () => void): () => void {
    let isFirst = true;
    const stop = this.#view.onChange(() => {
      if (!isFirst) callback();
    });
    isFirst = false;
    return stop;
  }
}
