/** The account by which KubeSphere installs the extension, with the rights of its permissions.yaml. */
import fs from 'node:fs';
import type { ControlPlane } from './control-plane.ts';
import type { Permissions, Rule } from './permissions.ts';

export const namespace = 'loki';
export const grafanaNamespace = 'kubesphere-monitoring-system';
const account = 'helm-executor.loki';
export const accountUser = `system:serviceaccount:${namespace}:${account}`;

/** Rights in the namespace that KubeSphere gives to each extension. */
const extraRules: readonly Rule[] = [
  '',
  'apps',
  'batch',
  'policy',
  'networking.k8s.io',
  'autoscaling',
  'metrics.k8s.io',
].map((group) => ({ apiGroups: [group], resources: ['*'], verbs: ['*'] }));

/** Longer than a run. */
const tokenLifeSeconds = 4 * 3600;
/** Authorizers see a change of a role a moment later. */
const rolesSettleMs = 500;

/** Namespaces and the account. @returns its kubeconfig */
export async function createAccount(plane: ControlPlane): Promise<string> {
  await plane.apply(
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: namespace,
        labels: {
          'kubesphere.io/workspace': 'system-workspace',
          // Stricter than KubeSphere's own: an unrestricted pod is refused.
          'pod-security.kubernetes.io/enforce': 'restricted',
          'pod-security.kubernetes.io/enforce-version': 'latest',
        },
      },
    },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: grafanaNamespace } },
    ...['grafana', 'other'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: grafanaNamespace },
      stringData: { 'admin-user': 'admin', 'admin-password': 'admin' },
    })),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } },
  );
  const { body } = await plane.api.request(
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: tokenLifeSeconds },
    },
  );
  return plane.writeKubeconfig('account', body['status'].token as string);
}

/** Gives the account these rights in place of its former ones. */
export async function grant(plane: ControlPlane, { role, clusterRole }: Permissions): Promise<void> {
  const subjects = [{ kind: 'ServiceAccount', name: account, namespace }];
  const apiGroup = 'rbac.authorization.k8s.io';
  const apiVersion = `${apiGroup}/v1`;
  await plane.apply(
    { apiVersion, kind: 'Role', metadata: { name: account, namespace }, rules: [...extraRules, ...role] },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: account, namespace },
      roleRef: { apiGroup, kind: 'Role', name: account },
      subjects,
    },
    { apiVersion, kind: 'ClusterRole', metadata: { name: account }, rules: clusterRole },
    {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: account },
      roleRef: { apiGroup, kind: 'ClusterRole', name: account },
      subjects,
    },
  );
  await new Promise((resolve) => setTimeout(resolve, rolesSettleMs));
}

export interface AuditEvent {
  readonly verb: string;
  readonly code: number;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Requests of the account since the audit log had `fromBytes`. */
export function auditEvents(plane: ControlPlane, fromBytes: number): AuditEvent[] {
  const text = fs.readFileSync(plane.auditLog).subarray(fromBytes).toString();
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const event = JSON.parse(line) as {
      readonly verb: string;
      readonly responseStatus?: { readonly code?: number };
      readonly objectRef?: Readonly<Partial<Record<'apiGroup' | 'resource' | 'namespace' | 'name', string>>>;
    };
    const { apiGroup = '', resource = '', namespace: of = '', name = '' } = event.objectRef ?? {};
    return [
      {
        verb: event.verb,
        code: event.responseStatus?.code ?? 0,
        group: apiGroup,
        resource,
        namespace: of,
        name,
      },
    ];
  });
}

export function auditBytes(plane: ControlPlane): number {
  return fs.existsSync(plane.auditLog) ? fs.statSync(plane.auditLog).size : 0;
}
