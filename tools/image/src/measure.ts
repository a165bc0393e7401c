/** Sizes of an image, and the memory and CPU of a process. */
import fs from 'node:fs';
import path from 'node:path';

/** Linux shows times of processes in hundredths of a second on every machine. */
const ticksPerSecond = 100;

/** Bytes of the compressed layers of an unpacked OCI layout. */
export function compressedBytes(layout: string): number {
  const read = <T>(file: string): T => JSON.parse(fs.readFileSync(path.join(layout, file), 'utf8')) as T;
  const blob = (digest: string): string => path.join('blobs', ...digest.split(':'));
  const index = read<{ readonly manifests: readonly { readonly digest: string }[] }>('index.json');
  const manifest = read<{ readonly layers: readonly { readonly size: number }[] }>(
    blob(index.manifests[0].digest),
  );
  return manifest.layers.reduce((sum, each) => sum + each.size, 0);
}

/** Bytes of all files below `folder`; a file with several names counts once. */
export function unpackedBytes(folder: string): number {
  const inodes = new Set<number>();
  let bytes = 0;
  for (const each of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!each.isFile()) continue;
    const { ino, size } = fs.lstatSync(path.join(each.parentPath, each.name));
    if (!inodes.has(ino)) bytes += size;
    inodes.add(ino);
  }
  return bytes;
}

/** Seconds of CPU that a process and its threads have taken. */
export function cpuSeconds(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, the second field, may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function residentBytes(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}
