import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/**
 * Two processes on one data directory would write over each other. A listening socket is a lock that the kernel lets
 * go of when its owner dies, however it dies; a stale socket file is told by nobody answering there.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  fs.mkdirSync(directory, { recursive: true });
  const name = createHash('sha256').update(fs.realpathSync(directory)).digest('hex').slice(0, 24);
  const socketPath = path.join(os.tmpdir(), `loki-${name}.lock`);
  const server = (await tryListen(socketPath)) ?? (await takeOver(socketPath));
  if (!server) throw new Error(`${directory} is in use by another process`);
  server.unref();
  return () => server.close();
}

async function takeOver(socketPath: string): Promise<net.Server | undefined> {
  if (await isAnswered(socketPath)) return undefined;
  fs.rmSync(socketPath, { force: true });
  return tryListen(socketPath);
}

function tryListen(socketPath: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(socketPath, () => resolve(server));
  });
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
