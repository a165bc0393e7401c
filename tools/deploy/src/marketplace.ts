/** The command line by which KubeSphere's Marketplace installs the extension. */

/**
 * `host`: the release on the host cluster with its own components. `agent`: the release on each selected
 * cluster.
 */
export type Part = 'host' | 'agent';

const ofPart: Readonly<Record<Part, readonly string[]>> = {
  host: ['tags.extension=true', 'tags.agent=false', 'global.portal.url=http://host:30880'],
  agent: [
    'tags.extension=false',
    'tags.agent=true',
    'global.clusterInfo.name=member-1',
    'global.clusterInfo.role=member',
  ],
};

/** Name of the release with a part. */
export function releaseOf(part: Part): string {
  return part === 'host' ? 'loki' : 'loki-agent';
}

/** Its `--set`. */
export function marketplaceSets(part: Part): string[] {
  return [
    ...ofPart[part],
    'global.imageRegistry=registry.example.com',
    'global.nodeSelector.kubernetes\\.io/os=linux',
    'global.extension.ingress.ingressClassName=nginx',
    'global.extension.ingress.domainSuffix=example.com',
    'global.extension.ingress.httpPort=80',
    'global.extension.ingress.httpsPort=443',
  ];
}
