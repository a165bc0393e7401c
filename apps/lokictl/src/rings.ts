/** `lokictl ring` and `forget`: members of rings. */
import { adminFlags, AdminClient, AdminError } from './admin-client.ts';
import { UsageError } from './command.ts';
import type { Command, ParsedArgs } from './command.ts';
import { ageText, tableText } from './table.ts';

/** Components with a ring, and the route of each. */
const ringPaths: ReadonlyMap<string, string> = new Map([
  ['ingester', '/ring'],
  ['distributor', '/distributor/ring'],
  ['query-frontend', '/scheduler/ring'],
  ['compactor', '/compactor/ring'],
  ['ruler', '/ruler/ring'],
  ['index-gateway', '/indexgateway/ring'],
  ['pattern-ingester', '/pattern/ring'],
]);
const ringNames = [...ringPaths.keys()].join(', ');

/** The answer of `/ring`. */
interface RingAnswer {
  readonly shards: readonly {
    readonly id: string;
    readonly state: string;
    readonly address: string;
    readonly timestamp: string;
    readonly registered_timestamp: string;
    readonly read_only: boolean;
    readonly zone: string;
    readonly tokens: readonly number[];
  }[];
  readonly now: string;
}

/** `lokictl ring [NAME]` */
export const ring: Command = {
  words: ['ring'],
  arguments: ['[NAME]'],
  summary: `Shows the members of a ring and their state. Rings: ${ringNames}. Default: ingester.`,
  flags: adminFlags,
  async run(args, io) {
    const path = pathOf(args.positional[0] ?? 'ingester');
    const client = await AdminClient.one(args, io);
    const answer = await client.json<RingAnswer>(path);
    if (args.flags.has('json')) {
      io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
      return 0;
    }
    const nowMs = Date.parse(answer.now);
    const shares = sharesOf(answer);
    const rows = answer.shards.map((each, i) => [
      each.id,
      each.read_only ? `${each.state} (read only)` : each.state,
      each.zone || '-',
      each.address,
      ageText(nowMs - Date.parse(each.timestamp)),
      String(each.tokens.length),
      `${(100 * shares[i]).toFixed(1)} %`,
    ]);
    io.out(tableText(['INSTANCE', 'STATE', 'ZONE', 'ADDRESS', 'HEARTBEAT', 'TOKENS', 'SHARE'], rows));
    return 0;
  },
};

/** `lokictl forget INSTANCE` */
export const forget: Command = {
  words: ['forget'],
  arguments: ['INSTANCE'],
  summary: 'Removes a dead instance from its ring. The others take over its work.',
  flags: [
    ...adminFlags.filter(({ name }) => name !== 'json'),
    { name: 'ring', value: 'NAME', summary: `ring of the instance: ${ringNames}; default: ingester` },
    {
      name: 'force',
      summary:
        'also remove an instance that was heard lately. Others count on it until heartbeat_timeout, and it comes back if it lives',
    },
  ],
  async run(args: ParsedArgs, io) {
    const [id] = args.positional;
    const path = pathOf(args.flags.get('ring') ?? 'ingester');
    const client = await AdminClient.one(args, io);
    const { shards, now } = await client.json<RingAnswer>(path);
    const instance = shards.find((each) => each.id === id);
    if (!instance) {
      const members = shards.map((each) => each.id).join(', ') || 'none';
      throw new AdminError(`${id} is not in this ring; its members: ${members}`);
    }
    if (instance.state !== 'UNHEALTHY' && !args.flags.has('force')) {
      const heartbeatAge = ageText(Date.parse(now) - Date.parse(instance.timestamp));
      throw new AdminError(
        `${id} is ${instance.state}, last heartbeat ${heartbeatAge}: stop it first, or use --force`,
      );
    }
    const { status, text } = await client.send('POST', path, new URLSearchParams({ forget: id }));
    if (status !== 302 && status !== 200) {
      throw new AdminError(`${client.address}: ${path}: ${status} ${text.trim()}`);
    }
    const wasHeard = instance.state !== 'UNHEALTHY';
    io.out(
      `${id} is removed from the ring${wasHeard ? '; other processes use it until its heartbeat times out' : ''}\n`,
    );
    return 0;
  },
};

function pathOf(name: string): string {
  const path = ringPaths.get(name);
  if (path === undefined) throw new UsageError(`${name} is not a ring; there are: ${ringNames}`);
  return path;
}

/** Each member's share of all hashes, from the distances between tokens. */
function sharesOf({ shards }: RingAnswer): number[] {
  const shares = shards.map(() => 0);
  const tokens = shards.flatMap((each, member) => each.tokens.map((token) => ({ token, member })));
  tokens.sort((a, b) => a.token - b.token);
  const whole = 2 ** 32;
  tokens.forEach(({ token, member }, i) => {
    const before = i === 0 ? tokens[tokens.length - 1].token - whole : tokens[i - 1].token;
    shares[member] += (token - before) / whole;
  });
  return shares;
}
