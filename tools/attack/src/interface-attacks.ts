/**
 * Attacks by one tenant through the interfaces beside queries: deletes, rules, exports, plans, tails, gRPC.
 */
import { connect } from 'node:http2';
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { openTail } from './bystander-attacks.ts';
import { bodyOf, lineBodies, pushAll } from './stored-lines.ts';

const attackMs = 8_000;
const dearPattern = '.*x'.repeat(60);
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const yaml = { 'content-type': 'application/yaml' };

function pathOf(path: string, params: Readonly<Record<string, string>>): string {
  return `${path}?${new URLSearchParams(params).toString()}`;
}

/** Streams whose pod and path are their own. */
function streamsOf(count: number): string {
  const time = `${Date.now()}000000`;
  const streams = Array.from({ length: count }, (_, i) => ({
    stream: { app: 'streams', pod: `pod-${i}-${'a'.repeat(200)}`, path: `/x/${i}` },
    values: [[time, `a line of pod ${i}`]],
  }));
  return JSON.stringify({ streams });
}

function ruleGroup(name: string, rules: number): string {
  const lines = Array.from(
    { length: rules },
    (_, i) =>
      `- alert: a${i}\n  expr: sum(rate({app="x${i}"}[1m])) > 1\n  annotations:\n    text: ${'x'.repeat(500)}`,
  );
  return `name: ${name}\ninterval: 1h\nrules:\n${lines.join('\n')}\n`;
}

