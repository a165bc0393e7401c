/** Protects senders whose gzip is not one sound member: bodies are read as Go's reader reads them. */
import { gzipSync } from 'node:zlib';
import { mib, parseTenantId } from '@loki/model';
import { PushRows } from '../rows/push-rows.ts';
import { StreamCache } from '../streams/stream-cache.ts';
import { defaultLimits } from '../test/distributor.ts';
import { decodeJsonPush } from './decode-json.ts';
import { gunzip } from './gunzip.ts';

const text = Buffer.from('{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}');
const member = gzipSync(text);
const half = gzipSync(text.subarray(0, 20));
const rest = gzipSync(text.subarray(20));
const garbage = Buffer.from('garbage bytes');

/** The body with one byte changed, counted from its end. */
function damaged(body: Buffer, fromEnd: number): Buffer {
  const copy = Buffer.from(body);
  copy[copy.length - fromEnd] ^= 0xff;
  return copy;
}

/**
 * A member with every optional field in its header: extra bytes, name, comment, a checksum that is right or
 * not.
 */
function richMember(checksumIsRight: boolean): Buffer {
  const plain = gzipSync(text);
  const fields = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 2 + 4 + 8 + 16]),
    plain.subarray(4, 10),
    Buffer.from([3, 0, 1, 2, 3]),
    Buffer.from('name\0comment\0'),
  ]);
  // The two lower bytes of the header's CRC-32, from `gzip` of the same fields.
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE((crc32Plain(fields) & 0xffff) ^ (checksumIsRight ? 0 : 1));
  return Buffer.concat([fields, checksum, plain.subarray(10)]);
}

/** CRC-32, bit by bit. */
function crc32Plain(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

/** Asked of compress/gzip in Go 1.26: the bytes that come before the error, and the error. */
test.each([
  ['one member', member, text, undefined],
  ['two members', Buffer.concat([half, rest]), text, undefined],
  ['an empty member first', Buffer.concat([gzipSync(''), member]), text, undefined],
  ['two bytes behind it', Buffer.concat([member, Buffer.from('xx')]), text, 'unexpected EOF'],
  ['a line feed behind it', Buffer.concat([member, Buffer.from('\n')]), text, 'unexpected EOF'],
  ['garbage behind it', Buffer.concat([member, garbage]), text, 'gzip: invalid header'],
  ['zeros behind it', Buffer.concat([member, Buffer.alloc(20)]), text, 'gzip: invalid header'],
  ['garbage behind two', Buffer.concat([half, rest, garbage]), text, 'gzip: invalid header'],
  ['half of it, then garbage', Buffer.concat([half, garbage]), text.subarray(0, 20), 'gzip: invalid header'],
  ['a header that is cut', Buffer.concat([member, member.subarray(0, 5)]), text, 'unexpected EOF'],
  ['a header without data', Buffer.concat([member, member.subarray(0, 10)]), text, 'unexpected EOF'],
  ['another checksum', damaged(member, 6), text, 'gzip: invalid checksum'],
  ['another length', damaged(member, 2), text, 'gzip: invalid checksum'],
  ['another checksum, then a member', Buffer.concat([damaged(half, 6), rest]), text.subarray(0, 20), 'gzip: invalid checksum'],
  ['no length', member.subarray(0, -4), text, 'unexpected EOF'],
  ['no trailer', member.subarray(0, -8), text, 'unexpected EOF'],
  ['a header with all fields', richMember(true), text, undefined],
  ['fields and garbage', Buffer.concat([richMember(true), garbage]), text, 'gzip: invalid header'],
  ['a second header with a wrong checksum', Buffer.concat([half, richMember(false)]), text.subarray(0, 20), 'gzip: invalid header'],
  ['a name without end', Buffer.concat([half, Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, 65])]), text.subarray(0, 20), 'unexpected EOF'],
  ['extra bytes that are missing', Buffer.concat([half, Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 9, 0, 1])]), text.subarray(0, 20), 'unexpected EOF'],
  ['a member of broken data', Buffer.concat([half, rest.subarray(0, 10), Buffer.alloc(20, 0xff)]), text.subarray(0, 20), expect.stringContaining('corrupt input')],
])('gzip with %s', (_, body, bytes, cutText) => {
  const outcome = gunzip(body, mib);
  expect(outcome.bytes.toString()).toBe(bytes.toString());
  expect(outcome.cutText).toEqual(cutText);
}); // prettier-ignore

test.each([
  ['nothing', Buffer.alloc(0), 'EOF'],
  ['few bytes', Buffer.from([0x1f, 0x8b]), 'unexpected EOF'],
  ['plain text', text, 'gzip: invalid header'],
  ['another method', Buffer.concat([Buffer.from([0x1f, 0x8b, 7]), member.subarray(3)]), 'gzip: invalid header'],
  ['a wrong checksum of the header', richMember(false), 'gzip: invalid header'],
  ['broken data', Buffer.concat([member.subarray(0, 10), Buffer.alloc(20, 0xff)]), 'corrupt input'],
])('gzip of %s is refused at once', (_, body, message) => {
  expect(() => gunzip(body, mib)).toThrow(message);
}); // prettier-ignore

test('members that are read one by one are bounded in number and size', () => {
  const empty = gzipSync('');
  const many = Buffer.concat([...Array.from({ length: 5000 }, () => empty), garbage]);
  expect(() => gunzip(many, mib)).toThrow(expect.objectContaining({ code: 'bodyTooLarge' }));
  const large = gzipSync(Buffer.alloc(mib));
  const tooLarge = expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' });
  expect(() => gunzip(Buffer.concat([large, large]), 1.5 * mib)).toThrow(tooLarge);
  expect(() => gunzip(Buffer.concat([large, large, garbage]), 1.5 * mib)).toThrow(tooLarge);
});

test('a push that is complete before the fault is taken; of one that is not the fault is told', () => {
  const streams = new StreamCache(2 ** 20).lookup(parseTenantId('t'), defaultLimits);
  const rows = new PushRows();
  for (const body of [Buffer.concat([member, garbage]), damaged(member, 6), Buffer.concat([member, half])]) {
    const { bytes, cutText } = gunzip(body, mib);
    decodeJsonPush(bytes, rows, streams, cutText);
    expect(rows.rowCount).toBe(1);
  }
  const { bytes, cutText } = gunzip(Buffer.concat([half, garbage]), mib);
  const type = 'loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ';
  expect(() => decodeJsonPush(bytes, rows, streams, cutText)).toThrow(
    expect.objectContaining({ code: 'badRequest', message: `${type}gzip: invalid header` }),
  );
});

test('a large body is whole memory of its own, so that it moves to another thread; a lie costs no more', () => {
  const plain = Buffer.alloc(3 * mib, 'line ');
  const body = gzipSync(plain);
  const { bytes } = gunzip(body, 4 * mib);
  expect(bytes.equals(plain)).toBe(true);
  expect([bytes.byteOffset, bytes.buffer.byteLength]).toEqual([0, plain.length]);
  // The length at the end is wrong: too small by half, or more than is allowed.
  for (const claimed of [1.5 * mib, 64 * mib]) {
    const lie = Buffer.from(body);
    lie.writeUInt32LE(claimed, lie.length - 4);
    const { bytes: read, cutText } = gunzip(lie, 4 * mib);
    expect([read.length, cutText]).toEqual([plain.length, 'gzip: invalid checksum']);
  }
  expect(() => gunzip(body, 2 * mib)).toThrow();
});
