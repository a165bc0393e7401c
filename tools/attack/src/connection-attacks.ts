/** Attacks by connections: idle, slow and many clients. */
import type { Socket } from 'node:net';
import { sleep } from './attacker.ts';
import type { Attack } from './attacker.ts';

function pipelined(path: string): Attack {
  return {
    name: `pipelined ${path}`,
    about: 'A1: 5 connections, 1,000 requests on each, answers unread, hung up after 3 s',
    async run(attacker) {
      const request = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(1000);
      for (let round = 0; round < 2; round++) {
        const sockets = await Promise.all(Array.from({ length: 5 }, () => attacker.open()));
        for (const socket of sockets) socket.pause().write(request);
        await sleep(3_000);
        for (const socket of sockets) socket.destroy();
        await sleep(3_000);
      }
    },
  };
}

const mib = 2 ** 20;

export const connectionAttacks: readonly Attack[] = [
  pipelined('/config'),
  pipelined('/metrics'),
  {
    name: 'bodies that stop',
    about: 'A8: two bodies of just under the limit of a body, then silence',
    async run(attacker) {
      const bytes = 100 * mib - 1;
      const head = `POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: attacker\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
      const sockets = await Promise.all(Array.from({ length: 6 }, () => attacker.open()));
      const closed = new Map(sockets.map((socket) => [socket, happens(socket, 'close')]));
      const piece = Buffer.alloc(mib, 0x20);
      await Promise.all(
        sockets.map(async (socket) => {
          socket.write(head);
          for (let sentBytes = 0; sentBytes + mib < bytes && !socket.destroyed; sentBytes += mib) {
            if (!socket.write(piece)) await Promise.race([happens(socket, 'drain'), closed.get(socket)]);
          }
        }),
      );
      await sleep(8_000);
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: 'idle connections',
    about: '5,000 connections that stay open, half of them after one request, in 512 MiB',
    memoryMb: 512,
    async run(attacker) {
      const sockets: Socket[] = [];
      for (let opened = 0; opened < 5_000; opened += 100) {
        sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => attacker.open()))));
      }
      for (const [i, socket] of sockets.entries()) {
        if (i % 2 === 0) socket.resume().write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
      }
      await sleep(20_000);
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: 'slow tenant',
    about: '200 bodies that come byte by byte, and 50 large answers that are not read, in 512 MiB',
    memoryMb: 512,
    async run(attacker) {
      const lines = Array.from({ length: 4_000 }, (_, i) => [`${Date.now()}${100_000 + i}`, 'x'.repeat(500)]);
      const values = JSON.stringify({ streams: [{ stream: { app: 'slow' }, values: lines }] });
      await attacker.push(values);
      const head = 'Host: x\r\nX-Scope-OrgID: attacker\r\n';
      const push = `POST /loki/api/v1/push HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n`;
      const query = `GET /loki/api/v1/query_range?query=%7Bapp%3D%22slow%22%7D&limit=4000 HTTP/1.1\r\n${head}\r\n`;
      const sockets = await Promise.all(Array.from({ length: 250 }, () => attacker.open()));
      const senders = sockets.slice(0, 200);
      for (const socket of senders) socket.write(push);
      for (const socket of sockets.slice(200)) socket.pause().write(query);
      for (let round = 0; round < 100; round++) {
        for (const socket of senders) if (!socket.destroyed) socket.write(' ');
        await sleep(200);
      }
      for (const socket of sockets) socket.destroy();
    },
  },
];

function happens(socket: Socket, event: 'close' | 'drain'): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()));
}
