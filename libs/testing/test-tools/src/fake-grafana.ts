/** A Grafana in memory for tests of provisioning. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

// Fields of Grafana's objects that the tests read.
// oxlint-disable-next-line typescript/no-explicit-any
type Fields = Record<string, any>;

/** Grafana's HTTP API for data sources, folders and dashboards, as its documentation has it, in memory. */
export class FakeGrafana {
  readonly dataSources = new Map<string, Fields>();
  readonly folders = new Map<string, Fields>();
  readonly dashboards = new Map<string, { dashboard: Fields; folderUid: string; messages: string[] }>();
  /** `METHOD path` of each request that requires a login. */
  readonly requests: string[] = [];
  authorization = `Basic ${Buffer.from('admin:secret').toString('base64')}`;
  /** Number of requests to answer like a Service without pods. */
  startsAfter = 0;
  /** Requests that got such an answer. */
  requestsBeforeStart = 0;
  readonly #server = http.createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A restart of a Grafana without persistence. */
  loseDatabase(): void {
    this.dataSources.clear();
    this.folders.clear();
    this.dashboards.clear();
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const [path] = request.url!.split('?');
    const { status, body } = this.#route(request, path, text === '' ? {} : (JSON.parse(text) as Fields));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #route(
    { method, headers }: http.IncomingMessage,
    path: string,
    body: Fields,
  ): { status: number; body: unknown } {
    if (this.startsAfter > 0) {
      this.startsAfter--;
      this.requestsBeforeStart++;
      return { status: 503, body: {} };
    }
    if (path === '/api/health') return { status: 200, body: { database: 'ok' } };
    this.requests.push(`${method} ${path}`);
    if (headers.authorization !== this.authorization) {
      return { status: 401, body: { message: 'Invalid username or password' } };
    }
    const uid = path.split('/').at(-1)!;
    if (path.startsWith('/api/datasources')) return this.#dataSource(method!, uid, body);
    if (path.startsWith('/api/folders')) return this.#folder(method!, uid, body);
    return this.#dashboard(method!, path, body);
  }

  #dataSource(method: string, uid: string, body: Fields): { status: number; body: unknown } {
    if (method === 'POST') {
      if (this.dataSources.has(body.uid)) {
        return { status: 409, body: { message: 'data source with the same uid already exists' } };
      }
      this.dataSources.set(body.uid, body);
      return { status: 200, body: { message: 'Datasource added' } };
    }
    const stored = this.dataSources.get(uid);
    if (!stored) return { status: 404, body: { message: 'Data source not found' } };
    if (method === 'PUT') this.dataSources.set(uid, body);
    if (method === 'DELETE') this.dataSources.delete(uid);
    const { secureJsonData: _hidden, ...visible } = stored;
    return { status: 200, body: { readOnly: false, version: 1, ...visible } };
  }

  #folder(method: string, uid: string, body: Fields): { status: number; body: unknown } {
    if (method === 'POST') this.folders.set(body.uid, body);
    const folder = this.folders.get(method === 'POST' ? body.uid : uid);
    return folder ? { status: 200, body: folder } : { status: 404, body: { message: 'folder not found' } };
  }

  #dashboard(method: string, path: string, body: Fields): { status: number; body: unknown } {
    if (method === 'POST') {
      const messages = this.dashboards.get(body.dashboard.uid)?.messages ?? [];
      this.dashboards.set(body.dashboard.uid, {
        dashboard: body.dashboard,
        folderUid: body.folderUid,
        messages: [...messages, body.message ?? ''],
      });
      return { status: 200, body: { status: 'success' } };
    }
    const [, uid, versions] = /^\/api\/dashboards\/uid\/([^/]+)(\/versions)?$/.exec(path)!;
    const stored = this.dashboards.get(uid);
    if (!stored) return { status: 404, body: { message: 'Dashboard not found' } };
    if (method === 'DELETE') this.dashboards.delete(uid);
    if (versions) {
      const all = stored.messages.map((message, index) => ({ version: index + 1, message }));
      return { status: 200, body: { versions: all.slice(-1) } };
    }
    return { status: 200, body: { dashboard: stored.dashboard, meta: {} } };
  }
}
