type ServiceState = 'New' | 'Starting' | 'Running' | 'Stopping' | 'Terminated' | 'Failed';

/** A reason why the process is not ready, as `/ready` words it; undefined: none. */
type ReadinessCheck = () => string | undefined;

/** The parts of a process with their states, and the checks that `/ready` makes. */
export class ServiceStates {
  readonly #states = new Map<string, ServiceState>();
  readonly #checks: ReadinessCheck[] = [];
  #isStopping = false;

  set(name: string, state: ServiceState): void {
    this.#states.set(name, state);
  }

  /** Asked at each `/ready`, in order; must be cheap and must not ask other machines. */
  addCheck(check: ReadinessCheck): void {
    this.#checks.push(check);
  }

  /** From now on the process is not ready, whatever its parts say. */
  stopping(): void {
    this.#isStopping = true;
    for (const name of this.#states.keys()) this.#states.set(name, 'Stopping');
  }

  /** Undefined: ready. */
  notReady(): string | undefined {
    if (this.#isStopping) return 'Application is stopping';
    const waiting = new Map<ServiceState, number>();
    for (const state of this.#states.values()) {
      if (state !== 'Running') waiting.set(state, (waiting.get(state) ?? 0) + 1);
    }
    if (waiting.size > 0) {
      const lines = [...waiting].map(([state, count]) => `${state}: ${count}`);
      return `Some services are not Running:\n${lines.join('\n')}`;
    }
    for (const check of this.#checks) {
      const reason = check();
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** The lines of `/services`. */
  text(): string {
    return [...this.#states].map(([name, state]) => `${name} => ${state}\n`).join('');
  }
}
