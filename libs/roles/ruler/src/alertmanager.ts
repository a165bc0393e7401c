/** Sends alerts to Alertmanagers: last step of the story of a rule. */
import { goJson, queryEscape } from '@loki/go';
import type { LabelPair, TenantId } from '@loki/model';
import type { HttpClient, Logger, Random, Timers } from '@loki/ports';
import type { RulerMetrics } from '@loki/telemetry';
import type { Alert } from './alert-rule.ts';
import { timeText } from './api-text.ts';
import { labelsKey, withLabels } from './evaluate.ts';
import { shownExpr } from './expr-text.ts';
import { relabel } from './relabel.ts';
import type { RelabelStep } from './relabel.ts';
import { authorizationHeaders } from './remote-client.ts';
import type { ReadSecret, RemoteServer } from './remote-client.ts';
import type { AlertSink } from './ruler-deps.ts';

export interface AlertmanagerOptions {
  /** Each server gets every alert: Alertmanagers of one cluster remove duplicates themselves. */
  readonly servers: readonly RemoteServer[];
  /** Alerts of one tenant that may wait for one Alertmanager. */
  readonly queueCapacity: number;
  readonly externalLabels: readonly LabelPair[];
  readonly externalUrl: string;
  /** Grafana's id of this data source, for links. */
  readonly datasourceUid: string;
  readonly relabel: readonly RelabelStep[];
}

interface AlertmanagerDeps {
  readonly http: HttpClient;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RulerMetrics;
  readonly readSecret: ReadSecret;
}

/** Alerts in one message. */
const batchAlertsMax = 256;
/** Attempts for one message. A firing alert is sent again by its rule anyway. */
const attemptsMax = 4;
const backoffMinMs = 500;

/**
 * Sends alerts to Alertmanagers with a queue for each tenant and Alertmanager, so that a hanging server
 * delays no other.
 */
export class AlertmanagerSink implements AlertSink {
  readonly #deps: AlertmanagerDeps;
  readonly #options: AlertmanagerOptions;
  readonly #tenants = new Map<TenantId, AlertQueue[]>();

