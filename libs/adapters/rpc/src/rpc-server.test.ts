/** Protects what operators and tools see of a process's gRPC port: health, reflection, TLS, limits. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { IngesterDefinition } from '@loki/proto';
import { certify } from '@loki/test-tools';
import { IngesterClient, serveIngester } from './ingester-rpc.ts';
import { rpcMethod } from './method.ts';
import { logLeaf, TestIngester, TestWorld } from './test/rpc.ts';

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const raw = (bytes: Buffer) => bytes;

function unary(address: string, method: string, request: Buffer, metadata = new Metadata()): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(method, raw, raw, request, metadata, (error, answer) => {
      client.close();
      if (error) reject(error);
      else resolve(answer!);
    });
  });
}

test('the health service tells of the whole and of each service', async () => {
  const address = await world.serve((server) => serveIngester(server, new TestIngester()));
  const check = (service: string) =>
    unary(
      address,
      '/grpc.health.v1.Health/Check',
      Buffer.concat([Buffer.from([10, service.length]), Buffer.from(service)]),
    );
  // HealthCheckResponse { status: SERVING = 1 }
  expect(await check('')).toEqual(Buffer.from([8, 1]));
  expect(await check('lokits.v1.Ingester')).toEqual(Buffer.from([8, 1]));
  await expect(check('nobody')).rejects.toMatchObject({ code: 5 });
});

test.each(['v1', 'v1alpha'])('reflection (%s) lists our services and describes Loki’s', async (version) => {
  const address = await world.serve((server) => serveIngester(server, new TestIngester()), {
    isReflecting: true,
  });
  const client = new Client(address, credentials.createInsecure());
  const ask = (field: number, text: string) =>
    new Promise<string>((resolve, reject) => {
      const call = client.makeBidiStreamRequest(
        `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        raw,
        raw,
      );
      call.on('data', (answer: Buffer) => {
        resolve(answer.toString('latin1'));
        call.end();
      });
      call.on('error', reject);
      call.write(Buffer.concat([Buffer.from([field * 8 + 2, text.length]), Buffer.from(text)]));
    });
  const services = await ask(7, '');
  for (const name of ['lokits.v1.Ingester', 'lokits.v1.Frontend', 'logproto.Pusher']) {
    expect(services).toContain(name);
  }
  expect(await ask(4, 'logproto.Pusher')).toContain('StreamAdapter');
  client.close();
});

test.each(['v1', 'v1alpha'])('reflection (%s) is off unless it is wanted', async (version) => {
  const address = await world.serve((server) => serveIngester(server, new TestIngester()));
  const method = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  await expect(unary(address, method, Buffer.from([58, 0]))).rejects.toMatchObject({ code: 12 });
});

describe('a shared token', () => {
  const serve = () =>
    world.serve((server) => serveIngester(server, new TestIngester()), { token: 'ours', isReflecting: true });

  test('lets calls of every kind pass that carry it', async () => {
    const address = await serve();
    const client = new IngesterClient(world.channel(address, { token: 'ours' }));
    expect(await client.partitions()).toEqual([0, 3, 70_000]);
    await expect(client.queryHead(0, logLeaf)).resolves.toBeDefined();
  });

  test.each(['', 'theirs', 'our', 'ourss', 'Bearer ours'])('refuses a call with %j', async (token) => {
    const ingester = new TestIngester();
    const address = await world.serve((server) => serveIngester(server, ingester), { token: 'ours' });
    const client = new IngesterClient(world.channel(address, { token }));
    await expect(client.partitions()).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('server.grpc_auth_token'),
    });
    await expect(client.queryHead(0, logLeaf)).rejects.toMatchObject({ code: 'forbidden' });
    expect(ingester.asked).toBeUndefined();
  });

  test('every service but health requires the token', async () => {
    const address = await serve();
    expect(await unary(address, '/grpc.health.v1.Health/Check', Buffer.alloc(0))).toEqual(
      Buffer.from([8, 1]),
    );
    for (const method of [
      '/lokits.v1.Ingester/Partitions',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    ]) {
      await expect(unary(address, method, Buffer.alloc(0))).rejects.toMatchObject({ code: 16 });
    }
    const metadata = new Metadata();
    metadata.set('authorization', 'ours');
    await expect(
      unary(address, '/lokits.v1.Ingester/Partitions', Buffer.alloc(0), metadata),
    ).rejects.toMatchObject({ code: 16 });
  });
});

test('a message beyond the limit is refused', async () => {
  const address = await world.serve((server) => serveIngester(server, new TestIngester()), {
    recvBytesMax: 1000,
  });
  const client = new IngesterClient(world.channel(address));
  const long = { ...logLeaf, expr: `{a="${'x'.repeat(2000)}"}` };
  await expect(client.queryHead(0, long)).rejects.toMatchObject({ code: 'overloaded' });
  await expect(client.queryHead(0, logLeaf)).resolves.toBeDefined();
});

test('a call without a tenant, or with one that is none, is refused', async () => {
  const ingester = new TestIngester();
  const address = await world.serve((server) => serveIngester(server, ingester));
  const client = new IngesterClient(world.channel(address));
  await expect(client.queryHead(0, { ...logLeaf, tenant: '..' as never })).rejects.toMatchObject({
    code: 'badTenantId',
  });
  const channel = world.channel(address);
  const method = rpcMethod(IngesterDefinition, IngesterDefinition.methods.queryHead);
  const answer = channel.serverStream(method, { partition: 0, leaf: undefined });
  await expect(answer.next()).rejects.toMatchObject({ code: 'noOrgId' });
  expect(ingester.asked).toBeUndefined();
});

describe('TLS', () => {
  let directory: string;
  const file = (name: string) => path.join(directory, name);

  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'rpc-tls-'));
    certify(directory, 'ca', ['server', 'client']);
  });
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  const serverTls = (clientAuthType: string) => ({
    certFile: file('server.crt'),
    keyFile: file('server.key'),
    clientCaFile: clientAuthType === '' ? '' : file('ca.crt'),
    clientAuthType,
  });
  const clientTls = (withCertificate: boolean) => ({
    enabled: true,
    certFile: withCertificate ? file('client.crt') : '',
    keyFile: withCertificate ? file('client.key') : '',
    caFile: file('ca.crt'),
    serverName: '',
    insecureSkipVerify: false,
  });
  const serve = (clientAuthType: string) =>
    world.serve((server) => serveIngester(server, new TestIngester()), { tls: serverTls(clientAuthType) });

  test('a server with a certificate talks to those who trust it, and to nobody in the clear', async () => {
    const address = await serve('');
    const trusting = new IngesterClient(world.channel(address, { tls: clientTls(false) }));
    expect(await trusting.partitions()).toEqual([0, 3, 70_000]);
    const clear = new IngesterClient(world.channel(address));
    await expect(clear.partitions()).rejects.toMatchObject({ code: 'unavailable' });
    const strange = new IngesterClient(world.channel(address, { tls: { ...clientTls(false), caFile: '' } }));
    await expect(strange.partitions()).rejects.toMatchObject({ code: 'unavailable' });
  });

  test.each([
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
    ['TLSv1.2', 'TLSv1.2', true],
    [undefined, 'TLSv1.2', true],
    [undefined, 'TLSv1.1', false],
  ] as const)('at least %s: a client of %s is taken: %j', async (minVersion, maxVersion, isTaken) => {
    const address = await world.serve((server) => serveIngester(server, new TestIngester()), {
      tls: { ...serverTls(''), minVersion },
    });
    const socket = connect({
      port: Number(address.split(':')[1]),
      host: 'localhost',
      ca: fs.readFileSync(file('ca.crt')),
      minVersion: 'TLSv1',
      maxVersion,
      ALPNProtocols: ['h2'],
    });
    const outcome = await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getProtocol()));
      socket.once('error', () => resolve('refused'));
    });
    socket.destroy();
    expect(outcome).toBe(isTaken ? maxVersion : 'refused');
  });

  test('a server that asks for certificates takes no client without one', async () => {
    const address = await serve('RequireAndVerifyClientCert');
    const known = new IngesterClient(world.channel(address, { tls: clientTls(true) }));
    expect(await known.partitions()).toEqual([0, 3, 70_000]);
    const unknown = new IngesterClient(world.channel(address, { tls: clientTls(false) }));
    await expect(unknown.partitions()).rejects.toMatchObject({ code: 'unavailable' });
  });
});
