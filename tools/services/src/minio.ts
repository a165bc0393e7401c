/** A real MinIO server for tests. */
import fs from 'node:fs';
import path from 'node:path';
import { Client } from 'minio';
import { freePorts } from '@loki/test-tools';
import { Daemon } from './daemon.ts';

export const minioUser = 'lokitest';
export const minioPassword = 'lokitest-secret';

/**
 * A MinIO server's binary: `$MINIO_BINARY`, one in the path, or one that was built in the cache. The tests
 * neither build nor fetch it, as it is no dependency. undefined: not installed.
 */
export function findMinio(cache: string): string | undefined {
  const binary = process.env['MINIO_BINARY'];
  if (binary) return binary;
  const builds = fs.existsSync(cache) ? fs.readdirSync(cache).filter((name) => name.startsWith('minio')) : [];
  const directories = [
    ...(process.env['PATH'] ?? '').split(':'),
    ...builds.map((name) => path.join(cache, name)),
  ];
  return directories.map((each) => path.join(each, 'minio')).find((file) => isFile(file));
}

function isFile(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

export interface RunningMinio {
  readonly endpoint: string;
  /** Starts it again after `stop`, with its former content. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startMinio(binary: string, directory: string): Promise<RunningMinio> {
  const [port] = await freePorts(1);
  const data = path.join(directory, 'minio');
  fs.mkdirSync(data, { recursive: true });
  const daemon = new Daemon(
    'minio',
    path.join(directory, 'minio.log'),
    [binary, 'server', '--quiet', '--address', `127.0.0.1:${port}`, data],
    {
      env: {
        MINIO_ROOT_USER: minioUser,
        MINIO_ROOT_PASSWORD: minioPassword,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
        MINIO_CALLHOME_ENABLE: 'off',
      },
    },
  );
  await daemon.start(port);
  const endpoint = `http://127.0.0.1:${port}`;
  return { endpoint, start: () => daemon.start(port), stop: () => daemon.stop() };
}

/** The port answers before the store does: retried until the bucket exists. */
export async function makeBucket(endpoint: string, name: string): Promise<void> {
  const { hostname, port } = new URL(endpoint);
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey: minioUser,
    secretKey: minioPassword,
    region: 'us-east-1',
  });
  for (let attempt = 1; ; attempt++) {
    try {
      if (!(await client.bucketExists(name))) await client.makeBucket(name);
      return;
    } catch (error) {
      if (attempt >= bucketAttemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

const bucketAttemptsMax = 100;
