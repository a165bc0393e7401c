/** Real Prometheus and Alertmanager for end-to-end tests. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { freePort } from '@loki/test-tools';

/**
 * A server of another project on a port of its own, which may be stopped and started again with its stored
 * data.
 */
export class OtherServer {
  readonly url: string;
  readonly #command: readonly string[];
  readonly #logFile: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, command: readonly string[], logFile: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#command = command;
    this.#logFile = logFile;
  }

  /** A Prometheus that takes remote writes, with these rules of its own. */
  static async prometheus(binary: string, directory: string, rules: string): Promise<OtherServer> {
    fs.mkdirSync(directory);
    fs.writeFileSync(path.join(directory, 'rules.yml'), rules);
    fs.writeFileSync(
      path.join(directory, 'prometheus.yml'),
      'global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n',
    );
    const port = await freePort();
    const server = new OtherServer(
      port,
      [
        binary,
        `--config.file=${path.join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${path.join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-remote-write-receiver',
        '--log.level=warn',
      ],
      path.join(directory, 'prometheus.log'),
    );
    await server.start();
    return server;
  }

  /** An Alertmanager that tells `webhook` of each change within a second. */
  static async alertmanager(binary: string, directory: string, webhook: string): Promise<OtherServer> {
    fs.mkdirSync(directory);
    fs.writeFileSync(
      path.join(directory, 'alertmanager.yml'),
      `route: {receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: ['...']}
receivers:
- name: hook
  webhook_configs: [{url: '${webhook}', send_resolved: true}]
`,
    );
    const port = await freePort();
    const server = new OtherServer(
      port,
      [
        binary,
        `--config.file=${path.join(directory, 'alertmanager.yml')}`,
        `--storage.path=${path.join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--cluster.listen-address=',
      ],
      path.join(directory, 'alertmanager.log'),
    );
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const log = fs.openSync(this.#logFile, 'a');
    const child = spawn(this.#command[0], this.#command.slice(1), { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.#process = child;
    const deadlineMs = Date.now() + 120_000;
    for (;;) {
      if (child.exitCode !== null || child.pid === undefined || Date.now() > deadlineMs) {
        throw new Error(`${this.#command[0]}:\n${fs.readFileSync(this.#logFile, 'utf8').slice(-2000)}`);
      }
      try {
        if ((await fetch(`${this.url}/-/ready`)).status === 200) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  async get<T>(pathAndQuery: string): Promise<T> {
    const response = await fetch(this.url + pathAndQuery);
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  async text(pathAndQuery: string): Promise<string> {
    return (await fetch(this.url + pathAndQuery)).text();
  }
}

export interface Notification {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
}

/** Takes what Alertmanager tells people. */
export class Webhook {
  readonly notifications: Notification[] = [];
  readonly #server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { alerts } = JSON.parse(Buffer.concat(chunks).toString()) as { alerts: Notification[] };
      this.notifications.push(...alerts.map(({ status, labels }) => ({ status, labels })));
      response.end();
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The states that were sent of an alert, in order. */
  statusesOf(alertname: string): string[] {
    const ofAlert = this.notifications.filter(({ labels }) => labels['alertname'] === alertname);
    return ofAlert.map(({ status }) => status);
  }
}
