/** Decompresses gzip and deflate bodies within a bound, with Go's errors: step *decode* of a written line. */
import { constants, crc32, gunzipSync, inflateRawSync } from 'node:zlib';
import { hasCode, LokiError } from '@loki/model';

// Reads gzip bodies as Go does: several members are one text, and the bytes before a fault count.

/** Decompressed bytes, and the fault that ended them early. */
export interface Decompressed {
  readonly bytes: Buffer;
  readonly cutText?: string;
}

/** Node's result with `info`; its types declare only the buffer. */
export interface ZlibOutcome {
  readonly buffer: Buffer;
  /** `bytesWritten`: the number of input bytes that were read. */
  readonly engine: { readonly bytesWritten: number };
}

/** Go's error for a body that ends too soon. */
export const cutBodyText = 'unexpected EOF';
const headerText = 'gzip: invalid header';
const checksumText = 'gzip: invalid checksum';

const headerBytes = 10;
const trailerBytes = 8;

/** Flags of a member's header. */
const hasHeaderChecksum = 2;
const hasExtra = 4;
const hasName = 8;
const hasComment = 16;

/**
 * Output comes in chunks, which are joined at the end. Larger chunks make a large body a third cheaper, but
 * waste memory on a small one.
 */
export function chunkSizeFor(inputBytes: number): number {
  return inputBytes > 16 * 1024 ? 128 * 1024 : 16 * 1024;
}

/**
 * Members that are read one by one in a body that zlib refuses as a whole; each costs 10 µs. Agents write one
 * member, joined files have a few.
 */
const membersMax = 4096;

/**
 * Decompresses a gzip body. zlib reads an intact one in one call.
 *
 * @throws LokiError 400 for a wrong first header; zlib's error for wrong data, or more than `bytesMax`
 */
export function gunzip(body: Buffer, bytesMax: number): Decompressed {
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const start = dataStart(body, 0);
  if (typeof start === 'string') throw new LokiError('badRequest', start);
  const chunkSize = oneChunkFor(body, bytesMax) ?? chunkSizeFor(body.length);
  const options = { maxOutputLength: bytesMax, chunkSize, info: true };
  try {
    const { buffer, engine } = gunzipSync(body, options) as unknown as ZlibOutcome;
    // zlib ends at a zero byte after a member; Go reads it as an invalid header.
    if (engine.bytesWritten === body.length) return { bytes: trimmed(buffer) };
  } catch (error) {
    if (hasCode(error, 'ERR_BUFFER_TOO_LARGE')) throw error;
    // The bytes before the fault are read below.
  }
  return gunzipMembers(body, bytesMax);
}

/** Deflate expands at most this many times. */
export const gzipRatioMax = 1032;

/**
 * One chunk of the size that a large body claims. Joining chunks takes twice the memory, half of which is
 * garbage: a thread that reads such bodies one after another had 64 MiB of garbage before its collector ran.
 */
function oneChunkFor(body: Buffer, bytesMax: number): number | undefined {
  const claimed = body.readUInt32LE(body.length - 4);
  const isLie = claimed > bytesMax || claimed > body.length * gzipRatioMax;
  if (claimed < oneChunkBytesMin || isLie) return undefined;
  // zlib takes another chunk when one is full to the last byte.
  return claimed + 1;
}

const oneChunkBytesMin = 1024 * 1024;

/** The bytes without the rest of their chunk, so that they can be moved to another thread. */
function trimmed(bytes: Buffer): Buffer {
  const { buffer, byteOffset, length } = bytes;
  const isAlone = byteOffset === 0 && length > oneChunkBytesMin && buffer instanceof ArrayBuffer;
  if (!isAlone || buffer.byteLength === length) return bytes;
  return Buffer.from(buffer.transfer(length));
}

function gunzipMembers(body: Buffer, bytesMax: number): Decompressed {
  const members: Buffer[] = [];
  let bytes = 0;
  let cutText: string | undefined;
  for (let at = 0; at < body.length && cutText === undefined;) {
    const start = dataStart(body, at);
    if (typeof start === 'string') {
      cutText = start;
      break;
    }
    if (members.length === membersMax) {
      throw new LokiError('bodyTooLarge', `request body too large: more than ${membersMax} gzip members`);
    }
    const member = inflateMember(body.subarray(start), bytesMax - bytes);
    if (typeof member === 'string') {
      if (members.length === 0) throw new LokiError('badRequest', member);
      cutText = member;
      break;
    }
    members.push(member.buffer);
    bytes += member.buffer.length;
    const end = start + member.engine.bytesWritten;
    cutText = trailerFault(body, end, member.buffer);
    at = end + trailerBytes;
  }
  return { bytes: members.length === 1 ? members[0] : Buffer.concat(members, bytes), cutText };
}

/** Decompresses the member at the start of `data` as far as possible, or names its fault. */
function inflateMember(data: Buffer, bytesMax: number): ZlibOutcome | string {
  const options = {
    maxOutputLength: Math.max(1, bytesMax),
    chunkSize: chunkSizeFor(data.length),
    finishFlush: constants.Z_SYNC_FLUSH,
    info: true,
  };
  try {
    return inflateRawSync(data, options) as unknown as ZlibOutcome;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'Z_DATA_ERROR') throw error;
    return `corrupt input: ${message}`;
  }
}

/** The fault of the checksum and length that follow a member's data. */
function trailerFault(body: Buffer, at: number, member: Buffer): string | undefined {
  if (body.length - at < trailerBytes) return cutBodyText;
  const isSound = body.readUInt32LE(at) === crc32(member) && body.readUInt32LE(at + 4) === member.length;
  return isSound ? undefined : checksumText;
}

/** Position of the data of the member at `at`, or the fault of its header. */
function dataStart(body: Buffer, at: number): number | string {
  if (body.length - at < headerBytes) return cutBodyText;
  if (body[at] !== 0x1f || body[at + 1] !== 0x8b || body[at + 2] !== 8) return headerText;
  const flags = body[at + 3];
  let start = at + headerBytes;
  if (flags & hasExtra) {
    if (start + 2 > body.length) return cutBodyText;
    start += 2 + body.readUInt16LE(start);
  }
  for (const flag of [hasName, hasComment]) {
    if ((flags & flag) === 0) continue;
    const end = body.indexOf(0, start);
    if (end < 0) return cutBodyText;
    start = end + 1;
  }
  if (flags & hasHeaderChecksum) {
    if (start + 2 > body.length) return cutBodyText;
    if (body.readUInt16LE(start) !== (crc32(body.subarray(at, start)) & 0xffff)) return headerText;
    start += 2;
  }
  return start > body.length ? cutBodyText : start;
}