  constructor(deps: AlertmanagerDeps, options: AlertmanagerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  send(tenant: TenantId, alerts: readonly Alert[], expr: string): void {
    const { externalLabels, externalUrl, datasourceUid } = this.#options;
    const generatorURL = exploreUrl(externalUrl, datasourceUid, expr);
    const messages = alerts.flatMap((alert) => {
      const labels = relabel(withLabels(externalLabels, alert.labels), this.#options.relabel);
      return labels === undefined || labels.length === 0 ? [] : [messageOf(alert, labels, generatorURL)];
    });
    if (messages.length === 0) return;
    let queues = this.#tenants.get(tenant);
    if (!queues) {
      queues = this.#options.servers.map(
        (server) => new AlertQueue(tenant, server, this.#deps, this.#options.queueCapacity),
      );
      this.#tenants.set(tenant, queues);
    }
    for (const queue of queues) queue.add(messages);
  }

  /** The tenant has no rules any more: sends waiting alerts, then drops the queues. */
  forget(tenant: TenantId): void {
    this.#tenants.delete(tenant);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#tenants.values()].flat().map((queue) => queue.stop()));
    this.#tenants.clear();
  }
}

interface AlertMessage {
  readonly key: string;
  readonly json: unknown;
}

function messageOf(alert: Alert, labels: readonly LabelPair[], generatorURL: string): AlertMessage {
  const endsAtMs = alert.state === 'inactive' ? alert.resolvedAtMs : alert.validUntilMs;
  return {
    key: labelsKey(labels),
    json: {
      annotations: Object.fromEntries(alert.annotations),
      endsAt: timeText(endsAtMs),
      startsAt: timeText(alert.firedAtMs),
      generatorURL,
      labels: Object.fromEntries(labels),
    },
  };
}

/** Messages for one Alertmanager. Of a waiting alert only the newest state is sent. */
class AlertQueue {
  readonly #tenant: TenantId;
  readonly #server: RemoteServer;
  readonly #deps: AlertmanagerDeps;
  readonly #capacity: number;
  readonly #waiting = new Map<string, AlertMessage>();
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(tenant: TenantId, server: RemoteServer, deps: AlertmanagerDeps, capacity: number) {
    this.#tenant = tenant;
    this.#server = server;
    this.#deps = deps;
    this.#capacity = Math.max(1, capacity);
  }

  add(messages: readonly AlertMessage[]): void {
    let dropped = 0;
    for (const message of messages) {
      this.#waiting.delete(message.key);
      this.#waiting.set(message.key, message);
      if (this.#waiting.size <= this.#capacity) continue;
      const [oldest] = this.#waiting.keys();
      this.#waiting.delete(oldest);
      dropped++;
    }
    const { metrics } = this.#deps;
    if (dropped > 0) metrics.alertsDropped(this.#server.url, this.#tenant, dropped);
    metrics.alertQueue(this.#server.url, this.#tenant, this.#waiting.size);
    this.#wake();
  }

  #wake(): void {
    if (this.#sending || this.#waiting.size === 0 || this.#stop.signal.aborted) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
      this.#wake();
    });
  }

  /** Waiting alerts stay unsent: the next evaluator of the rules sends them again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    const { metrics } = this.#deps;
    const { url } = this.#server;
    // The alerts of one evaluation arrive in several calls; a microtask later they form one message.
    await Promise.resolve();
    while (this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      const batch = [...this.#waiting.values()].slice(0, batchAlertsMax);
      for (const { key } of batch) this.#waiting.delete(key);
      metrics.alertQueue(url, this.#tenant, this.#waiting.size);
      const isSent = await this.#sendBatch(batch);
      if (isSent) metrics.alertsSent(url, this.#tenant, batch.length);
      else if (!this.#stop.signal.aborted) metrics.alertsDropped(url, this.#tenant, batch.length);
    }
  }

  async #sendBatch(batch: readonly AlertMessage[]): Promise<boolean> {
    const { timers, random, metrics, logger } = this.#deps;
    const { signal } = this.#stop;
    const body = Buffer.from(JSON.stringify(batch.map(({ json }) => json)));
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(body);
      if (signal.aborted) return false;
      if (outcome === 'sent') return true;
      metrics.alertsFailed(this.#server.url, this.#tenant, batch.length);
      logger.warn('an Alertmanager did not accept alerts', {
        alertmanager: this.#server.url,
        user: this.#tenant,
        alerts: batch.length,
        attempt,
        err: outcome.reason,
      });
      if (!outcome.isRetryable || attempt === attemptsMax) return false;
      const delayMs = backoffMinMs * 2 ** (attempt - 1) * (0.5 + random.float());
      try {
        await timers.sleep(delayMs, signal);
      } catch {
        // Stopped.
        return false;
      }
    }
  }

  async #post(body: Buffer): Promise<'sent' | { readonly reason: string; readonly isRetryable: boolean }> {
    const { http, readSecret } = this.#deps;
    const { url, headers, credentials, timeoutMs, tls } = this.#server;
    try {
      const { status } = await http.send({
        method: 'POST',
        url,
        headers: {
          ...Object.fromEntries(headers),
          ...(await authorizationHeaders(credentials, readSecret)),
          'content-type': 'application/json',
          'user-agent': 'loki-ruler',
        },
        body,
        timeoutMs,
        signal: this.#stop.signal,
        tls,
      });
      if (status >= 200 && status < 300) return 'sent';
      return { reason: `status ${status}`, isRetryable: status >= 500 || status === 429 };
    } catch (error) {
      return { reason: String(error), isRetryable: true };
    }
  }
}

/** The path of Alertmanager's API v2 below the configured address. */
export function alertsUrl(base: string): string {
  return `${base.replace(/\/+$/, '')}/api/v2/alerts`;
}

/**
 * A link to the rule's expression in Grafana's Explore, in Loki's form: notification templates parse these
 * links. Only the query is fully escaped.
 */
function exploreUrl(externalUrl: string, datasourceUid: string, expr: string): string {
  const base = externalUrl.replace(/\/+$/, '');
  const query = goJson({ expr: shownExpr(expr), queryType: 'range' });
  const datasource = datasourceUid === '' ? '' : `%22datasource%22:${queryEscape(goJson(datasourceUid))},`;
  return `${base}/explore?left=%7B${datasource}%22queries%22:%5B${queryEscape(query)}%5D%7D`;
}
