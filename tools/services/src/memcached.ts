/** A real memcached server for tests. */
import fs from 'node:fs';
import path from 'node:path';
import { freePorts } from '@loki/test-tools';
import { Daemon } from './daemon.ts';

/** The server's binary: Debian's package memcached, or any other. undefined: not installed. */
export function findMemcached(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':');
  return directories.map((each) => path.join(each, 'memcached')).find((file) => fs.existsSync(file));
}

export async function startMemcached(
  binary: string,
  directory: string,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const [port] = await freePorts(1);
  // It does not run as root without being told whose rights to take.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const daemon = new Daemon('memcached', path.join(directory, 'memcached.log'), [
    binary,
    ...user,
    '-l',
    '127.0.0.1',
    '-p',
    String(port),
    '-U',
    '0',
    '-m',
    '64',
    '-I',
    '8m',
  ]);
  await daemon.start(port);
  return { port, stop: () => daemon.stop() };
}
