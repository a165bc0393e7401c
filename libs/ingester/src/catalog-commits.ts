import { PartitionCatalog } from '@loki/catalog';
import type { EntryContent } from '@loki/catalog';
import type { Logger, ObjectStore } from '@loki/ports';
import type { Commit, CommittedState, PartitionCommits } from './commit.ts';
import { usOf } from './time.ts';

export interface CatalogCommitsOptions {
  readonly objectStore: ObjectStore;
  readonly partition: number;
  readonly logger: Logger;
}

/** A partition's commits in the catalog. Calls take turns, as the catalog wants it. */
export class CatalogCommits implements PartitionCommits {
  readonly #catalog: PartitionCatalog;
  readonly #logger: Logger;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogCommitsOptions) {
    this.#catalog = new PartitionCatalog(options);
    this.#logger = options.logger;
  }

  load(signal?: AbortSignal): Promise<CommittedState> {
    return this.#inTurn(async () => {
      await this.#catalog.load(signal);
      const { endOffset, writers, newestNs } = this.#catalog.state;
      return {
        endOffset,
        writers,
        newestUs: newestNs === undefined ? Number.NEGATIVE_INFINITY : usOf(newestNs),
      };
    });
  }

  commit(commit: Commit, signal?: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const { outcome } = await this.#catalog.commit(contentOf(commit), signal);
      if (outcome === 'lost') return false;
      await this.#catalog.checkpoint(signal).catch((error: unknown) => {
        // It only saves time at the next start, and the next commit tries again.
        const err = error instanceof Error ? error.message : String(error);
        this.#logger.warn('no catalog checkpoint', { partition: this.#catalog.partition, err });
      });
      return true;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined); // the caller hears of it through `done`
    return done;
  }
}

function contentOf({ segment, ...commit }: Commit): EntryContent {
  const entry = segment && {
    key: segment.key,
    sizeBytes: segment.bytes.length,
    level: 0,
    sections: segment.sections,
  };
  return { ...commit, segment: entry, drops: [], erased: [] };
}
