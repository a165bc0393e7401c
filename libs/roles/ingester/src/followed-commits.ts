/** Decides when a partition's owner reads the commits of others: a follower's part in step *commit*. */
import { mib } from '@loki/model';
import type { Flusher } from './flusher.ts';
import type { PartitionProgress } from './partition-progress.ts';

/**
 * Maximum of rounds of `flushCheckMs` between two reads of the leader's commits by a follower: a minute. The
 * pause doubles with each read without news, so a follower never keeps rows for longer than twice the time
 * between commits.
 */
const pauseRoundsMax = 12;
/**
 * A head of this size, or a full one, may delay the log: its follower reads the commits in each round,
 * independent of readers. A flush is due at about 12 MiB.
 */
const largeHeadBytes = 8 * mib;

/** The commits that other owners make: read because time has passed, or because a reader knows newer ones. */
export class FollowedCommits {
  readonly #progress: PartitionProgress;
  readonly #flusher: Flusher;
  /** Since the last read of others' commits a reader has reported no newer manifest. */
  #isToldCurrent = false;
  #following: Promise<void> | undefined;
  #rounds = 0;
  #pauseRounds = 1;

  constructor(progress: PartitionProgress, flusher: Flusher) {
    this.#progress = progress;
    this.#flusher = flusher;
  }

  /**
   * A reader has read manifests up to `readerNumber`; this owner up to `ownNumber`. When the reader is ahead,
   * newer manifests are read in the background; one read at a time.
   */
  noteReader(readerNumber: number, ownNumber: number): void {
    if (readerNumber === ownNumber) this.#isToldCurrent = true;
    if (!Number.isFinite(readerNumber) || readerNumber <= ownNumber) return;
    this.#following ??= this.#flusher
      .followCommits()
      .catch(() => undefined) // Stopped meanwhile: other failures are tried again.
      .finally(() => (this.#following = undefined));
  }

  /**
   * Called every `flushCheckMs`: reads others' commits when it is time. A leader makes the commits itself.
   */
  async round(): Promise<void> {
    const { head, isFull } = this.#progress;
    // An empty head has no rows that a commit would remove.
    if (this.#flusher.isLeader || head.records.length === 0) {
      this.#rounds = 0;
      return;
    }
    this.#rounds++;
    const isUrgent = isFull || head.memoryBytes > largeHeadBytes;
    if (this.#rounds < this.#pauseRounds && !isUrgent) return;
    const isNews = await this.#follow(isUrgent);
    this.#pauseRounds = isNews ? 1 : Math.min(2 * this.#pauseRounds, pauseRoundsMax);
    this.#rounds = 0;
  }

  /** Resolves when no read runs in the background. */
  async idle(): Promise<void> {
    await this.#following;
  }

  /** @returns whether others have committed since the last look */
  async #follow(isUrgent: boolean): Promise<boolean> {
    const { committedOffset } = this.#progress;
    if (isUrgent || !this.#isToldCurrent) await this.#flusher.followCommits();
    this.#isToldCurrent = false;
    return this.#progress.committedOffset > committedOffset;
  }
}
