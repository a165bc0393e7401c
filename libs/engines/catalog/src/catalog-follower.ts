/**
 * Keeps the catalog of a reading process up to date: step *select* of a query, and the plans of compactors.
 */
import type { CatalogNews, CatalogNumbers, Logger, Random, TimerHandle, Timers } from '@loki/ports';
import type { Catalog } from './catalog.ts';
import type { DeleteRequests } from './deletes/delete-requests.ts';
import type { SharedLogs } from './shared-logs.ts';

/**
 * Asks all ingesters for the numbers of their newest manifests. Skips an ingester that does not answer.
 * Rejects only on abort.
 */
export type CatalogNewsSource = (
  numbers: CatalogNumbers,
  signal?: AbortSignal,
) => Promise<readonly CatalogNews[]>;

interface CatalogFollowerOptions {
  readonly catalog: Catalog;
  /** Absent: deletes are not followed. */
  readonly requests?: Pick<DeleteRequests, 'load' | 'state'>;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Absent: news come from the store alone. */
  readonly news?: CatalogNewsSource;
  readonly sharedLogs?: SharedLogs;
  /** Pause between two rounds. Default 15 s: a query refreshes the manifests that it needs. */
  readonly pollMs?: number;
  /**
   * Rounds between two reads of the store, for a partition and for a shared log whose news ingesters report.
   */
  readonly netRounds?: { readonly partition: number; readonly shared: number };
}

/** A log, and the rounds in which this process reads the store for it. */
interface Followed {
  /** Number of the newest manifest at the last read of the store. */
  number: number;
  /** Rounds between two reads without news of ingesters: doubled by each read that finds no new manifest. */
  pauseRounds: number;
  /** The round of the next read while ingesters report no news. */
  nextRound: number;
  /** The round of the next read, independent of the news of ingesters. */
  netRound: number;
}

const pollMsDefault = 15_000;
/**
 * Maximum of rounds between two reads without news of ingesters: half an hour. Queries read new manifests
 * when they need them. Only dropped sections arrive this late, and their objects live for an hour or more.
 */
const pauseRoundsMax = 120;
/**
 * After a lost message the next one arrives 15 s later. Reads of the store cover messages that never arrive:
 * once a day for a partition, whose leader makes or receives all of its commits; every ten minutes for logs
 * to which all processes append, because their news pass through ingesters.
 */
const netRoundsDefault = { partition: 5_760, shared: 40 };
/**
 * Follows the catalog in rounds. Each round exchanges manifest numbers with ingesters, which commit the
 * flushes: a reader receives manifests with the answer, and passes its own numbers on. The reader polls the
 * store for logs that ingesters do not report, and rarely for all others, in case a message was lost.
 *
 * No answer of a query depends on the follower: a query reads the store up to the offset that a head states.
 */
export class CatalogFollower {
  readonly #options: CatalogFollowerOptions;
  readonly #partitions: Followed[] = [];
  readonly #shared: { readonly compactions: Followed; readonly deletes: Followed };
  readonly #netRounds: { readonly partition: number; readonly shared: number };
  #round = 0;
  #timer: TimerHandle | undefined;
  readonly #stop = new AbortController();

