/**
 * Shares of work by the ring: days of compactors (step *share* of a stored day), groups of rulers (the story
 * of a rule).
 */
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
 * The member that does the work of a key; undefined: the ring has no member. All processes with the same ring
 * choose the same member. When a member leaves, only its work moves; a new member takes some work, and no
 * work moves between the others.
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
  // The highest hash wins: with few members a walk around the ring would give all work to one of them.
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
 * One member's share of work that any member could do, by the last ring that this process received: while the
 * ring's store is unavailable, each member keeps its share. A member without a ring does all work.
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

  /** Calls back when shares may have changed; returns a function that ends the subscription. */
  onChange(callback: () => void): () => void {
    let isFirst = true;
    const stop = this.#view.onChange(() => {
      if (!isFirst) callback();
    });
    isFirst = false;
    return stop;
  }
}
