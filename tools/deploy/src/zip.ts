/** Reads one file of a ZIP archive. */
import fs from 'node:fs';
import zlib from 'node:zlib';

const endOfDirectory = 0x06054b50;
const entryOfDirectory = 0x02014b50;
const deflated = 8;

/**
 * One file of a ZIP archive, by the archive's own directory; undefined: it has no such file. Archives of one
 * part below 4 GiB: the packages of npm that are read so.
 */
export function fileOfZip(archive: string, name: string): Buffer | undefined {
  const bytes = fs.readFileSync(archive);
  let end = bytes.length - 22;
  while (end > 0 && bytes.readUInt32LE(end) !== endOfDirectory) end--;
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(at) !== entryOfDirectory) throw new Error(`${archive}: its directory is damaged`);
    const nameBytes = bytes.readUInt16LE(at + 28);
    const next = at + 46 + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (bytes.toString('utf8', at + 46, at + 46 + nameBytes) === name) return contentOf(bytes, at);
    at = next;
  }
  return undefined;
}

function contentOf(bytes: Buffer, entry: number): Buffer {
  const local = bytes.readUInt32LE(entry + 42);
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const content = bytes.subarray(start, start + bytes.readUInt32LE(entry + 20));
  return bytes.readUInt16LE(entry + 10) === deflated ? zlib.inflateRawSync(content) : content;
}
