/** The state of a process and its parts: `/ready` and `/services`. */

type ServiceState = 'New' | 'Starting' | 'Running' | 'Stopping' | 'Terminated' | 'Failed';

/** Returns the reason why the process is not ready, for `/ready`; undefined: ready. */
type ReadinessCheck = () => string | undefined;

/** The parts of a process with their states, and the checks that `/ready` makes. */
export class ServiceStates {
  readonly #states = new Map<string, ServiceState>();
  readonly #checks: ReadinessCheck[] = [];
  #isStopping = false;

  set(name: string, state: ServiceState): void {
    this.#states.set(name, state);
  }

  /** Adds a check for `/ready`. Checks run in order; they must be cheap and must not call other machines. */
  addCheck(check: ReadinessCheck): void {
    this.#checks.push(check);
  }

  /** Marks the process as stopping: it is no longer ready. */
  stopping(): void {
    this.#isStopping = true;
    for (const name of this.#states.keys()) this.#states.set(name, 'Stopping');
  }

  /** The reason why the process is not ready; undefined: ready. */
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
