/** The parts of the rendered chart that pods need. */
import { parseAllDocuments } from 'yaml';

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly failureThreshold?: number;
}

interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly fsGroup?: number;
  readonly seccompProfile?: { readonly type: 'RuntimeDefault' | 'Unconfined' };
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly emptyDir?: object;
  readonly hostPath?: { readonly path: string };
}

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly ContainerSpec[];
    readonly volumes?: readonly Volume[];
    readonly securityContext?: SecurityContext;
    readonly terminationGracePeriodSeconds?: number;
  };
}

export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly template: PodTemplate;
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
}

export interface Service {
  readonly kind: 'Service';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly {
      readonly name: string;
      readonly port: number;
      readonly targetPort: string | number;
    }[];
  };
}

interface Data {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

export class Manifest {
  readonly #objects: readonly (Workload | Service | Data)[];

  /** @param text  of `helm template` */
  constructor(text: string) {
    this.#objects = parseAllDocuments(text)
      .map((each) => each.toJS() as Workload | null)
      .filter((each) => each !== null);
  }

  get workloads(): Workload[] {
    return this.#objects.filter(
      (each): each is Workload => each.kind === 'Deployment' || each.kind === 'StatefulSet',
    );
  }

  service(name: string): Service {
    const service = this.#objects.find((each) => each.kind === 'Service' && each.metadata.name === name);
    if (service?.kind !== 'Service') throw new Error(`the chart renders no Service ${name}`);
    return service;
  }

  /** Files of a ConfigMap, or decoded values of a Secret. */
  data(kind: 'ConfigMap' | 'Secret', name: string): Record<string, string> {
    const object = this.#objects.find((each) => each.kind === kind && each.metadata.name === name);
    if (object?.kind !== kind) throw new Error(`the chart renders no ${kind} ${name}`);
    const entries = Object.entries((object as Data).data ?? {});
    const isEncoded = kind === 'Secret';
    return Object.fromEntries(
      entries.map(([key, text]) => [key, isEncoded ? Buffer.from(text, 'base64').toString() : text]),
    );
  }
}

/** Bytes of `512Mi`; 0: not set. */
export function bytesOf(quantity: string | undefined): number {
  const match = /^(\d+)(Ki|Mi|Gi)?$/.exec(quantity ?? '');
  const units: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  return match ? Number(match[1]) * (units[match[2]] ?? 1) : 0;
}

/** Cores of `100m` or `2`; 0: none are set. */
export function coresOf(quantity: string | undefined): number {
  if (quantity === undefined) return 0;
  return quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
}