/** Writes requests to connections that never read their answers. */
async function unread(attacker: Attacker, connections: number, paths: readonly string[]): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const sockets = await Promise.all(Array.from({ length: connections }, () => attacker.open()));
    for (const [i, socket] of sockets.entries()) {
      const path = paths[i % paths.length];
      socket.pause().write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: attacker\r\n\r\n`);
    }
    await sleep(2_000);
    for (const socket of sockets) socket.destroy();
  }
}

export const interfaceAttacks: readonly Attack[] = [
  {
    name: 'queries under deletes',
    about: 'queries, exports and tails of a tenant with 2,000 deletes, each with a dear pattern',
    statuses: [200, 204, 400, 404, 413, 429, 503, 504],
    flags: ['-compactor.retention-enabled=true', '-compactor.delete-request-store=filesystem'],
    async prepare(attacker) {
      await pushAll(attacker, lineBodies('m', 24_000));
      let number = 0;
      await attacker.flood(16, 15_000, async () => {
        const i = number++;
        if (i >= 2_000) return sleep(100);
        const query = `{app="m"} |~ "${i}${dearPattern}"`;
        const body = new URLSearchParams({ query, start: '1700000000' }).toString();
        return attacker.send('/loki/api/v1/delete', { method: 'POST', headers: form, body });
      });
    },
    run: (attacker) =>
      attacker.flood(8, attackMs, (turn) =>
        attacker.send(
          [
            pathOf('/loki/api/v1/query_range', { query: '{app="m"}', limit: '5000' }),
            pathOf('/loki/api/v1/query_range', { query: `sum(count_over_time({app="m"}[1m]))`, step: '1' }),
            pathOf('/loki/api/v1/index/volume', { query: '{app="m"}' }),
            '/loki/api/v1/delete',
          ][turn % 4],
        ),
      ),
  },
  {
    name: 'equal tails',
    about: '1,000 tails of one query beside pushes',
    flags: ['-querier.max-concurrent-tail-requests=1000'],
    async run(attacker) {
      const query = '{app=~"m.*"} |~ "user9.*x"';
      const sockets = await Promise.all(Array.from({ length: 1_000 }, () => openTail(attacker, query)));
      for (const socket of sockets) socket.resume();
      await attacker.flood(2, attackMs, (turn) =>
        attacker.push(bodyOf('m', [`line ${turn} of user9 x`, `line ${turn} of user8`])),
      );
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: 'tails that come and go',
    about: 'tails that are opened and hung up without end, and upgrades whose headers stop',
    async run(attacker) {
      const stopped = await Promise.all(Array.from({ length: 500 }, () => attacker.open()));
      const head =
        'GET /loki/api/v1/tail?query=%7Ba%3D%22b%22%7D HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n';
      for (const socket of stopped) socket.write(head);
      await attacker.flood(32, attackMs, async (turn) => {
        const socket = await openTail(attacker, `{app="${turn}"}`);
        socket.resume();
        await sleep(turn % 3 === 0 ? 0 : 20);
        socket.destroy();
      });
      for (const socket of stopped) socket.destroy();
    },
  },
  {
    name: 'listed rules',
    about: 'lists of 8,000 rules in 400 groups',
    statuses: [200, 202, 400, 404, 429, 503],
    flags: [
      '-ruler.enable-api=true',
      '-ruler.max-rules-per-rule-group=0',
      '-ruler.max-rule-groups-per-tenant=0',
    ],
    prepare: (attacker) => {
      let group = 0;
      return attacker.flood(8, 10_000, async () => {
        const i = group++;
        if (i >= 400) return sleep(100);
        const body = ruleGroup(`g${i}`, 20);
        return attacker.send(`/loki/api/v1/rules/n${i % 100}`, { method: 'POST', headers: yaml, body });
      });
    },
    run: (attacker) =>
      attacker.flood(8, attackMs, (turn) =>
        attacker.send(
          ['/loki/api/v1/rules', '/prometheus/api/v1/rules', '/prometheus/api/v1/alerts'][turn % 3],
        ),
      ),
  },
  {
    name: 'plans',
    about:
      'shards of a byte, explained queries of 250 selectors, statistics and label values with dear patterns',
    statuses: [200, 204, 400, 404, 413, 422, 429, 503],
    prepare: (attacker) => pushAll(attacker, [streamsOf(4_800)]),
    run: (attacker) =>
      attacker.flood(8, attackMs, (turn) => {
        const dear = `{app="streams",pod=~"pod${'.*a'.repeat(60)}${turn}"}`;
        const all = Array.from({ length: 250 }, (_, i) => `rate({app="streams",path="/x/${i}"}[1m])`);
        const query = '{app="streams"}';
        return attacker.send(
          [
            pathOf('/loki/api/v1/index/shards', { query, targetBytesPerShard: '1' }),
            pathOf('/loki/api/v1/explain', { query: all.join(' or '), step: '1' }),
            pathOf('/loki/api/v1/index/stats', { query: dear }),
            pathOf('/loki/api/v1/label/pod/values', { query: dear }),
            pathOf('/loki/api/v1/detected_labels', { query }),
            pathOf('/loki/api/v1/labels', { query: dear }),
          ][turn % 6],
        );
      }),
  },
  {
    name: 'unread exports',
    about: 'exports and lists of 4,800 streams that 100 connections ask for and do not read',
    async prepare(attacker) {
      await pushAll(attacker, lineBodies('m', 96_000));
      await pushAll(attacker, [streamsOf(4_800)]);
    },
    run: (attacker) =>
      unread(attacker, 100, [
        pathOf('/loki/api/v1/export', { query: '{app="m"}' }),
        pathOf('/loki/api/v1/series', { 'match[]': '{app="streams"}' }),
        pathOf('/loki/api/v1/label/pod/values', {}),
      ]),
  },
  {
    name: 'gRPC metadata',
    about: 'calls with 15 KB of metadata, 1,000 at a time',
    async run({ grpcPort }) {
      const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'v'.repeat(140)]));
      const endMs = performance.now() + attackMs;
      while (performance.now() < endMs) {
        const session = connect(`http://127.0.0.1:${grpcPort}`).on('error', () => undefined);
        for (let i = 0; i < 1_000 && !session.destroyed; i++) {
          const call = session.request({
            ...headers,
            ':method': 'POST',
            ':path': '/lokits.v1.Distributor/Push',
            'content-type': 'application/grpc',
          });
          call.on('error', () => undefined).resume();
          call.end();
          if (i % 50 === 0) await sleep(5);
        }
        await sleep(200);
        session.destroy();
      }
    },
  },
];
