/**
 * Pushes over one long-lived stream beside one unary call for each, client and server in one process:
 * `npx node libs/adapters/rpc/src/test/push.bench.ts`. CPU of both ends together.
 */
import { parseTenantId } from '@loki/model';
import type { DistributorService, HttpRequest } from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { PushClient } from '../push-client.ts';
import { servePushes } from '../push-server.ts';
import { pusherMethod, servePusher } from '../pusher.ts';
import { RpcChannel } from '../rpc-channel.ts';
import { RpcServer } from '../rpc-server.ts';

const timers = new NodeTimers();
const tenant = parseTenantId('bench');
const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const distributor: DistributorService = { push: async () => ({ status: 204 }) };
const inflight = 32;

async function main(): Promise<void> {
  const server = new RpcServer({ address: '127.0.0.1', port: 0, logger });
  servePushes(server, distributor, { timers, bodyBytesMax: 16 << 20, inflightBytesMax: 64 << 20 });
  servePusher(server, distributor, (ofCall) => ofCall());
  const channel = new RpcChannel(`localhost:${await server.listen()}`, { clock: new NodeClock() });
  const client = new PushClient(channel, { timers });
  const { signal } = new AbortController();
  for (const size of [1024, 64 * 1024, 1024 * 1024]) {
    const body = Buffer.alloc(size, 'some bytes, ');
    const request: HttpRequest = {
      method: 'POST',
      path: '/loki/api/v1/push',
      params: new Map(),
      queryText: '',
      headers: new Map([['content-type', 'application/x-protobuf']]),
      body,
      remoteAddress: '',
      signal,
    };
    const count = size > 100_000 ? 300 : 3000;
    await measure(`stream ${size}`, count, () => client.push(tenant, request));
    await measure(`unary  ${size}`, count, () => channel.unary(pusherMethod, body, { tenant }));
  }
  client.close();
  channel.close();
  await server.stop((cut) => timers.after(100, cut));
}

async function measure(name: string, count: number, push: () => Promise<unknown>): Promise<void> {
  await push();
  const before = process.cpuUsage();
  let left = count;
  const work = async () => {
    while (left-- > 0) await push();
  };
  await Promise.all(Array.from({ length: inflight }, work));
  const { user, system } = process.cpuUsage(before);
  console.log(`${name.padEnd(16)} ${((user + system) / count).toFixed(0)} µs CPU per push`);
}

await main();
