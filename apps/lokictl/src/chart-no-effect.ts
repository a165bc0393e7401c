/**
 * The reasons why keys of Loki's chart have no effect here, by the beginning of their path; the longest one
 * wins.
 */
const noEffectReasons: ReadonlyMap<string, string> = new Map([
  [
    'backend',
    'the key configures a StatefulSet that this chart does not have: the compactor and the ruler replace it',
  ],
  ['bloomBuilder', 'there are no blooms: line filters use the search filters of segments'],
  ['bloomCompactor', 'there are no blooms: line filters use the search filters of segments'],
  ['bloomGateway', 'there are no blooms: line filters use the search filters of segments'],
  ['bloomPlanner', 'there are no blooms: line filters use the search filters of segments'],
  ['chunksCache', 'queriers keep decoded blocks in their memory'],
  ['deploymentMode', 'a mode of a migration is converted to its target mode'],
  ['enterprise', 'there is one edition'],
  ['gateway.basicAuth', 'the gateway does not check passwords: use a proxy or an Ingress in front of it'],
  ['gateway.image', 'the gateway is a part of the product, not an nginx'],
  ['gateway.nginxConfig', 'the gateway is a part of the product, not an nginx'],
  [
    'gateway.resources',
    'the resources of queryFrontend and read are used for the gateway, which is the query frontend here',
  ],
  ['indexGateway', 'there is no index gateway: queriers read the catalog'],
  ['kubectlImage', 'no Job of this chart needs kubectl'],
  ['loki.config', 'a template of the whole file: set loki.config to the keys that differ from the defaults'],
  ['loki.image', 'the image is another program'],
  ['loki.memberlist', 'the ring is in Redis'],
  ['loki.storage.admin', 'there is one bucket'],
  ['loki.tenants', 'the gateway does not check passwords: use a proxy or an Ingress in front of it'],
  ['lokiCanary', 'the canary is an app of the image: run it as a Deployment of your own'],
  ['memberlist', 'the ring is in Redis'],
  ['memcached', 'caches are in memory, or named by loki.config.query_range'],
  ['memcachedExporter', 'caches are in memory, or named by loki.config.query_range'],
  ['migrate', 'there is nothing to migrate'],
  ['minio', 'the bundled MinIO has one drive and a user of its own'],
  ['monitoring.lokiCanary', 'the canary is an app of the image: run it as a Deployment of your own'],
  ['monitoring.selfMonitoring', 'the agent of your other pods collects the logs of these pods, too'],
  ['overridesExporter', 'limits are metrics of every process'],
  ['patternIngester', 'ingesters compute patterns'],
  ['queryScheduler', 'the queue is a part of the gateway'],
  [
    'read',
    'the key configures a Deployment that this chart does not have: the gateway and the querier replace it',
  ],
  ['resultsCache', 'gateways and queriers keep results in their memory'],
  ['rollout_operator', 'zones need no operator: each is a StatefulSet'],
  ['sidecar', 'rules come by the API or from the bucket'],
  ['tableManager', 'there are no tables'],
  ['test', 'helm test has no part in this chart'],
  [
    'write',
    'the key configures a StatefulSet that this chart does not have: the distributor and the ingester replace it',
  ],
]);

export function reasonOf(path: string): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const reason = noEffectReasons.get(path.slice(0, end));
    if (reason !== undefined) return reason;
  }
  return 'this chart has no key with this effect';
}
