/**
 * The reasons why keys of Loki's chart have no effect here, by the beginning of their path; the longest one
 * wins.
 */
const noEffectReasons: ReadonlyMap<string, string> = new Map([
  ['backend', 'what is not named here is of a StatefulSet that the compactor and the ruler are instead'],
  ['bloomBuilder', 'there are no blooms: a line filter reads columns as they are'],
  ['bloomCompactor', 'there are no blooms: a line filter reads columns as they are'],
  ['bloomGateway', 'there are no blooms: a line filter reads columns as they are'],
  ['bloomPlanner', 'there are no blooms: a line filter reads columns as they are'],
  ['chunksCache', 'queriers keep decoded blocks in their memory'],
  ['deploymentMode', 'modes between two others are the one that they lead to'],
  ['enterprise', 'there is one edition'],
  ['gateway.basicAuth', 'the gateway asks for no password: put a proxy or an Ingress that does before it'],
  ['gateway.image', 'the gateway is a part of the product, not an nginx'],
  ['gateway.nginxConfig', 'the gateway is a part of the product, not an nginx'],
  [
    'gateway.resources',
    'those of queryFrontend and read are the gateway’s, which is the query frontend here',
  ],
  ['indexGateway', 'there is no index gateway: queriers read the catalog'],
  ['kubectlImage', 'no Job of this chart needs kubectl'],
  ['loki.config', 'a template of the whole file: set loki.config to what differs from the defaults'],
  ['loki.image', 'the image is another program'],
  ['loki.memberlist', 'the ring is in Redis'],
  ['loki.storage.admin', 'there is one bucket'],
  ['loki.tenants', 'the gateway asks for no password: put a proxy or an Ingress that does before it'],
  ['lokiCanary', 'the canary is an app of the image: run it where you want it'],
  ['memberlist', 'the ring is in Redis'],
  ['memcached', 'caches are in memory, or named by loki.config.query_range'],
  ['memcachedExporter', 'caches are in memory, or named by loki.config.query_range'],
  ['migrate', 'there is nothing to migrate'],
  ['minio', 'the bundled MinIO has one drive and a user of its own'],
  ['monitoring.lokiCanary', 'the canary is an app of the image: run it where you want it'],
  ['monitoring.selfMonitoring', 'logs of the pods come by the agent that collects all others'],
  ['overridesExporter', 'limits are metrics of every process'],
  ['patternIngester', 'ingesters find patterns'],
  ['queryScheduler', 'the queue is a part of the gateway'],
  ['read', 'what is not named here is of a Deployment that the gateway and the querier are instead'],
  ['resultsCache', 'gateways and queriers keep results in their memory'],
  ['rollout_operator', 'zones need no operator: each is a StatefulSet'],
  ['sidecar', 'rules come by the API or from the bucket'],
  ['tableManager', 'there are no tables'],
  ['test', 'helm test has no part in this chart'],
  ['write', 'what is not named here is of a StatefulSet that the distributor and the ingester are instead'],
]);

export function reasonOf(path: string): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const reason = noEffectReasons.get(path.slice(0, end));
    if (reason !== undefined) return reason;
  }
  return 'no key of this chart does that';
}
