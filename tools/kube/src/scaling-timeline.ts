/** Watches one autoscaler under load: samples of its replicas and figures, and waits for a state. */
import { namespace } from './account.ts';
import type { KubeObject } from './kube-api.ts';
import type { PodProcesses } from './pod-processes.ts';
import type { World } from './world.ts';

export interface Sample {
  readonly seconds: number;
  readonly load: string;
  readonly desired: number;
  /** `minReplicas` of the autoscaler. */
  readonly desiredMin: number;
  readonly processes: number;
  readonly metric: string;
  readonly isActive: boolean;
}

/** The replicas that an autoscaler wants and the processes that are ready, over time. */
export class Timeline {
  readonly inactive: string[] = [];
  desiredMax = 0;
  readonly #world: World;
  readonly #processes: PodProcesses;
  readonly #component: string;
  readonly #beganMs = Date.now();
  readonly #samples: Sample[] = [];

  constructor(world: World, processes: PodProcesses, component: string) {
    this.#world = world;
    this.#processes = processes;
    this.#component = component;
  }

  /** @returns the first sample that fulfils the condition, or the last one in time */
  async until(load: string, isWished: (sample: Sample) => boolean, withinMs: number): Promise<Sample> {
    const endMs = Date.now() + withinMs;
    for (;;) {
      const sample = await this.#look(load);
      if (isWished(sample) || Date.now() > endMs) return sample;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }

  /** Rows in which a value changed. */
  print(): void {
    console.log(
      '\n| s | load | metric / target | desiredReplicas | processes ready |\n|---|---|---|---|---|',
    );
    let before = '';
    for (const { seconds, load, metric, desired, processes } of this.#samples) {
      const state = [load, desired, processes].join();
      if (state !== before) console.log(`| ${seconds} | ${load} | ${metric} | ${desired} | ${processes} |`);
      before = state;
    }
    console.log('');
  }

  async #look(load: string): Promise<Sample> {
    const hpa = await this.#world.plane.api.get(
      `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/loki-${this.#component}`,
    );
    const active = ((hpa['status'].conditions ?? []) as Condition[]).find(
      ({ type }) => type === 'ScalingActive',
    );
    const isActive = active?.status === 'True';
    // At rest it may have no figure yet.
    if (!isActive && load !== 'at rest') this.inactive.push(`${load}: ${active?.message}`);
    const sample = {
      seconds: Math.round((Date.now() - this.#beganMs) / 1000),
      load,
      desired: (hpa['status'].desiredReplicas ?? 0) as number,
      desiredMin: (hpa['spec'].minReplicas ?? 1) as number,
      processes: this.#processes.urlsOf(this.#component).length,
      metric: metricOf(hpa),
      isActive,
    };
    this.desiredMax = Math.max(this.desiredMax, sample.desired);
    this.#samples.push(sample);
    return sample;
  }
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
}

interface Figures {
  readonly averageUtilization?: number;
  readonly averageValue?: string;
}

interface Metric {
  readonly resource?: { readonly current?: Figures; readonly target?: Figures };
  readonly external?: { readonly current?: Figures; readonly target?: Figures };
}

/** `120 % / 60 %`, or `4500m / 3`. */
function metricOf(hpa: KubeObject): string {
  const text = (figures: Figures | undefined): string =>
    figures?.averageUtilization === undefined
      ? (figures?.averageValue ?? '–')
      : `${figures.averageUtilization} %`;
  const [current] = (hpa['status'].currentMetrics ?? []) as (Metric | null)[];
  const [target] = hpa['spec'].metrics as Metric[];
  return `${text((current?.resource ?? current?.external)?.current)} / ${text((target.resource ?? target.external)?.target)}`;
}

const lookMs = 2_000;
