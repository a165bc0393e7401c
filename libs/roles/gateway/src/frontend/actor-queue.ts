/** The queue of one tenant: its actors (`X-Loki-Actor-Path`) take turns at each level. */
import { LokiError } from '@loki/model';

/**
 * The actor of a tenant's request, from the largest group to the smallest: each level is served in turn.
 */
export type ActorPath = readonly string[];

const actorLengthMax = 150;

/**
 * `X-Loki-Actor-Path`: names separated by `|`.
 *
 * @param levelsMax `query_scheduler.max_queue_hierarchy_levels`; 0: actors are not distinguished
 * @throws LokiError internal for a path that is deeper, as Loki does
 */
export function parseActorPath(text: string | undefined, levelsMax: number): ActorPath {
  if (text === undefined || levelsMax <= 0) return [];
  const path = text
    .slice(0, (actorLengthMax + 1) * (levelsMax + 2))
    .split('|')
    .map((name) => name.trim().slice(0, actorLengthMax))
    .filter((name) => name !== '');
  if (path.length > levelsMax) {
    throw new LokiError('internal', `the actor path is deeper than ${levelsMax} levels`);
  }
  return path;
}

/** Jobs of one tenant. At each level the jobs without a further actor and each actor below take turns. */
export class ActorQueue<Job> {
  readonly #ownJobs: Job[] = [];
  /** Queues in the order of turns; the key `undefined` stands for `#ownJobs`. */
  readonly #turns = new Map<string | undefined, ActorQueue<Job> | undefined>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(path: ActorPath, job: Job, place: 'first' | 'last'): void {
    this.#size++;
    if (path.length === 0) {
      if (place === 'first') this.#ownJobs.unshift(job);
      else this.#ownJobs.push(job);
      this.#turns.set(undefined, undefined);
      return;
    }
    const [name, ...descendants] = path;
    let below = this.#turns.get(name);
    if (!below) this.#turns.set(name, (below = new ActorQueue()));
    below.add(descendants, job, place);
  }

  /** The next job; undefined: the queue is empty. */
  take(): Job | undefined {
    const next = this.#turns.entries().next();
    if (next.done) return undefined;
    const [name, below] = next.value;
    const job = below ? below.take() : this.#ownJobs.shift();
    this.#size--;
    // Moves the queue to the end of the round, or removes it if empty.
    this.#turns.delete(name);
    if (below ? below.size > 0 : this.#ownJobs.length > 0) this.#turns.set(name, below);
    return job;
  }

  /** Removes a job; false: it was not in the queue. */
  remove(path: ActorPath, job: Job): boolean {
    const [name, ...descendants] = path;
    const below = name === undefined ? undefined : this.#turns.get(name);
    if (name !== undefined && !below) return false;
    if (below) {
      if (!below.remove(descendants, job)) return false;
    } else {
      const at = this.#ownJobs.indexOf(job);
      if (at < 0) return false;
      this.#ownJobs.splice(at, 1);
    }
    this.#size--;
    if (below ? below.size === 0 : this.#ownJobs.length === 0) this.#turns.delete(name);
    return true;
  }

  *[Symbol.iterator](): Iterator<Job> {
    yield* this.#ownJobs;
    for (const below of this.#turns.values()) if (below) yield* below;
  }
}
