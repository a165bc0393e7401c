/** `/partitions` and `/compaction`: the state of the whole system, from any process. */
import type { CompactorStatus } from '@loki/compactor';
import type { Config, RpcPeer } from '@loki/config';
import type { RouteId } from '@loki/http';
import type { PartitionStatus } from '@loki/ingester';
import { LokiError } from '@loki/model';
import { jsonResponse } from '@loki/ports';
import type { HttpHandler, HttpRequest, HttpResponse } from '@loki/ports';
import { partitionOwners } from '@loki/ring';
import type { ObservedInstance } from '@loki/ring';
import { RouteClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import type { RingName, Rings } from '../cluster/rings.ts';
import type { Roles } from '../roles/roles.ts';

type Handlers = Partial<Readonly<Record<RouteId, HttpHandler>>>;

/** Status of this process's own work, for operators and for the summaries below. */
export function ownStatusHandlers({ ingester, compactor }: Roles): Handlers {
  return {
    ...(ingester
      ? { ingesterPartitions: async () => jsonResponse({ partitions: await ingester.status() }) }
      : {}),
    ...(compactor ? { compactorStatus: () => jsonResponse(compactor.status()) } : {}),
  };
}

interface SystemStatusDeps {
  readonly config: Config;
  readonly rings: Rings;
  readonly roles: Roles;
  readonly own: Handlers;
}

/** Status of one process; `error` has the reason if it could not be read. */
interface MemberStatus<T> {
  readonly instance: string;
  readonly zone: string;
  readonly status?: T;
  readonly error?: string;
}

/** Deadline for each process: a stopped one should not delay the answer longer. */
const askDeadlineMs = 5_000;
/** Bound on the members that are asked. */
const membersMax = 1_000;

/**
 * `/partitions` and `/compaction`: the status of all ingesters or all compactors, from any process that knows
 * their ring.
 */
export function systemStatusHandlers(deps: SystemStatusDeps): Handlers {
  const ingesters = new Members(deps, 'ring', 'ingester');
  const compactors = new Members(deps, 'compactor', 'compactor');
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
      const there = answers.flatMap(({ instance, zone, status }) =>
        status ? [{ instance, zone, ...status }] : [],
      );
      return jsonResponse({ compactors: there, failures: failuresOf(answers) });
    },
  };
}

function failuresOf(answers: readonly MemberStatus<unknown>[]): { instance: string; error: string }[] {
  return answers.flatMap(({ instance, error }) => (error === undefined ? [] : [{ instance, error }]));
}

/** The members of a ring, to send all of them the same request. */
class Members {
  readonly #deps: SystemStatusDeps;
  readonly #name: RingName;
  readonly #channels: ChannelPool;

  constructor(deps: SystemStatusDeps, name: RingName, peer: RpcPeer) {
    this.#deps = deps;
    this.#name = name;
    this.#channels = deps.roles.channels(peer);
  }

  async ask<T>(route: RouteId, request: HttpRequest): Promise<MemberStatus<T>[]> {
    const { ring } = await this.#deps.rings.view(this.#name);
    const there = ring.instances.slice(0, membersMax);
    if (there.length === 0) throw new LokiError('unavailable', `the ring of ${this.#name} has no members`);
    this.#channels.keep(new Set(there.map(({ address }) => address)));
    const statusRequest: HttpRequest = {
      method: 'GET',
      path: request.path,
      params: new Map(),
      queryText: '',
      headers: new Map(),
      body: Buffer.alloc(0),
      remoteAddress: request.remoteAddress,
      signal: request.signal,
    };
    return Promise.all(
      there.map(async (member): Promise<MemberStatus<T>> => {
        const { id: instance, zone } = member;
        try {
          const { status, body = '' } = await this.#askOne(member, route, statusRequest);
          const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
          if (status !== 200) return { instance, zone, error: `${status} ${text}` };
          return { instance, zone, status: JSON.parse(text) as T };
        } catch (error) {
          return { instance, zone, error: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
  }

  async #askOne(
    { id, address, isHealthy }: ObservedInstance,
    route: RouteId,
    request: HttpRequest,
  ): Promise<HttpResponse> {
    const { rings, own } = this.#deps;
    const ownHandler = id === rings.id ? own[route] : undefined;
    if (ownHandler) return ownHandler(request);
    if (!isHealthy) throw new LokiError('unavailable', 'the heartbeats of this member have stopped');
    const client = new RouteClient(this.#channels.to(address), { deadlineMs: askDeadlineMs });
    return client.call(route, request);
  }
}
