/** A Service: one address for all ready pods, as kube-proxy implements it. */
import net from 'node:net';
import type { Service } from './manifest.ts';
import type { Pod } from './pod.ts';

export class ServiceProxy {
  readonly #server: net.Server;
  #next = 0;

  /**
   * @param pods all pods at the moment; those with the selector's labels are used
   * @param portName of the Service's port
   */
  constructor(service: Service, portName: string, pods: () => Iterable<Pod>) {
    const { selector, ports } = service.spec;
    const targetPort = ports.find((each) => each.name === portName)!.targetPort;
    this.#server = net.createServer((client) => {
      const ready = [...pods()].filter((pod) => pod.isReady && hasLabels(pod, selector));
      if (ready.length === 0) {
        client.destroy();
        return;
      }
      const pod = ready[this.#next++ % ready.length];
      const target = net.connect({ host: pod.address, port: pod.port(targetPort) });
      join(client, target);
    });
  }

  listen(address: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(port, address, resolve);
    });
  }

  close(): void {
    this.#server.close();
  }
}

function hasLabels(pod: Pod, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([name, value]) => pod.labels[name] === value);
}

/** Makes `place`, `127.0.0.1:port`, reachable at the same port of `address`. @returns `address:port` */
export async function forwardTo(place: string, address: string): Promise<string> {
  const [host, port] = place.split(':');
  const server = net.createServer((client) => {
    const target = net.connect({ host, port: Number(port) });
    join(client, target);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(port), address, resolve);
  });
  server.unref();
  return `${address}:${port}`;
}

/**
 * Passes bytes both ways until either side closes. The socket to a removed pod would keep the process alive
 * for minutes.
 */
function join(client: net.Socket, target: net.Socket): void {
  client.pipe(target).pipe(client);
  for (const [one, other] of [
    [client, target],
    [target, client],
  ]) {
    one.on('error', () => other.destroy());
    one.on('close', () => {
      other.destroySoon();
      other.unref();
    });
  }
}