  constructor(options: CatalogFollowerOptions) {
    this.#options = options;
    this.#netRounds = options.netRounds ?? netRoundsDefault;
    const { catalog, requests, sharedLogs } = options;
    this.#shared = {
      compactions: this.#newFollowed('shared', catalog.compacted.number),
      deletes: this.#newFollowed('shared', requests?.state.number ?? 0),
    };
    sharedLogs?.reads('compactions', { number: () => catalog.compacted.number });
    if (requests) sharedLogs?.reads('deletes', { number: () => requests.state.number });
  }

  /**
   * Follows until `stop`; the catalog was read before. The first round starts at a random time within
   * `pollMs`, so that processes that start together do not poll together. Logs failures; the next round tries
   * again.
   */
  start(): void {
    const { timers, random, pollMs = pollMsDefault } = this.#options;
    const { signal } = this.#stop;
    const round = async (): Promise<void> => {
      await this.#follow(false, signal).catch((error: unknown) => {
        if (signal.aborted) return;
        const err = error instanceof Error ? error.message : String(error);
        this.#options.logger?.warn('the catalog could not be refreshed', { err });
      });
      if (!signal.aborted) this.#timer = timers.after(pollMs, () => void round());
    };
    this.#timer = timers.after(pollMs * random.float(), () => void round());
  }

  stop(): void {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  /**
   * Sends the commits since the last round to ingesters, and stops. Without this message readers would see
   * the last merges of a stopped compactor only with their next read of the store. Ends by the deadline of
   * `news`; never rejects.
   */
  async leave(): Promise<void> {
    this.#timer?.cancel();
    await this.#hear(this.#stop.signal).catch((error: unknown) => {
      this.#options.logger?.debug('the last news of the catalog could not be sent', { err: String(error) });
    });
    this.stop();
  }

  /**
   * Catches up with all logs: from ingesters, and from the store where ingesters report nothing.
   */
  async catchUp(signal?: AbortSignal): Promise<void> {
    await this.#follow(true, signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal);
  }

  async #follow(isEverything: boolean, signal: AbortSignal): Promise<void> {
    const { catalog } = this.#options;
    const round = ++this.#round;
    const newest = await this.#hear(signal);
    const due = catalog.partitions().flatMap(({ state }, partition) => {
      const followed = (this.#partitions[partition] ??= this.#newFollowed('partition', state.number));
      const isNews = state.number !== followed.number;
      // A query or an ingester reported a newer manifest: the pace starts over.
      if (isNews) Object.assign(followed, { number: state.number, pauseRounds: 1, nextRound: round + 1 });
      const number = newest?.get(partition);
      if (number === undefined) return isEverything || round >= followed.nextRound ? [partition] : [];
      return state.number < number || round >= followed.netRound ? [partition] : [];
    });
    await catalog.refreshSome(due, signal);
    for (const partition of due) {
      this.#looked(this.#partitions[partition], catalog.state(partition).number, 'partition');
    }
    await this.#followShared(isEverything || newest === undefined, signal);
  }

  async #followShared(isEverything: boolean, signal: AbortSignal): Promise<void> {
    const { catalog, requests, sharedLogs } = this.#options;
    const newest = sharedLogs?.numbers();
    const { compactions, deletes } = this.#shared;
    const isDue = (followed: Followed, number: number, toldNumber = 0): boolean =>
      isEverything || toldNumber > number || this.#round >= followed.netRound;
    const { compacted } = catalog;
    if (catalog.awaitsCompactions || isDue(compactions, compacted.number, newest?.compactions)) {
      await catalog.refreshCompactions(signal);
      this.#looked(compactions, compacted.number, 'shared');
    }
    if (requests && isDue(deletes, requests.state.number, newest?.deletes)) {
      await requests.load(signal);
      this.#looked(deletes, requests.state.number, 'shared');
    }
  }

  /**
   * Exchanges news with ingesters.
   *
   * @returns the newest manifests of partitions whose leaders answered, or that are newer than this process's
   *   own; undefined: no ingester answered
   */
  async #hear(signal: AbortSignal): Promise<ReadonlyMap<number, number> | undefined> {
    const { catalog, news, sharedLogs } = this.#options;
    if (!news || !sharedLogs) return undefined;
    const numbers = catalog.partitions().map(({ state }, i): [number, number] => [i, state.number]);
    const answers = await news({ partitions: new Map(numbers), shared: sharedLogs.numbers() }, signal);
    if (answers.length === 0) return undefined;
    const newest = new Map<number, number>();
    for (const { partitions, shared } of answers) {
      sharedLogs.tell(shared);
      for (const each of partitions) {
        const { partition, number, isLeader } = each;
        if (partition >= numbers.length) continue;
        const isNews = !(await catalog.learn(each));
        if (isLeader || isNews) newest.set(partition, Math.max(number, newest.get(partition) ?? 0));
      }
    }
    return newest;
  }

  #looked(followed: Followed, number: number, kind: 'partition' | 'shared'): void {
    const isNews = followed.number !== number;
    const pauseRounds = isNews ? 1 : Math.min(2 * followed.pauseRounds, pauseRoundsMax);
    // Spreads the reads of partitions that became silent together over several rounds.
    const spread = pauseRounds > 4 ? Math.floor((pauseRounds / 2) * this.#options.random.float()) : 0;
    followed.number = number;
    followed.pauseRounds = pauseRounds;
    followed.nextRound = this.#round + pauseRounds - spread;
    followed.netRound = this.#round + this.#netRounds[kind];
  }

  /**
   * Due at once without news; otherwise a random round, so that partitions and processes do not read
   * together.
   */
  #newFollowed(kind: 'partition' | 'shared', number: number): Followed {
    const netRound = this.#round + 1 + Math.floor(this.#netRounds[kind] * this.#options.random.float());
    return { number, pauseRounds: 1, nextRound: this.#round, netRound };
  }
}
