/**
 * Protects the first minutes of a developer: the configuration of development is one that every app starts
 * with.
 */
import fs from 'node:fs';
import path from 'node:path';
import { loadConfig } from '@loki/config';
import type { Config } from '@loki/config';
import { devCommand, root } from './dev-member.ts';
import { appNames, memberOf, membersOf, wholeSystem } from './members.ts';
import type { Member } from './members.ts';

const services = { KAFKA_BROKERS: 'broker:1,broker:2', REDIS_ENDPOINT: 'redis:1' };
const bucket = {
  LOKI_OBJECT_STORE: 's3',
  S3_ENDPOINT: 'http://minio:1',
  S3_BUCKET: 'b',
  S3_ACCESS_KEY: 'k',
  S3_SECRET_KEY: 's',
};

async function configOf(member: Member, variables: Record<string, string>): Promise<Config> {
  const { args, env } = devCommand(member, '/data', variables);
  const target = member.app === 'loki' ? 'all' : member.app;
  const loaded = await loadConfig({
    argv: [`-target=${target}`, ...args],
    env: (name) => env[name],
    readText: async (file) => fs.readFileSync(path.join(root, file), 'utf8'),
    versionText: '',
  });
  if (loaded.kind === 'exit') throw new Error(loaded.stderr);
  return loaded.config;
}

test.each(appNames)('%s has a configuration, with a bucket and without', async (app) => {
  const member = memberOf(app, 2, 3100);
  const plain = await configOf(member, services);
  expect(plain.server).toMatchObject({ httpListenPort: member.httpPort, grpcListenPort: member.grpcPort });
  expect(plain.storage).toMatchObject({
    kind: 'filesystem',
    directory: app === 'loki' ? '/data/alone/store' : '/data/store',
  });
  if (app === 'loki') {
    expect(plain.ring).toMatchObject({ store: 'memory', replicationFactor: 1 });
    expect(plain.writeLog.kind).toBe('embedded');
    return;
  }
  expect(plain.ring).toMatchObject({
    store: 'redis',
    instanceId: `${app}-2`,
    zone: 'zone-b',
    replicationFactor: 3,
    zoneAwarenessEnabled: true,
  });
  expect(plain.writeLog).toMatchObject({ kind: 'kafka', partitions: 8 });
  expect(plain.writeLog.kafka.writerAddresses).toEqual(['broker:1', 'broker:2']);
  const stored = await configOf(member, { ...services, ...bucket });
  expect(stored.storage).toMatchObject({ kind: 's3', bucket: 'b', accessKeyId: 'k' });
  expect(stored.ruler.storage).toMatchObject({ kind: 's3', bucket: 'b' });
});

test('no two members share a name or a port', () => {
  const all = [
    ...membersOf(wholeSystem, (app, number) => memberOf(app, number, 3100)),
    memberOf('loki', 1, 3100),
  ];
  for (const key of ['name', 'httpPort', 'grpcPort'] as const) {
    expect(new Set(all.map((member) => member[key])).size).toBe(all.length);
  }
  expect(new Set(all.filter(({ app }) => app === 'ingester').map(({ zone }) => zone)).size).toBe(3);
});
