/** The packages whose code is in the product, with their licences. */
import fs from 'node:fs';
import path from 'node:path';

export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX name or expression of the licence. */
  readonly licence: string;
  /** The text that the licence requires to be passed on; undefined: the package has none. */
  readonly licenceText: string | undefined;
  readonly homepage: string | undefined;
  /** `sha512-…` of the registry's archive, as the lock file has it. */
  readonly integrity: string | undefined;
}

/** Licences that may be shipped. */
const licencesAllowed: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type: string };
  readonly homepage?: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

/**
 * @param files paths of all files that went into the product
 * @throws Error for a package whose licence is unknown or of another kind
 */
export function inventoryOf(root: string, files: Iterable<string>): ShippedPackage[] {
  const lock = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as Lock;
  const folders = new Set<string>();
  for (const file of files) {
    const folder = packageFolderOf(path.resolve(root, file));
    if (folder !== undefined) folders.add(folder);
  }
  const packages = new Map<string, ShippedPackage>();
  for (const folder of folders) {
    const json = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as PackageJson;
    const licence = typeof json.license === 'object' ? json.license.type : json.license;
    if (licence === undefined || !isAllowed(licence)) {
      throw new Error(`${json.name}: its licence ${licence ?? '(none)'} is none that may be shipped`);
    }
    packages.set(`${json.name}@${json.version}`, {
      name: json.name,
      version: json.version,
      licence,
      licenceText: licenceTextOf(folder),
      homepage: json.homepage,
      integrity: lock.packages[path.relative(root, folder)]?.integrity,
    });
  }
  return [...packages].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** The folder of the package that a file belongs to; undefined for the tree's own files. */
export function packageFolderOf(file: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

/** Of `(MIT OR GPL-2.0)` one suffices; of `MIT AND Zlib` all are needed. */
function isAllowed(licence: string): boolean {
  const alternatives = licence.replaceAll(/[()]/g, '').split(' OR ');
  return alternatives.some((each) => each.split(' AND ').every((name) => licencesAllowed.has(name)));
}

function licenceTextOf(folder: string): string | undefined {
  const names = fs.readdirSync(folder).filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name));
  const texts = names.toSorted().map((name) => fs.readFileSync(path.join(folder, name), 'utf8').trim());
  return texts.length > 0 ? texts.join('\n\n') : undefined;
}

/** The licences of all packages as one text. */
export function licencesText(packages: readonly ShippedPackage[]): string {
  const parts = packages.map(({ name, version, licence, licenceText }) => {
    const title = `${name} ${version} (${licence})`;
    return `${title}\n${'-'.repeat(title.length)}\n${licenceText ?? `Licensed under ${licence}; the package has no further text.`}\n`;
  });
  return `Packages whose code is part of this program, and their licences.\n\n${parts.join('\n')}`;
}
