/** Protects what operators and tools see of a process's gRPC port: health, reflection, TLS, limits. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { IngesterDefinition } from '@loki/proto';
import { certify } from '@loki/test-tools';
import { IngesterClient, serveIngester } from './ingester-rpc.ts';
import { rpcMethod } from './method.ts';
import { logLeaf, TestIngester, TestWorld } from './test-rpc.ts';

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
  const address = await world.serve((server) => serveIngester(server, new TestIngester()));
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

  test('a server that asks for certificates takes no client without one', async () => {
    const address = await serve('RequireAndVerifyClientCert');
    const known = new IngesterClient(world.channel(address, { tls: clientTls(true) }));
    expect(await known.partitions()).toEqual([0, 3, 70_000]);
    const unknown = new IngesterClient(world.channel(address, { tls: clientTls(false) }));
    await expect(unknown.partitions()).rejects.toMatchObject({ code: 'unavailable' });
  });
});
