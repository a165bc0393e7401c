/**
 * Protects the built product: with Node and nothing else — no sources, no packages beside it — every app
 * starts, and all that is loaded late (threads, clients of services, files of packages) is there.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { build } from './build.ts';
import type { Product } from './build.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const revision = '0123456789abcdef0123456789abcdef01234567';

let directory: string;
let dist: string;
let product: Product;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-build-'));
  dist = path.join(directory, 'dist');
  product = await build({ root, outdir: dist, revision, builtAt: '2024-01-01T00:00:00.000Z' });
});

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

/** Runs the product in an empty folder, without the variables of npm. */
function run(...args: string[]) {
  const cwd = fs.mkdtempSync(path.join(directory, 'empty-'));
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { HOME: cwd } });
}

describe('the built product', () => {
  test('holds no test, no map, no declaration and no source', () => {
    const files = fs.readdirSync(dist, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /\.(?:ts|map)$|\.test\.|\/test\//.test(file))).toEqual([]);
    expect(product.apps).toEqual(
      expect.arrayContaining(['gateway', 'ingester', 'lokictl', 'canary', 'loki']),
    );
  });

  test('its code has no indentation, no comments of ours and short lines', () => {
    const texts = fs.readdirSync(dist).filter((file) => /\.c?js$/.test(file));
    const lines = texts.flatMap((file) => fs.readFileSync(path.join(dist, file), 'utf8').split('\n'));
    // Texts of several lines may be indented, and a token is not broken.
    const share = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length / lines.length;
    expect(lines.length).toBeGreaterThan(5_000);
    expect(share(/^ {2}/)).toBeLessThan(0.02);
    expect(share(/^ *\/\/ (?:apps|libs|node_modules)\//)).toBe(0);
    expect(share(/^.{400}/)).toBeLessThan(0.02);
  });

  test.each([
    ['gateway', 'loki, version'],
    ['distributor', 'loki, version'],
    ['ingester', 'loki, version'],
    ['querier', 'loki, version'],
    ['compactor', 'loki, version'],
    ['ruler', 'loki, version'],
    ['all', `revision: ${revision}`],
    ['canary', `revision: ${revision}`],
  ])('%s tells its version', (app, text) => {
    const { stdout, status } = run(path.join(dist, 'main.js'), app, '-version');
    expect([status, stdout]).toEqual([0, expect.stringContaining(text)]);
  });

  test('flags alone are for everything in one process, and lokictl has its own', () => {
    expect(run(path.join(dist, 'main.js'), '-list-targets').stdout).toContain('distributor');
    const { stdout, status } = run(path.join(dist, 'main.js'), 'lokictl', '--help');
    expect([status, stdout]).toEqual([0, expect.stringContaining('lokictl')]);
  });

  test('an unknown app is a usage error that names the known ones', () => {
    const { stderr, status } = run(path.join(dist, 'main.js'), 'gatewai');
    expect([status, stderr]).toEqual([2, expect.stringContaining('compactor, distributor, gateway')]);
  });

  test.each([
    ['the client of Redis', 'ioredis.cjs', 'Redis'],
    ['the client of Kafka', 'kafkajs.cjs', 'Kafka'],
    ['the client of S3', 'minio.cjs', 'Client'],
    ['snappy', 'node_modules/snappy', 'compress'],
  ])('%s loads', (_, file, name) => {
    const { stdout, stderr } = run('-p', `typeof require(${JSON.stringify(path.join(dist, file))}).${name}`);
    expect([stdout, stderr]).toEqual(['function\n', '']);
  });

  test('serves pushes and queries, with overrides, tracing and reflection', async () => {
    const [port, grpcPort] = await freePorts(2);
    const data = path.join(directory, 'data');
    fs.writeFileSync(path.join(directory, 'overrides.yaml'), 'overrides: {a: {max_line_size: 10}}\n');
    const command = [
      process.execPath,
      path.join(dist, 'main.js'),
      'all',
      `-server.http-listen-port=${port}`,
      `-server.grpc-listen-port=${grpcPort}`,
      `-common.path-prefix=${data}`,
      `-runtime-config.file=${path.join(directory, 'overrides.yaml')}`,
      '-server.grpc-reflection-enabled=true',
      '-tracing.otlp-endpoint=http://127.0.0.1:9',
      '-tracing.sampling-ratio=1',
    ];
    const loki = new Daemon('loki', path.join(directory, 'log'), command, { directory });
    const url = `http://127.0.0.1:${port}`;
    await loki.startUntil(async () => (await statusOf(`${url}/ready`)) === 200);
    try {
      const values = [[`${Date.now()}000000`, 'hello, bundle']];
      const pushed = await fetch(`${url}/loki/api/v1/push`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ streams: [{ stream: { app: 'built' }, values }] }),
      });
      expect(pushed.status).toBe(204);
      const query = encodeURIComponent('{app="built"} |= "hello"');
      const answer = await (await fetch(`${url}/loki/api/v1/query_range?query=${query}`)).text();
      expect(answer).toContain('hello, bundle');
      const info = await (await fetch(`${url}/loki/api/v1/status/buildinfo`)).text();
      expect(info).toContain(revision);
    } finally {
      await loki.stop();
    }
    expect(fs.readFileSync(loki.logPath, 'utf8')).not.toContain('level=error');
  });

  test('names each package in it, with version, licence and hash, in the bill of materials', () => {
    const sbom = JSON.parse(fs.readFileSync(path.join(dist, 'sbom.cdx.json'), 'utf8')) as {
      readonly components: readonly {
        readonly purl: string;
        readonly licenses: unknown;
        readonly hashes: unknown;
      }[];
    };
    const texts = fs.readFileSync(path.join(dist, 'LICENSES.txt'), 'utf8');
    for (const name of [
      '%40grpc/grpc-js',
      'kafkajs',
      'minio',
      'ioredis',
      'snappy',
      '%40napi-rs/snappy-linux-x64-gnu',
    ]) {
      const component = sbom.components.find((each) => each.purl.startsWith(`pkg:npm/${name}@`));
      expect(component).toMatchObject({ hashes: [{ alg: 'SHA-512' }], licenses: [{}] });
    }
    for (const { name, version, licence } of product.packages) {
      expect(texts).toContain(`${name} ${version} (${licence})\n`);
    }
  });
});

async function statusOf(url: string): Promise<number> {
  try {
    return (await fetch(url)).status;
  } catch {
    return 0; // not listening yet
  }
}
