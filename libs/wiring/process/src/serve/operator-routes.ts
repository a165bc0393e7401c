/**
 * `/partitions` and `/compaction`: the state of the whole system, from any process; `/compactor/merge`: work
 * of one.
 */
import type { CompactorStatus } from '@loki/compactor';
import type { Config } from '@loki/config';
import type { PartitionStatus } from '@loki/ingester';
import { jsonResponse } from '@loki/ports';
import { partitionOwners } from '@loki/ring';
import type { Roles } from '../roles/roles.ts';
import { RingMembers } from './ring-members.ts';
import type { Handlers, MemberStatus, RingMembersDeps } from './ring-members.ts';

/** Status of this process's own work, for operators and for the summaries below. */
export function ownStatusHandlers({ ingester, compactor }: Roles): Handlers {
  return {
    ...(ingester
      ? { ingesterPartitions: async () => jsonResponse({ partitions: await ingester.status() }) }
      : {}),
    ...(compactor ? { compactorStatus: () => jsonResponse(compactor.status()) } : {}),
  };
}

/** Work of this process alone that operators request. */
export function ownWorkHandlers({ compactor }: Roles): Handlers {
  if (!compactor) return {};
  return {
    compactorMerge: () => {
      compactor.mergeAll();
      return Promise.resolve({ status: 202, headers: {}, body: '' });
    },
  };
}

interface SystemStatusDeps extends RingMembersDeps {
  readonly config: Config;
  readonly roles: Roles;
}

/**
 * `/partitions` and `/compaction`: the status of all ingesters or all compactors, from any process that knows
 * their ring.
 */
export function systemStatusHandlers(deps: SystemStatusDeps): Handlers {
  const ingesters = new RingMembers(deps, 'ring', 'ingester');
  const compactors = new RingMembers(deps, 'compactor', 'compactor');
  return {
    partitions: async (request) => {
      const { config } = deps;
      const view = await deps.rings.view('ring');
      const answers = await ingesters.ask<{ partitions: PartitionStatus[] }>('ingesterPartitions', request);
      // A gateway reads no store: ingesters know of partitions that were added.
      const numbers = answers.flatMap(
        ({ status }) => status?.partitions.map(({ partition }) => partition) ?? [],
      );
      const length = numbers.reduce((most, each) => Math.max(most, each + 1), deps.roles.partitionCount());
      const partitions = Array.from({ length }, (_, partition) => ({
        partition,
        owners: partitionOwners(view.ring, partition, config.ring.replicationFactor),
        instances: answers.flatMap(({ instance, zone, status }) => {
          const partitionStatus = status?.partitions.find((each) => each.partition === partition);
          return partitionStatus ? [{ instance, zone, ...partitionStatus }] : [];
        }),
      }));
      return jsonResponse({ partitions, failures: failuresOf(answers) });
    },
    compaction: async (request) => {
      const answers = await compactors.ask<CompactorStatus>('compactorStatus', request);
      const statuses = answers.flatMap(({ instance, zone, status }) =>
        status ? [{ instance, zone, ...status }] : [],
      );
      return jsonResponse({ compactors: statuses, failures: failuresOf(answers) });
    },
  };
}

/** Members that did not answer, and why. */
export function failuresOf(answers: readonly MemberStatus<unknown>[]): { instance: string; error: string }[] {
  return answers.flatMap(({ instance, error }) => (error === undefined ? [] : [{ instance, error }]));
}
