/** The part of Grafana's HTTP API that provisioning uses: data sources, folders, dashboards. */
import { Buffer } from 'node:buffer';
import type { HttpClient } from '@loki/ports';

/** Credentials for Grafana: a service account's token, or a user with a password. */
export type GrafanaLogin =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'user'; readonly name: string; readonly password: string };

/** A data source in the form of Grafana's API and provisioning files. */
export interface DataSource {
  readonly uid: string;
  readonly name: string;
  readonly type: string;
  readonly access: string;
  readonly url: string;
  readonly isDefault: boolean;
  readonly jsonData: Readonly<Record<string, unknown>>;
  /** Write-only: Grafana never returns it. */
  readonly secureJsonData: Readonly<Record<string, string>>;
}

export interface StoredDataSource extends Omit<DataSource, 'secureJsonData'> {
  /** Provisioned by a file: the API cannot change it. */
  readonly readOnly: boolean;
}

/** `absent`: no answer yet. `denied`: the credentials are wrong; there is no retry. */
type GrafanaFault = 'absent' | 'denied' | 'refused';

/** A request to Grafana that failed. `fault` says whether a retry can help. */
export class GrafanaError extends Error {
  readonly fault: GrafanaFault;

  constructor(fault: GrafanaFault, message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}

interface GrafanaDeps {
  readonly http: HttpClient;
  /** Without a trailing slash. */
  readonly url: string;
  readonly login: GrafanaLogin;
}

const timeoutMs = 10_000;
const answerBytesMax = 8 * 2 ** 20;

/** Client for Grafana's data sources and dashboards. */
export class GrafanaApi {
  readonly #deps: GrafanaDeps;

  constructor(deps: GrafanaDeps) {
    this.#deps = deps;
  }

  /** Answered without credentials. @throws GrafanaError `absent` */
  async health(): Promise<void> {
    await this.#send('GET', '/api/health');
  }

  async dataSource(uid: string): Promise<StoredDataSource | undefined> {
    const body = await this.#send('GET', `/api/datasources/uid/${encodeURIComponent(uid)}`);
    return body as StoredDataSource | undefined;
  }

  async createDataSource(source: DataSource): Promise<void> {
    await this.#send('POST', '/api/datasources', source);
  }

  async updateDataSource(source: DataSource): Promise<void> {
    await this.#send('PUT', `/api/datasources/uid/${encodeURIComponent(source.uid)}`, source);
  }

  async deleteDataSource(uid: string): Promise<void> {
    await this.#send('DELETE', `/api/datasources/uid/${encodeURIComponent(uid)}`);
  }

  async hasFolder(uid: string): Promise<boolean> {
    return (await this.#send('GET', `/api/folders/${encodeURIComponent(uid)}`)) !== undefined;
  }

  async createFolder(uid: string, title: string): Promise<void> {
    await this.#send('POST', '/api/folders', { uid, title });
  }

  /** The message of the dashboard's newest version; undefined: there is no such dashboard. */
  async lastDashboardMessage(uid: string): Promise<string | undefined> {
    const path = `/api/dashboards/uid/${encodeURIComponent(uid)}`;
    if ((await this.#send('GET', path)) === undefined) return undefined;
    const body = (await this.#send('GET', `${path}/versions?limit=1`)) as
      Version[] | { readonly versions?: Version[] } | undefined;
    const versions = Array.isArray(body) ? body : (body?.versions ?? []);
    return versions.toSorted((a, b) => b.version - a.version)[0]?.message ?? '';
  }

  async saveDashboard(
    dashboard: Readonly<Record<string, unknown>>,
    folderUid: string,
    message: string,
  ): Promise<void> {
    await this.#send('POST', '/api/dashboards/db', { dashboard, folderUid, message, overwrite: true });
  }

  async deleteDashboard(uid: string): Promise<void> {
    await this.#send('DELETE', `/api/dashboards/uid/${encodeURIComponent(uid)}`);
  }

  /** The answer's JSON; undefined for 404. */
  async #send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const { http, url, login } = this.#deps;
    const call = `grafana: ${method} ${path.split('?')[0]}`;
    const answer = await http
      .send({
        method,
        url: url + path,
        headers: {
          accept: 'application/json',
          ...(path === '/api/health' ? {} : { authorization: authorizationOf(login) }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
        timeoutMs,
        answerBytesMax,
      })
      .catch((error: unknown) => {
        throw new GrafanaError('absent', `${call}: ${String(error)}`, error);
      });
    const { status } = answer;
    if (status === 404 && method !== 'POST') return undefined;
    if (status === 401 || status === 403) {
      throw new GrafanaError('denied', `${call}: ${status}: the login is refused`);
    }
    // A Service without pods, or a Grafana that is starting.
    if (status >= 502 && status <= 504) throw new GrafanaError('absent', `${call}: ${status}`);
    const text = answer.body.toString();
    if (status >= 300) throw new GrafanaError('refused', `${call}: ${status}: ${text.slice(0, 300)}`);
    try {
      return text === '' ? {} : (JSON.parse(text) as unknown);
    } catch (error) {
      throw new GrafanaError('refused', `${call}: the answer is not JSON`, error);
    }
  }
}

interface Version {
  readonly version: number;
  readonly message?: string;
}

function authorizationOf(login: GrafanaLogin): string {
  if (login.kind === 'token') return `Bearer ${login.token}`;
  return `Basic ${Buffer.from(`${login.name}:${login.password}`).toString('base64')}`;
}
