/** Reads answers of an S3 server within bounds: bodies, ranges, listings and errors. */
import type { IncomingMessage } from 'node:http';
import { compareText, mib } from '@loki/model';
import type { ObjectInfo } from '@loki/ports';

/**
 * Largest object that is read completely. The largest written ones are compacted segments, an eighth of this.
 */
export const objectBytesMax = 1024 * mib;
/** Most bytes of a page of a listing: 1,000 keys of 1 KiB, and their XML elements. */
const pageBytesMax = 8 * mib;
/** Most bytes of an error's body that are read. */
const errorBytesMax = 64 * 1024;
const reasonCharsMax = 300;

/** A refusal by the server, with S3's code. */
class S3Error extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Reads the body to its announced end. A larger body closes the connection.
 *
 * @param signal aborts when the caller gives up: the connection is closed
 */
export async function readBody(
  response: IncomingMessage,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const stop = (): void => void response.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const announced = Number(response.headers['content-length'] ?? Number.NaN);
    if (signal.aborted) throw signal.reason;
    if (announced > bytesMax) throw tooLarge(bytesMax);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
    }
    if (Number.isFinite(announced) && announced !== bytes) {
      throw new Error(`answer cut short: ${bytes} of ${announced} bytes`);
    }
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes);
  } catch (error) {
    response.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function tooLarge(bytesMax: number): Error {
  return new Error(`an answer of more than the ${bytesMax} bytes that were requested`);
}

/** The range of a partial answer: `first` to `last`, both inclusive, of `sizeBytes`. */
export function rangeOf(response: IncomingMessage): { first: number; last: number; sizeBytes: number } {
  const text = response.headers['content-range'] ?? '';
  // MinIO's answer for an empty object, which has no last byte.
  if (text === 'bytes 0--1/0') return { first: 0, last: -1, sizeBytes: 0 };
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text);
  if (!match) throw new Error(`a part of an object without its place: ${text.slice(0, 100)}`);
  return { first: Number(match[1]), last: Number(match[2]), sizeBytes: Number(match[3]) };
}

/** The reason of a refusal, from the server's answer. */
export async function refusalOf(response: IncomingMessage, signal: AbortSignal): Promise<S3Error> {
  const status = response.statusCode ?? 0;
  let body = '';
  try {
    body = (await readBody(response, errorBytesMax, signal)).toString();
  } catch (error) {
    if (signal.aborted) throw error;
    // The status suffices without a body.
  }
  const code = elementOf(body, 'Code', 0)?.text ?? codeOfStatus(status);
  const message = elementOf(body, 'Message', 0)?.text ?? `status ${status}`;
  return new S3Error(
    /^[A-Za-z0-9._-]{1,100}$/.test(code) ? code : codeOfStatus(status),
    message.slice(0, reasonCharsMax),
  );
}

function codeOfStatus(status: number): string {
  switch (status) {
    case 403:
      return 'AccessDenied';
    case 404:
      return 'NotFound';
    case 412:
      return 'PreconditionFailed';
    case 416:
      return 'InvalidRange';
    case 429:
    case 503:
      return 'SlowDown';
    default:
      return status >= 500 ? 'InternalError' : `UnknownError${status}`;
  }
}

export interface ListingPage {
  readonly objects: readonly ObjectInfo[];
  readonly hasNext: boolean;
  /** The server's token of the next page. */
  readonly token: string | undefined;
}

/** The query of a page of all keys below `prefix`, behind `after`. */
export function listingQuery(prefix: string, after: string, token: string | undefined): string {
  const parameters = [
    'delimiter=',
    'encoding-type=url',
    'list-type=2',
    'max-keys=1000',
    `prefix=${escaped(prefix)}`,
    ...(token === undefined ? [] : [`continuation-token=${escaped(token)}`]),
    ...(after === '' ? [] : [`start-after=${escaped(after)}`]),
  ];
  return parameters.sort().join('&');
}

export async function readListing(response: IncomingMessage, signal: AbortSignal): Promise<ListingPage> {
  return parseListing((await readBody(response, pageBytesMax, signal)).toString());
}

/**
 * Parses a page in O(text): it searches elements, and expands only the five entities of XML and numeric
 * characters.
 *
 * @throws Error for bytes that are not a page of a listing
 */
export function parseListing(text: string): ListingPage {
  if (!text.includes('<ListBucketResult') || !text.includes('</ListBucketResult>')) {
    throw new Error('S3 listing: the answer has no ListBucketResult');
  }
  const objects: ObjectInfo[] = [];
  let end = 0;
  for (let each = elementOf(text, 'Contents', 0); each; each = elementOf(text, 'Contents', each.end)) {
    const key = elementOf(each.raw, 'Key', 0);
    const size = elementOf(each.raw, 'Size', 0);
    if (!key || !size || !/^\d{1,15}$/.test(size.text)) {
      throw new Error('S3 listing: an object has no key or no size');
    }
    objects.push({ key: unescaped(key.text), sizeBytes: Number(size.text) });
    end = each.end;
  }
  if (text.indexOf('<Contents>', end) >= 0) throw new Error('S3 listing: the last object is cut short');
  const hasNext = elementOf(text, 'IsTruncated', 0)?.text === 'true';
  const token = elementOf(text, 'NextContinuationToken', 0)?.text;
  if (hasNext && objects.length === 0 && !token) {
    throw new Error('S3 listing: no token of the next page');
  }
  return { objects, hasNext, token };
}

/** Checks that keys ascend; other orders could make a listing endless or incomplete. */
export function checkOrder(key: string, prefix: string, after: string): void {
  if (!key.startsWith(prefix) || (after !== '' && compareText(key, after) <= 0)) {
    throw new Error(`S3 listing: keys out of order: ${JSON.stringify(key.slice(0, 200))}`);
  }
}

/** The first element of that name from `from` on. */
export function elementOf(
  text: string,
  name: string,
  from: number,
): { readonly raw: string; readonly text: string; readonly end: number } | undefined {
  const open = text.indexOf(`<${name}>`, from);
  if (open < 0) return undefined;
  const start = open + name.length + 2;
  const close = text.indexOf(`</${name}>`, start);
  if (close < 0) return undefined;
  const raw = text.slice(start, close);
  return { raw, text: raw.includes('&') ? plainText(raw) : raw, end: close + name.length + 3 };
}

const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

function plainText(raw: string): string {
  return raw.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g,
    (entity, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return entities.get(name) ?? entity;
      const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
    },
  );
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new Error('S3 listing: a key does not decode as a URL', { cause });
  }
}
