import fs from 'node:fs';
import path from 'node:path';
import { Daemon, freePorts } from './daemon.ts';

export const minioUser = 'lokitest';
export const minioPassword = 'lokitest-secret';

/**
 * A MinIO server's binary: `$MINIO_BINARY`, one in the path, or one that was built in the cache. We never build or fetch
 * it: it is no dependency of ours. undefined: there is none.
 */
export function findMinio(cache: string): string | undefined {
  const given = process.env['MINIO_BINARY'];
  if (given) return given;
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
  stop(): Promise<void>;
}

export async function startMinio(binary: string, directory: string): Promise<RunningMinio> {
  const [port] = await freePorts(1);
  const data = path.join(directory, 'minio');
  fs.mkdirSync(data);
  const daemon = new Daemon(
    'minio',
    path.join(directory, 'minio.log'),
    [binary, 'server', '--quiet', '--address', `127.0.0.1:${port}`, data],
    {
      MINIO_ROOT_USER: minioUser,
      MINIO_ROOT_PASSWORD: minioPassword,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      MINIO_CALLHOME_ENABLE: 'off',
    },
  );
  await daemon.start(port);
  return { endpoint: `http://127.0.0.1:${port}`, stop: () => daemon.stop() };
}
