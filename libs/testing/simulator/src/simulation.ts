/** Base class of the simulations: clients, ledger, violations. */
import { loadHash } from '@loki/model';
import { guardRealWorld, VirtualProcess, VirtualScheduler } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import type { AlwaysFault } from './always.ts';
import { Ledger } from './ledger.ts';
import type { LedgerEntry, Outcome, Violation } from './ledger.ts';
import { answerOf, isExcused, isInOrder, pushRequest } from './sim-clients.ts';
import type { PushAnswer } from './sim-clients.ts';
import type { Push, Workload } from './sim-workload.ts';

export interface SimulationOptions<Bug> {
  readonly seed: number;
  readonly bug?: Bug;
  /** A fault that this run has in every seed. */
  readonly always?: AlwaysFault;
  /** Receives each line of the trace, if present. */
  readonly onTrace?: (line: string) => void;
}

export interface SimulationResult<Counts> {
  readonly seed: number;
  readonly traceHash: string;
  /** Empty: every promise held. */
  readonly violations: readonly Violation[];
  readonly outcomes: Record<Outcome, number>;
  readonly counts: Counts;
  readonly eventsRun: number;
  readonly virtualMs: number;
}

/** The faults have ended, but the system has not recovered. */
export class Stuck extends Error {}

export type Direction = 'forward' | 'backward';
export type PushMessage = ReturnType<typeof pushRequest>;

/**
 * One seed of any of the simulations: clients push and read as the seed draws, the ledger records their
 * answers, and all violations of its promises are collected. Subclasses define the processes, their failures,
 * and the times of judgement.
 */
export abstract class Simulation<Counts> {
  protected readonly scheduler: VirtualScheduler;
  protected readonly random: Prng;
  protected readonly ledger = new Ledger();
  protected readonly violations: Violation[] = [];
  protected abstract readonly workload: Workload;
  protected abstract readonly counts: Counts;
  protected isHealed = false;
  protected clientsRunning = 0;
  readonly #seed: number;

  /**
   * @param schedule the seed of the schedule
   * @param fork     the name of the simulation's own randomness
   */
  constructor(options: SimulationOptions<unknown>, schedule: number | string, fork: string) {
    this.#seed = options.seed;
    this.scheduler = new VirtualScheduler(schedule);
    this.scheduler.onTrace = options.onTrace;
    this.random = this.scheduler.random.fork(fork);
  }

  /** Plays the seed without access to the real world. */
  async run(): Promise<SimulationResult<Counts>> {
    await loadHash();
    const lift = guardRealWorld();
    try {
      await this.play();
    } catch (error) {
      // An error that no client may receive: a case without handling.
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const kind = error instanceof Stuck ? 'stuck' : 'threw';
      this.add([{ kind, text: `${kind}: ${text}` }]);
    } finally {
      lift();
    }
    return {
      seed: this.#seed,
      traceHash: this.scheduler.traceHash(),
      violations: this.violations,
      outcomes: this.ledger.counts(),
      counts: this.counts,
      eventsRun: this.scheduler.eventsRun,
      virtualMs: Math.round(this.scheduler.nowMs),
    };
  }

  /** From the start of the processes to the judgement. */
  protected abstract play(): Promise<void>;

  /** Sends a push to a process. Returns the status; undefined when there is no process. */
  protected abstract send(
    client: VirtualProcess,
    push: Push,
    request: PushMessage,
  ): Promise<number | undefined>;

  // ---- clients

  protected async pushAll(
    name: string,
    pushes: number,
    options: {
      /** Longest pause between two pushes. */
      readonly pauseMaxMs: number;
      /** Waits for a process to push to. */
      readonly beforeAttempt?: (client: VirtualProcess) => Promise<void>;
      /** No push is sent twice. */
      readonly neverRepeats?: boolean;
    },
  ): Promise<void> {
    const client = new VirtualProcess(this.scheduler, name);
    const { random } = client;
    for (let i = 0; i < pushes; i++) {
      await client.timers.sleep(random.float() * options.pauseMaxMs);
      const push = this.workload.next(this.scheduler.nowMs);
      for (let attempt = 0; attempt < 6; attempt++) {
        if (options.beforeAttempt) await options.beforeAttempt(client);
        const answer = await this.#answered(client, push);
        this.scheduler.note(`${name} push ${i} attempt ${attempt} ${answer}`);
        if (answer !== 'unknown' || options.neverRepeats || random.chance(0.2)) break;
        await client.timers.sleep(random.float() * 1_000);
      }
    }
    this.clientsRunning--;
  }

  async #answered(client: VirtualProcess, push: Push): Promise<PushAnswer> {
    this.ledger.recordAttempt(push.entries);
    let answer: PushAnswer = 'unknown';
    try {
      const status = await this.send(client, push, pushRequest(push, new AbortController().signal));
      if (status !== undefined) answer = answerOf(status, push);
    } catch (error) {
      if (!isExcused(error)) throw error;
    }
    this.ledger.answered(push.entries, answer);
    return answer;
  }

  protected background(work: Promise<void>): void {
    work.catch((error: unknown) => this.scheduler.fail(error));
  }

  // ---- faults

  /** Repeats `action`, on average each `meanMs`, until the cluster is healed. */
  protected every(meanMs: number, random: Prng, label: string, action: () => void): void {
    if (!Number.isFinite(meanMs)) return;
    const delayMs = -Math.log(1 - random.float()) * meanMs;
    this.scheduler.after(delayMs, label, () => {
      if (this.isHealed) return;
      action();
      this.every(meanMs, random, label, action);
    });
  }

  protected add(violations: readonly Violation[]): void {
    for (const violation of violations) {
      this.scheduler.note(violation.text);
      this.violations.push(violation);
    }
  }
}

/** A simulation with readers beside the writers: each answer is compared with the ledger. */
export abstract class ReadSimulation<
  Counts extends { queries: number; queriesFailed: number },
> extends Simulation<Counts> {
  /** Queries a process for everything of a tenant. */
  protected abstract read(
    client: VirtualProcess,
    tenant: string,
    direction: Direction,
  ): Promise<LedgerEntry[]>;

  /** False: there was no process to query. */
  protected canRead(): boolean {
    return true;
  }

  protected async query(): Promise<void> {
    const client = new VirtualProcess(this.scheduler, 'reader');
    while (!this.isHealed) {
      await client.timers.sleep(client.random.float() * 2_000);
      for (const tenant of this.workload.tenants) {
        if (this.isHealed || !this.canRead()) break;
        this.counts.queries++;
        try {
          await this.check(client, tenant);
        } catch (error) {
          if (!isExcused(error)) throw error;
          this.scheduler.note(`query failed: ${String(error)}`);
          this.counts.queriesFailed++;
        }
      }
    }
  }

  /** Queries everything of a tenant, and compares it with the entries that were acknowledged before. */
  protected async check(client: VirtualProcess, tenant: string): Promise<LedgerEntry[]> {
    const must = this.ledger.acked(tenant);
    const mustNot = this.ledger.deleted(tenant);
    const direction = client.random.pick(['forward', 'backward'] as const);
    const entries = await this.read(client, tenant, direction);
    this.scheduler.note(`read ${tenant} ${entries.length} of ${must.length}`);
    this.add(this.ledger.judge(tenant, entries, must, mustNot));
    if (!isInOrder(entries, direction)) this.add([{ kind: 'order', text: `order: ${tenant} ${direction}` }]);
    return entries;
  }
}
