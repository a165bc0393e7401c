/** Protects `lokictl top`: rates of two looks, what is near a limit, and a page that fits into 80 columns. */
import { run } from './run.ts';
import { leader, TestPeer } from './test/lokictl.ts';

const tenant = {
  tenant: 'acme',
  receivedBytes: 1000,
  receivedLines: 10,
  refusedLines: 0,
  streams: 85,
  headBytes: 3 << 20,
  queryParts: 4,
  waitingParts: 0,
  scannedBytes: 0,
  streamsMax: 100,
  rateBytesMax: 4 << 20,
  isRateOfEach: false,
};
const ingester = {
  instance: 'ingester-1',
  target: 'ingester',
  atMs: 1_000,
  cpuSeconds: 5,
  residentBytes: 300 << 20,
  memoryBytes: 1 << 30,
  headBytes: 3 << 20,
  headBytesMax: 96 << 20,
  tenants: [tenant],
  tenantCount: 1,
};
const later = {
  ...ingester,
  atMs: 3_000,
  cpuSeconds: 6,
  tenants: [
    { ...tenant, receivedBytes: 5096, receivedLines: 30, queryParts: 5, scannedBytes: 8 << 20 },
    { ...tenant, tenant: 'a-tenant-with-a-very-long-name', receivedBytes: 10 },
  ],
};
const partitions = {
  partitions: [
    { partition: 0, owners: [], instances: [leader] },
    { partition: 1, owners: [], instances: [{ ...leader, endOffset: 900 }] },
    { partition: 2, owners: [], instances: [] },
  ],
  failures: [],
};

let peer: TestPeer;
/** Answers of `/usage`, one after the other; the last one again and again. */
let usages: object[];
afterEach(() => peer.stop());

async function start(...processes: object[][]): Promise<void> {
  usages = processes.map((each) => ({ processes: each, failures: [] }));
  peer = await TestPeer.start((request, response) => {
    const answer =
      request.url === '/partitions' ? partitions : usages.length > 1 ? usages.shift() : usages[0];
    response.end(JSON.stringify(answer));
  });
}

test('a page tells rates, what is near a limit, and partitions by lag', async () => {
  await start([ingester], [later]);
  const { code, out } = await peer.lokictl('top', '--once');
  expect(code).toBe(0);
  expect(out).toBe(
    `${peer.url}  processes: 1, tenants: 2, partitions: 3\n` +
      '\n' +
      'LIMIT  NEAR OR PAST IT\n' +
      '    -  partition 2: no ingester flushes it\n' +
      ' 85 %  tenant acme: 85 streams of 100\n' +
      ' 85 %  tenant a-tenant-with-a-very-long-name: 85 streams of 100\n' +
      '\n' +
      'PROCESS     TARGET    CPUS     MEMORY       OF     ROWS        OF\n' +
      'ingester-1  ingester  0.50  300.0 MiB  1.0 GiB  3.0 MiB  96.0 MiB\n' +
      '\n' +
      'TENANT              BYTES/S  LINES/S  STREAMS  IN MEMORY  PARTS/S  SCANNED/S\n' +
      'acme                2.0 KiB       10       85    3.0 MiB      0.5    4.0 MiB\n' +
      'a-tenant-with-a-v…      5 B        5       85    3.0 MiB      2.0        0 B\n' +
      '\n' +
      'PARTITION  LEADER      LAG  IN MEMORY  STATE\n' +
      '        2  -             ?        0 B  no leader\n' +
      '        1  ingester-1  888    3.0 MiB  caught up\n' +
      '        0  ingester-1    3    3.0 MiB  caught up\n',
  );
  for (const line of out.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
});

test('as JSON, in another order, with bounded lists', async () => {
  await start([ingester], [later]);
  const { out } = await peer.lokictl('top', '--json', '--by', 'scanned');
  const { tenants, warnings } = JSON.parse(out) as { tenants: { tenant: string }[]; warnings: object[] };
  expect(tenants).toMatchObject([
    { tenant: 'acme', bytesRate: 2048, linesRate: 10, scannedRate: 4 << 20 },
    {},
  ]);
  expect(warnings).toContainEqual({ share: 0.85, text: 'tenant acme: 85 streams of 100' });
  expect((await peer.lokictl('top', '--rows', '1')).out).toContain('… and 2 more');
});

test('a restarted process counts from zero, and a new one has no rates yet', async () => {
  const restarted = { ...later, tenants: [{ ...tenant, receivedBytes: 400 }] };
  const another = { ...later, instance: 'ingester-2' };
  await start([ingester], [restarted, another]);
  const { tenants } = JSON.parse((await peer.lokictl('top', '--json')).out) as { tenants: object[] };
  expect(tenants).toContainEqual(expect.objectContaining({ tenant: 'acme', bytesRate: 200, streams: 170 }));
});

test('a terminal is refreshed until the user ends it, also when the process is away for a while', async () => {
  await start([ingester], [later]);
  const pages: string[] = [];
  const ended = new Error('the user has gone');
  let looks = 0;
  const end = run(['top', '--addr', peer.url], {
    out: (text) => void pages.push(text),
    err: () => undefined,
    env: () => undefined,
    readFile: () => Promise.reject(new Error('nothing is read')),
    terminal: { columns: 40, rows: 24 },
    pause: async () => {
      if (++looks > 3) throw ended;
    },
  });
  expect(await end).toBe(1);
  expect(pages).toHaveLength(3);
  for (const page of pages) {
    expect(page.startsWith('\u001b[H\u001b[J')).toBe(true);
    for (const line of page.slice(6).split('\n')) expect(line.length).toBeLessThanOrEqual(40);
  }
});

test('wrong words are said', async () => {
  await start([ingester]);
  for (const words of [
    ['--by', 'beauty'],
    ['--interval', '0'],
    ['--rows', 'x'],
  ]) {
    expect((await peer.lokictl('top', ...words)).code).toBe(2);
  }
  expect((await peer.lokictl('top', '--help')).out).toContain('--once');
});
