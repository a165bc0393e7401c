/** HTTP control of broken links and brokers, for tests in other processes. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KafkaBrokers } from './kafka.ts';
import { linkModes } from './link.ts';
import type { LinkMode } from './link.ts';

/**
 * Lets tests break brokers: `POST /kill/2`, `/revive/2`, `/link/2/mute`. Answers 204 when it is done.
 *
 * @returns its address, and how to end it
 */
export async function serveControl(kafka: KafkaBrokers): Promise<{ url: string; close: () => void }> {
  const server = http.createServer((request, response) => {
    act(kafka, request.url ?? '').then(
      () => response.writeHead(204).end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

async function act(kafka: KafkaBrokers, path: string): Promise<void> {
  const [, action, broker, mode] = path.split('/');
  if (action === 'kill') await kafka.kill(Number(broker));
  else if (action === 'revive') await kafka.revive(Number(broker));
  else if (action === 'link' && linkModes.includes(mode as LinkMode)) {
    kafka.link(Number(broker), mode as LinkMode);
  } else throw new Error(`unknown: ${path}`);
}
