/** Owners of partitions in a simulated cluster, over the virtual network. */
import type { CatalogNewsSource, Partitions } from '@loki/catalog';
import { LokiError } from '@loki/model';
import type { HeadAnswer, IngesterService, LeafResult, StreamVolume } from '@loki/ports';
import type { PartitionOwners } from '@loki/querier';
import { partitionOwners } from '@loki/ring';
import type { RingView } from '@loki/ring';
import type { Birth, ClusterWorld } from './cluster-world.ts';

interface NetworkOwnersDeps {
  readonly birth: Birth;
  readonly view: RingView;
  readonly world: ClusterWorld;
  readonly partitions: Pick<Partitions, 'asked' | 'current'>;
  readonly replicationFactor: number;
}

/**
 * Members that answer for a partition, over the network: its owners in turn, then leaving members, then the
 * next ones on the ring.
 */
export class NetworkOwners implements PartitionOwners {
  readonly #deps: NetworkOwnersDeps;
  #turn = 0;

  constructor(deps: NetworkOwnersDeps) {
    this.#deps = deps;
  }

  partitions(): readonly number[] {
    return Array.from({ length: this.#deps.partitions.asked }, (_, partition) => partition);
  }

  current(signal?: AbortSignal): Promise<void> | undefined {
    return this.#deps.partitions.current(signal);
  }

  owners(partition: number): readonly IngesterService[] {
    const { view, replicationFactor } = this.#deps;
    const walked = partitionOwners(view.ring, partition, 2 * replicationFactor);
    const ids = walked.slice(0, replicationFactor);
    const turn = ids.length === 0 ? 0 : this.#turn++ % ids.length;
    const leaving = view.ring.instances.filter(({ id, state }) => state === 'LEAVING' && !ids.includes(id));
    const names = [
      ...ids.slice(turn),
      ...ids.slice(0, turn),
      ...leaving.map(({ id }) => id),
      ...walked.slice(replicationFactor),
    ];
    return names.map((name) => this.#ingester(name));
  }

  /** The number of healthy ingesters by the ring. */
  async flush(): Promise<void> {
    const healthy = this.#deps.view.ring.instances.filter(({ isHealthy }) => isHealthy);
    await Promise.all(healthy.map(({ id }) => this.#ingester(id).flush()));
  }

  /** As each process that reads does: an ingester that does not answer is left out. */
  catalogNews(): CatalogNewsSource {
    return async (numbers) => {
      const healthy = this.#deps.view.ring.instances.filter(({ isHealthy }) => isHealthy);
      const questions = healthy.map(({ id }) => this.#ingester(id).catalogNews!(numbers));
      const answers = await Promise.allSettled(questions);
      return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    };
  }

  #ingester(name: string): IngesterService {
    const { birth, world } = this.#deps;
    const call = <T>(work: (ingester: IngesterService) => Promise<T>): Promise<T> => {
      const node = world.ingesterOf(name);
      return world.network.call(
        birth.process,
        { from: birth.name, to: { name, process: node?.process } },
        () => {
          if (!node) throw nobody(name);
          return work(node.ingester);
        },
      );
    };
    return {
      partitions: () => call((ingester) => ingester.partitions()),
      queryHead: (partition, request): Promise<HeadAnswer<LeafResult>> =>
        call((ingester) => ingester.queryHead(partition, request)),
      headStreams: (partition, request): Promise<HeadAnswer<readonly StreamVolume[]>> =>
        call((ingester) => ingester.headStreams(partition, request)),
      catalogNews: (numbers) => call((ingester) => ingester.catalogNews!(numbers)),
      tail: () => {
        throw nobody(name);
      },
      flush: () => call((ingester) => ingester.flush()),
    };
  }
}

function nobody(name: string): LokiError {
  return new LokiError('unavailable', `${name} is not there`);
}
