/** Custom resource definitions that the charts use, for the test control plane. */
import type { ControlPlane } from './control-plane.ts';

/**
 * Kinds of other projects that the charts use, by name alone: their fields are checked by
 * `npm run test:deploy`.
 */
const kinds = [
  ['monitoring.coreos.com', 'v1', 'ServiceMonitor', 'servicemonitors'],
  ['monitoring.coreos.com', 'v1', 'PrometheusRule', 'prometheusrules'],
  ['keda.sh', 'v1alpha1', 'ScaledObject', 'scaledobjects'],
  ['grafana.integreatly.org', 'v1beta1', 'GrafanaDatasource', 'grafanadatasources'],
  ['grafana.integreatly.org', 'v1beta1', 'GrafanaDashboard', 'grafanadashboards'],
] as const;

export async function defineKinds(plane: ControlPlane): Promise<void> {
  await plane.apply(
    ...kinds.map(([group, name, kind, plural]) => ({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind, plural, singular: kind.toLowerCase() },
        versions: [
          {
            name,
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    })),
  );
  await plane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
}
