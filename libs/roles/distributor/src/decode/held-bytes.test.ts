/**
 * Protects memory from bodies that become a thousand times larger: in a process of their own decoders are
 * seen to take no more than their bound, twice where chunks are joined, and not what a body would become.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { mib } from '@loki/model';

const part = Buffer.alloc(16 * mib);
const times = 16;
const repeated = (compressed: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: times }, () => compressed));
const bombs: readonly [string, Buffer][] = [
  ['gzip', repeated(gzipSync(part))],
  ['zstd', repeated(zstdCompressSync(part))],
  ['lz4', repeated(compressFrameSync(part))],
  ['deflate', deflateSync(Buffer.alloc(times * part.length))],
];
const boundMib = 32;

/** Prints by how many KiB the process grew at most while it decoded, and what the decoder said. */
const script = `
  const { readFileSync } = await import('node:fs');
  const { readJsonBody, readOtlpBody } = await import(process.argv[1]);
  const bounds = { recvBytesMax: 1e9, decompressedBytesMax: ${boundMib} * 2 ** 20 };
  const encoding = process.argv[3];
  const decode = encoding === 'deflate' ? readJsonBody : readOtlpBody;
  const body = readFileSync(process.argv[2]);
  let text = '';
  const before = process.resourceUsage().maxRSS;
  try { decode(body, encoding, bounds); } catch (error) { text = error.message; }
  console.log(JSON.stringify([process.resourceUsage().maxRSS - before, text]));
`;

test.each(bombs)('%s', (encoding, bomb) => {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'bomb-')), 'body');
  try {
    fs.writeFileSync(file, bomb);
    const readBody = pathToFileURL(path.join(__dirname, 'read-body.ts')).href;
    const options = { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } } as const;
    const args = [
      '--input-type=module',
      '--disable-warning=ExperimentalWarning',
      '-e',
      script,
      readBody,
      file,
      encoding,
    ];
    const [grownKib, text] = JSON.parse(execFileSync(process.execPath, args, options)) as [number, string];
    expect(text).toContain('decompressed');
    expect(grownKib / 1024).toBeLessThan(2 * boundMib + 16);
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
});
