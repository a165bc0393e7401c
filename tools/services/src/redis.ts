/** A real Redis server for tests. */
import fs from 'node:fs';
import path from 'node:path';
import { freePorts } from '@loki/test-tools';
import { Daemon } from './daemon.ts';

/** The server's binary: Debian's package redis-server, or any other. undefined: not installed. */
export function findRedis(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':');
  return directories.map((each) => path.join(each, 'redis-server')).find((file) => fs.existsSync(file));
}

export interface RunningRedis {
  readonly port: number;
  /** Starts it again after `stop`, empty. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis(binary: string, directory: string): Promise<RunningRedis> {
  const [port] = await freePorts(1);
  const daemon = new Daemon('redis', path.join(directory, 'redis.log'), [
    binary,
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
  ]);
  await daemon.start(port);
  return { port, start: () => daemon.start(port), stop: () => daemon.stop() };
}
