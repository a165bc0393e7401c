/** Packages with machine code: they are copied, not bundled. */
import fs from 'node:fs';
import path from 'node:path';

export const nativePackages: readonly string[] = ['snappy'];

/** The files of a package that are needed at run time. */
const isRun = /(?:^|\/)(?:package\.json|[^/]+\.(?:js|node))$/;

/**
 * Copies the packages, and their installed binaries for Linux, into the product's `node_modules`.
 *
 * @returns the paths of the copied files
 * @throws Error when a package has no binary
 */
export function copyNativePackages(root: string, outdir: string): string[] {
  return nativePackages.flatMap((name) => {
    const folder = path.join(root, 'node_modules', name);
    const binaries = binaryPackages(folder).filter((each) =>
      fs.existsSync(path.join(root, 'node_modules', each)),
    );
    if (binaries.length === 0) throw new Error(`${name}: no package with its binary for Linux is installed`);
    return [name, ...binaries].flatMap((each) => copyRun(path.join('node_modules', each), root, outdir));
  });
}

/** Names of the packages with a package's binary for a kind of Linux with glibc. */
function binaryPackages(folder: string): string[] {
  const json = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  return Object.keys(json.optionalDependencies ?? {}).filter((each) => /-linux-[a-z0-9]+-gnu$/.test(each));
}

function copyRun(folder: string, root: string, outdir: string): string[] {
  const files = fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => isRun.test(file) && !file.startsWith('node_modules/'))
    .map((file) => path.join(folder, file));
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(outdir, file)), { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(outdir, file));
  }
  return files;
}
