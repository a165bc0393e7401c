import { LokiError } from '@loki/model';

/**
 * The actor of a tenant's request, from the largest group to the smallest: each level is served in turn.
 */
export type ActorPath = readonly string[];

const actorLengthMax = 150;

/**
 * `X-Loki-Actor-Path`: names separated by `|`.
 *
 * @param levelsMax `query_scheduler.max_queue_hierarchy_levels`; 0: nobody is told apart
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

/** Jobs of one tenant. At each level the jobs for nobody further and those of each actor below take turns. */
export class ActorQueue<Job> {
  readonly #own: Job[] = [];
  /** In the order in which they take their turns; `undefined` stands for the own jobs. */
  readonly #turns = new Map<string | undefined, ActorQueue<Job> | undefined>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(path: ActorPath, job: Job, place: 'first' | 'last'): void {
    this.#size++;
    if (path.length === 0) {
      if (place === 'first') this.#own.unshift(job);
      else this.#own.push(job);
      this.#turns.set(undefined, undefined);
      return;
    }
    const [name, ...rest] = path;
    let below = this.#turns.get(name);
    if (!below) this.#turns.set(name, (below = new ActorQueue()));
    below.add(rest, job, place);
  }

  /** The next job; undefined: there is none. */
  take(): Job | undefined {
    const next = this.#turns.entries().next();
    if (next.done) return undefined;
    const [name, below] = next.value;
    const job = below ? below.take() : this.#own.shift();
    this.#size--;
    // To the back of the round, or out of it.
    this.#turns.delete(name);
    if (below ? below.size > 0 : this.#own.length > 0) this.#turns.set(name, below);
    return job;
  }

  /** Whether the job was here. */
  remove(path: ActorPath, job: Job): boolean {
    const [name, ...rest] = path;
    const below = name === undefined ? undefined : this.#turns.get(name);
    if (name !== undefined && !below) return false;
    if (below) {
      if (!below.remove(rest, job)) return false;
    } else {
      const at = this.#own.indexOf(job);
      if (at < 0) return false;
      this.#own.splice(at, 1);
    }
    this.#size--;
    if (below ? below.size === 0 : this.#own.length === 0) this.#turns.delete(name);
    return true;
  }

  *[Symbol.iterator](): Iterator<Job> {
    yield* this.#own;
    for (const below of this.#turns.values()) if (below) yield* below;
  }
}
