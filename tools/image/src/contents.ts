/** Checks which files the image has, and which it must not have. */
import fs from 'node:fs';
import path from 'node:path';
import type { Checks } from './checks.ts';
import { compressedBytes, unpackedBytes } from './measure.ts';

const compressedBytesMax = 55e6;
const unpackedBytesMax = 150e6;

/** Shells, package managers and tools of the build. */
const unwanted =
  /(?:^|\/)s?bin\/(?:sh|bash|dash|busybox|apt|apt-get|dpkg|npm|npx|yarn|corepack|perl|python3?|gcc|make)$/;
const product = 'usr/share/loki';

interface ImageConfig {
  readonly config: {
    readonly User: string;
    readonly Entrypoint: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
}

/**
 * @param layout   the image as an OCI layout
 * @param rootfs   its files
 */
export function checkContents(checks: Checks, layout: string, rootfs: string): void {
  const compressed = compressedBytes(layout);
  checks.check('compressed, at most 55 MB', compressed <= compressedBytesMax, megabytes(compressed));
  const unpacked = unpackedBytes(rootfs);
  checks.check('unpacked, at most 150 MB', unpacked <= unpackedBytesMax, megabytes(unpacked));

  const files = fs.readdirSync(rootfs, { recursive: true, encoding: 'utf8' });
  const none = (name: string, matches: readonly string[]): void =>
    checks.check(
      name,
      matches.length === 0,
      matches.slice(0, 5).join(' ') || `${files.length} files looked at`,
    );
  none(
    'no shell, package manager or compiler',
    files.filter((file) => unwanted.test(file)),
  );
  none(
    'no test, source, map or header',
    files.filter((file) => file.startsWith(`${product}/`) && /\.(?:ts|map|h|test\.js)$|\/test\//.test(file)),
  );
  const modeOf = (file: string): number => fs.lstatSync(path.join(rootfs, file)).mode;
  none(
    'no file with the rights of its owner',
    files.filter((file) => isFile(rootfs, file) && (modeOf(file) & 0o6000) !== 0),
  );
  const ours = files.filter((file) => file.startsWith(product));
  none(
    'the product is readable by all',
    ours.filter((file) => (modeOf(file) & 0o004) === 0),
  );
  none(
    'the product belongs to root',
    ours.filter((file) => fs.lstatSync(path.join(rootfs, file)).uid !== 0),
  );
  const licences = ['LICENSE', 'LICENSE.node', 'LICENSES.txt', 'sbom.cdx.json'];
  none(
    'licences and bill of materials',
    licences.filter((file) => !files.includes(`${product}/${file}`)),
  );

  const { User, Entrypoint, Labels } = configOf(layout).config;
  checks.check('its user is 10001', User === '10001:10001', User);
  checks.check('it starts Node itself', Entrypoint[0] === '/usr/bin/node', Entrypoint.join(' '));
  const labels = ['title', 'description', 'licenses', 'version', 'revision', 'created'];
  const missing = labels.filter((name) => !Labels[`org.opencontainers.image.${name}`]);
  checks.check(
    'its labels',
    missing.length === 0,
    missing.join(' ') || Labels['org.opencontainers.image.revision'],
  );
}

function isFile(rootfs: string, file: string): boolean {
  return fs.lstatSync(path.join(rootfs, file)).isFile();
}

function configOf(layout: string): ImageConfig {
  const read = <T>(digest: string): T =>
    JSON.parse(fs.readFileSync(path.join(layout, 'blobs', ...digest.split(':')), 'utf8')) as T;
  const index = JSON.parse(fs.readFileSync(path.join(layout, 'index.json'), 'utf8')) as {
    readonly manifests: readonly { readonly digest: string }[];
  };
  const manifest = read<{ readonly config: { readonly digest: string } }>(index.manifests[0].digest);
  return read<ImageConfig>(manifest.config.digest);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
