/** Asks the members of a ring for their own status: operators may ask any process about the whole system. */
import type { RpcPeer } from '@loki/config';
import type { RouteId } from '@loki/http';
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest, HttpResponse } from '@loki/ports';
import type { ObservedInstance } from '@loki/ring';
import { RouteClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import type { RingName, Rings } from '../cluster/rings.ts';
import type { Roles } from '../roles/roles.ts';

/** Handlers by their routes. */
export type Handlers = Partial<Readonly<Record<RouteId, HttpHandler>>>;

/** The rings of this process, and its own answers. */
export interface RingMembersDeps {
  readonly rings: Rings;
  readonly roles: Pick<Roles, 'channels'>;
  readonly own: Handlers;
}

/** Status of one process; `error` has the reason if it could not be read. */
export interface MemberStatus<T> {
  readonly instance: string;
  readonly zone: string;
  readonly status?: T;
  readonly error?: string;
}

/** Deadline for each process: a stopped one should not delay the answer longer. */
const askDeadlineMs = 5_000;
/** Maximum of called members. */
const membersMax = 1_000;

/** The members of a ring, to send all of them the same request. */
export class RingMembers {
  readonly #deps: RingMembersDeps;
  readonly #name: RingName;
  readonly #channels: ChannelPool;

  constructor(deps: RingMembersDeps, name: RingName, peer: RpcPeer) {
    this.#deps = deps;
    this.#name = name;
    this.#channels = deps.roles.channels(peer);
  }

  /** The present members. */
  async list(): Promise<readonly ObservedInstance[]> {
    const { ring } = await this.#deps.rings.view(this.#name);
    const members = ring.instances.slice(0, membersMax);
    this.#channels.keep(new Set(members.map(({ address }) => address)));
    return members;
  }

  /** Whether a member is this process. */
  isOwn({ id }: ObservedInstance): boolean {
    return id === this.#deps.rings.idIn(this.#name);
  }

  /** @throws LokiError `unavailable` when the ring has no members */
  async ask<T>(route: RouteId, request: HttpRequest): Promise<MemberStatus<T>[]> {
    const members = await this.list();
    if (members.length === 0) throw new LokiError('unavailable', `the ring of ${this.#name} has no members`);
    return this.askThese(members, route, request);
  }

  /** Asks some of the members; each has five seconds. */
  async askThese<T>(
    members: readonly ObservedInstance[],
    route: RouteId,
    request: HttpRequest,
  ): Promise<MemberStatus<T>[]> {
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
      members.map(async (member): Promise<MemberStatus<T>> => {
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

  async #askOne(member: ObservedInstance, route: RouteId, request: HttpRequest): Promise<HttpResponse> {
    const ownHandler = this.isOwn(member) ? this.#deps.own[route] : undefined;
    if (ownHandler) return ownHandler(request);
    const { address, isHealthy } = member;
    if (!isHealthy) throw new LokiError('unavailable', 'the heartbeats of this member have stopped');
    const client = new RouteClient(this.#channels.to(address), { deadlineMs: askDeadlineMs });
    return client.call(route, request);
  }
}
