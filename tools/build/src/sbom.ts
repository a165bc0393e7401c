/** The bill of materials of the product, in CycloneDX's JSON. */
import type { ShippedPackage } from './inventory.ts';

interface SbomSubject {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Commit the product was built from; '' when unknown. */
  readonly revision: string;
  /** RFC 3339. */
  readonly builtAt: string;
  readonly nodeVersion: string;
}

/** @returns the document; without a random serial number, so that one source gives the same bytes always */
export function sbomOf(subject: SbomSubject, packages: readonly ShippedPackage[]): object {
  const { name, version, licence, revision, builtAt, nodeVersion } = subject;
  const ref = `pkg:generic/${name}@${version}`;
  const components = [
    {
      type: 'platform',
      'bom-ref': `pkg:generic/node@${nodeVersion}`,
      name: 'node',
      version: nodeVersion,
      purl: `pkg:generic/node@${nodeVersion}`,
      cpe: `cpe:2.3:a:nodejs:node.js:${nodeVersion}:*:*:*:*:*:*:*`,
      licenses: [{ license: { id: 'MIT' } }],
    },
    ...packages.map(componentOf),
  ];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: builtAt,
      component: {
        type: 'application',
        'bom-ref': ref,
        name,
        version,
        purl: ref,
        licenses: [{ license: { id: licence } }],
        properties: [{ name: 'vcs:revision', value: revision }],
      },
    },
    components,
    dependencies: [{ ref, dependsOn: components.map((each) => each['bom-ref']) }],
  };
}

function componentOf(each: ShippedPackage) {
  const purl = `pkg:npm/${each.name.replace('@', '%40')}@${each.version}`;
  const [group, name] = each.name.startsWith('@') ? each.name.split('/') : [undefined, each.name];
  const [algorithm, hash] = each.integrity?.split('-') ?? [];
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group === undefined ? {} : { group }),
    name,
    version: each.version,
    purl,
    ...(algorithm === 'sha512'
      ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }
      : {}),
    licenses: [/[ ()]/.test(each.licence) ? { expression: each.licence } : { license: { id: each.licence } }],
    ...(each.homepage ? { externalReferences: [{ type: 'website', url: each.homepage }] } : {}),
  };
}
