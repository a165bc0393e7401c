/**
 * The canary app as the judge of a system whose pods come and go: numbered lines in, queries, one retry each.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checks } from '@loki/image';

const root = path.resolve(import.meta.dirname, '../../..');
const load = [
  '-tenant-id=whizard-logs-ks',
  '-ledger.attempts=2',
  '-ledger.rate=200',
  '-ledger.clients=2',
  '-ledger.streams=10',
  '-ledger.push-lines=20',
  '-ledger.settle=1s',
];

const startMsMax = 60_000;

interface Requests {
  readonly sent: number;
  readonly repeated: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly examples: readonly string[];
}

/** The fields of the canary's report that are read here. */
interface Report {
  readonly acked: number;
  readonly judged: { readonly lost: number; readonly doubled: number; readonly examples: readonly string[] };
  readonly checked: { readonly lost: number; readonly doubled: number; readonly examples: readonly string[] };
  readonly pushes: Requests;
  readonly queries: Requests;
  readonly isGood: boolean;
}

export class Canary {
  readonly #checks: Checks;
  readonly #directory: string;
  readonly #address: string;
  readonly #ledgers: string[] = [];
  #running:
    { readonly child: ChildProcess; readonly report: string; readonly ended: Promise<void> } | undefined;

  /**
   * @param directory of its ledgers and reports
   * @param address of the gateway's Service
   */
  constructor(checks: Checks, directory: string, address: string) {
    this.#checks = checks;
    this.#directory = directory;
    this.#address = address;
    fs.mkdirSync(directory, { recursive: true });
  }

  /** Starts load and queries; they continue until `finish`. */
  async start(): Promise<void> {
    const ledger = path.join(this.#directory, `ledger-${this.#ledgers.length}`);
    this.#ledgers.push(ledger);
    this.#running = this.#run(ledger, load);
    // A program that has not begun yet ends at SIGTERM without a report.
    const deadlineMs = Date.now() + startMsMax;
    while (!fs.existsSync(ledger) && Date.now() < deadlineMs) await sleep(50);
  }

  /**
   * Checks that no line was missing or doubled, in answers meanwhile and at the end, and that no request
   * failed after one retry.
   */
  async finish(name: string): Promise<void> {
    const running = this.#running;
    if (!running) return;
    running.child.kill('SIGTERM');
    await running.ended;
    this.#running = undefined;
    this.#judge(name, running.report, 'all');
  }

  /** Judges the lines of all ledgers once more. */
  async judgeAgain(name: string): Promise<void> {
    for (const ledger of this.#ledgers) {
      const { report, ended } = this.#run(ledger, [...load, '-ledger.judge-only=true']);
      await ended;
      this.#judge(name, report, 'lines');
    }
  }

  /** Ends it without a judgement, after a failure of the test. */
  async stop(): Promise<void> {
    this.#running?.child.kill('SIGKILL');
    await this.#running?.ended;
    this.#running = undefined;
  }

  #run(ledger: string, flags: readonly string[]) {
    const report = `${ledger}.json`;
    fs.rmSync(report, { force: true });
    const own = [`-addr=${this.#address}`, `-ledger.file=${ledger}`, `-ledger.report=${report}`];
    const main = path.join(root, 'apps/canary/src/main.ts');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...own, ...flags], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve()); // Its missing report shows the failure.
    });
    return { child, report, ended };
  }

  #judge(name: string, file: string, scope: 'all' | 'lines'): void {
    if (!fs.existsSync(file)) {
      this.#checks.check(`${name}: the canary judges`, false, 'it ended without a report');
      return;
    }
    const { acked, judged, checked, pushes, queries, isGood } = JSON.parse(
      fs.readFileSync(file, 'utf8'),
    ) as Report;
    const examples = [...judged.examples, ...checked.examples].slice(0, 3).join('; ');
    const missing = judged.lost + checked.lost;
    const doubled = judged.doubled + checked.doubled;
    const summary = `${acked} lines, ${missing} missing, ${doubled} doubled ${examples}`;
    this.#checks.check(`${name}: each line is there once`, isGood && acked > 0, summary);
    if (scope === 'lines') return;
    const failed = pushes.failed + queries.failed;
    const isServed = failed === 0 && pushes.sent > 0 && queries.sent > 0;
    const slowestMs = Math.max(pushes.slowestMs, queries.slowestMs);
    const requests = `${pushes.sent} pushes, ${queries.sent} queries, ${pushes.repeated + queries.repeated} retries, ${failed} failures, slowest ${slowestMs} ms`;
    const reasons = [requests, ...pushes.examples, ...queries.examples].join('\n  ');
    this.#checks.check(`${name}: no request fails after one retry`, isServed, reasons);
  }
}
