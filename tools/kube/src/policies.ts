/** NetworkPolicies as Kubernetes defines them: which pod may open a connection to which. */
import type { KubeObject } from './kube-api.ts';

type Labels = Readonly<Record<string, string>>;

export interface Endpoint {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
}

interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  /** A rule for addresses: it matches no pod of the cluster. */
  readonly ipBlock?: object;
}

interface PolicyRule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number }[];
}

type Direction = 'Ingress' | 'Egress';

/** A connection to a port. */
interface Link {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly port: number;
}

/**
 * Both ends must allow a connection: a pod that a policy selects for a direction accepts only connections
 * that a rule names.
 */
export function mayConnect(policies: readonly KubeObject[], link: Link): boolean {
  return allows(policies, 'Egress', link) && allows(policies, 'Ingress', link);
}

function allows(policies: readonly KubeObject[], direction: Direction, { from, to, port }: Link): boolean {
  const [own, other] = direction === 'Ingress' ? [to, from] : [from, to];
  const selecting = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === own.namespace &&
      (spec.policyTypes as Direction[]).includes(direction) &&
      matches(spec.podSelector as Selector, own.labels),
  );
  if (selecting.length === 0) return true;
  return selecting.some(({ spec }) => {
    const rules = ((direction === 'Ingress' ? spec.ingress : spec.egress) ?? []) as PolicyRule[];
    return rules.some((rule) => {
      const peers = direction === 'Ingress' ? rule.from : rule.to;
      const isPort = rule.ports === undefined || rule.ports.some((each) => each.port === port);
      return isPort && (peers === undefined || peers.some((peer) => isPeer(peer, own, other)));
    });
  });
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, own: Endpoint, other: Endpoint): boolean {
  if (ipBlock !== undefined) return false;
  const isNamespace =
    namespaceSelector === undefined
      ? own.namespace === other.namespace
      : matches(namespaceSelector, other.namespaceLabels);
  return isNamespace && (podSelector === undefined || matches(podSelector, other.labels));
}

function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      switch (operator) {
        case 'In':
          return key in labels && values.includes(labels[key]);
        case 'NotIn':
          return !(key in labels && values.includes(labels[key]));
        case 'Exists':
          return key in labels;
        case 'DoesNotExist':
          return !(key in labels);
      }
    })
  );
}
