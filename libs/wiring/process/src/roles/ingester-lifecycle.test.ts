// Protects an operator's word about the end of an ingester: said over HTTP, kept over restarts, taken back.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Config } from '@loki/config';
import type { HttpRequest, Logger } from '@loki/ports';
import type { InstanceState, RingInstance } from '@loki/ring';
import type { Rings } from '../cluster/rings.ts';
import { IngesterLifecycle } from './ingester-lifecycle.ts';

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
let directory: string;
beforeEach(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-lifecycle-'))));
afterEach(() => fs.rmSync(directory, { recursive: true }));

class Member {
  state: InstanceState = 'ACTIVE';
  instance: Pick<RingInstance, 'readOnly' | 'readOnlyMs'> = { readOnly: false };
  async setReadOnly(readOnly: boolean): Promise<void> {
    this.instance = { readOnly, readOnlyMs: 1_700_000_000_999 };
  }
}

async function lifecycle(over: { path?: string; kind?: string; flushes?: boolean; member?: Member } = {}) {
  const config = {
    ingester: {
      shutdownMarkerPath: over.path ?? path.join(directory, 'sub'),
      flushOnShutdown: over.flushes ?? false,
    },
    writeLog: { kind: over.kind ?? 'kafka' },
  } as Partial<Config> as Config;
  const rings = { member: () => over.member } as Partial<Rings> as Rings;
  const made = new IngesterLifecycle({ config, rings, logger });
  await made.start();
  return made;
}

const call = (method: string) => ({ method }) as HttpRequest;

test('a prepared shutdown flushes at the end, also after a restart, until it is taken back', async () => {
  const first = await lifecycle();
  expect(first.flushesAtEnd).toBe(false);
  expect(await first.prepareShutdown(call('GET'))).toMatchObject({ status: 200, body: 'unset' });
  expect(await first.prepareShutdown(call('POST'))).toEqual({ status: 204 });
  expect(await first.prepareShutdown(call('GET'))).toMatchObject({ body: 'set' });
  expect(first.flushesAtEnd).toBe(true);
  const second = await lifecycle();
  expect(second.flushesAtEnd).toBe(true);
  expect(await second.prepareShutdown(call('DELETE'))).toEqual({ status: 204 });
  expect(second.flushesAtEnd).toBe(false);
  expect((await lifecycle()).flushesAtEnd).toBe(false);
});

test('without a place for the marker it is refused with 500; a shutdown by hand has the last word', async () => {
  const none = await lifecycle({ path: '' });
  await expect(none.prepareShutdown(call('POST'))).rejects.toMatchObject({ status: 500 });
  const by = await lifecycle({ flushes: true });
  expect(by.flushesAtEnd).toBe(true);
  by.endWith({ flush: false });
  expect(by.flushesAtEnd).toBe(false);
});

test('a downscale gives away what the ingester owns, and takes it back', async () => {
  const member = new Member();
  const { preparePartitionDownscale: prepare } = await lifecycle({ member });
  const said = async (method: string) => JSON.parse((await prepare(call(method))).body as string) as unknown;
  expect(await said('GET')).toEqual({ timestamp: 0, state: 'PartitionActive' });
  expect(await said('POST')).toEqual({ timestamp: 1_700_000_000, state: 'PartitionInactive' });
  expect(member.instance.readOnly).toBe(true);
  expect(await said('GET')).toEqual({ timestamp: 1_700_000_000, state: 'PartitionInactive' });
  expect(await said('DELETE')).toEqual({ timestamp: 0, state: 'PartitionActive' });
});

test('a downscale is refused with 405 without Kafka, and with 409 before the ingester is one', async () => {
  const embedded = await lifecycle({ kind: 'embedded', member: new Member() });
  await expect(embedded.preparePartitionDownscale(call('POST'))).rejects.toMatchObject({ status: 405 });
  const joining = new Member();
  joining.state = 'JOINING';
  for (const member of [undefined, joining]) {
    const { preparePartitionDownscale } = await lifecycle({ member });
    expect(await preparePartitionDownscale(call('POST'))).toMatchObject({ status: 409 });
  }
});
