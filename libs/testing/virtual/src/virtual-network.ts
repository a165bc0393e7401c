/** A virtual network with delays, losses and partitions. */
import { LokiError } from '@loki/model';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** Faults of the network. Probabilities are per message. */
export interface NetworkFaults {
  lost: number;
  /** A request arrives twice, as after a retry of a proxy. */
  repeated: number;
  delayMinMs: number;
  delayMaxMs: number;
}

/** A network that loses nothing and delivers within 2 ms. */
export const noNetworkFaults: NetworkFaults = { lost: 0, repeated: 0, delayMinMs: 0, delayMaxMs: 2 };

/** A caller gives up after this long without an answer. */
const deadlineMs = 5_000;

/**
 * Links between places (processes, the store, the log, the ring's store), each direction of which may be cut.
 */
interface VirtualLink {
  readonly from: string;
  /** The process with this name now; undefined: none, and the caller learns it at once. */
  readonly to: { readonly name: string; readonly process: VirtualProcess | undefined };
}

/** Calls between processes, which the faults may delay, lose or repeat. */
export class VirtualNetwork {
  faults: NetworkFaults = { ...noNetworkFaults };
  readonly #random: Prng;
  readonly #cut = new Set<string>();

  constructor(random: Prng) {
    this.#random = random;
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`);
  }

  healAll(): void {
    this.#cut.clear();
  }

  passes(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`) && !this.#random.chance(this.faults.lost);
  }

  delay(): number {
    const { delayMinMs, delayMaxMs } = this.faults;
    const delay = delayMinMs + this.#random.float() * (delayMaxMs - delayMinMs);
    return this.#random.chance(0.01) ? delay * 20 : delay;
  }

  /**
   * Calls another process. The call may get lost on either way, run twice, or be answered after its caller
   * has given up.
   *
   * @throws LokiError `unavailable` without an answer in time; the error of `work`
   */
  call<T>(
    caller: VirtualProcess,
    { from, to }: VirtualLink,
    work: () => Promise<T>,
    withinMs = deadlineMs,
  ): Promise<T> {
    const { scheduler } = caller;
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => reject(new LokiError('unavailable', `${to.name}: ${reason}`));
      const timer = caller.after(withinMs, `deadline ${to.name}`, () => fail('no answer in time'));
      const answer = (settle: () => void) => {
        if (!this.passes(to.name, from)) return;
        caller.after(this.delay(), `answer of ${to.name}`, () => {
          timer.cancel();
          settle();
        });
      };
      const arrive = () => {
        const target = to.process;
        if (!target?.alive) return answer(() => fail('connection refused'));
        // Calls to a stopped process wait until it resumes.
        target.after(0, `call of ${from}`, () => {
          work().then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error as Error)),
          );
        });
      };
      const times = this.#random.chance(this.faults.repeated) ? 2 : 1;
      for (let i = 0; i < times; i++) {
        if (this.passes(from, to.name)) scheduler.after(this.delay(), `to ${to.name}`, arrive);
      }
    });
  }

  /**
   * An adapter of a process whose calls travel a link: with the way there cut nothing is done, with the way
   * back cut the caller gets no answer.
   */
  linked<T extends object>(
    target: T,
    process: VirtualProcess,
    { from, to }: { readonly from: string; readonly to: string },
    methods: readonly (keyof T)[],
  ): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        const method = value.bind(object) as (...args: unknown[]) => Promise<unknown>;
        if (!methods.includes(name as keyof T)) return method;
        return async (...args: unknown[]) => {
          const unreachable = () => this.#unreachable(process, to, name === 'append');
          if (!this.passes(from, to)) await unreachable();
          const result = await method(...args);
          if (!this.passes(to, from)) await unreachable();
          return result;
        };
      },
    });
  }

  async #unreachable(process: VirtualProcess, to: string, isAppend: boolean): Promise<never> {
    await process.timers.sleep(this.#random.float() * deadlineMs);
    throw new LokiError(isAppend ? 'logNotAcked' : 'unavailable', `${to} did not answer`);
  }
}
