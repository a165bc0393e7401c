/** The gRPC health service, which follows `/ready`. */
import type { ServiceStates } from '@loki/http';
import type { TimerHandle, Timers } from '@loki/ports';
import type { RpcServer } from '@loki/rpc';

interface RpcHealthDeps {
  readonly rpc: Pick<RpcServer, 'setServing'>;
  readonly states: Pick<ServiceStates, 'notReady'>;
  readonly timers: Timers;
}

const lookMs = 500;

/** grpc.health.v1 answers like `/ready`: SERVING when all parts are ready, NOT_SERVING during shutdown. */
export class RpcHealth {
  readonly #deps: RpcHealthDeps;
  #timer: TimerHandle | undefined;
  #isServing: boolean | undefined;

  constructor(deps: RpcHealthDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#set(this.#deps.states.notReady() === undefined);
    this.#timer = this.#deps.timers.after(lookMs, () => this.start());
  }

  /** Reports NOT_SERVING from now on. */
  stop(): void {
    this.#timer?.cancel();
    this.#set(false);
  }

  /** Watchers are notified of changes only. */
  #set(isServing: boolean): void {
    if (isServing === this.#isServing) return;
    this.#isServing = isServing;
    this.#deps.rpc.setServing(isServing);
  }
}
