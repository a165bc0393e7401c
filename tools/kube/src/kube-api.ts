/** A client for the Kubernetes API server of the tests. */
import https from 'node:https';

const timeoutMs = 20_000;

// Its fields are read by checks that know the kind.
// oxlint-disable-next-line typescript/no-explicit-any
export type KubeObject = Record<string, any> & {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
};

/** An event of a watch, in the order in which the server wrote it. */
interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

interface Answer {
  readonly status: number;
  readonly body: KubeObject;
}

/** The API server, as one account. Its certificate is its own. */
export class KubeApi {
  readonly #url: string;
  readonly #token: string;
  readonly #agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  request(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        // The server closed an idle connection at the moment of its use: it has not read the request.
        if (request.reusedSocket && error.code === 'ECONNRESET') resolve(this.request(method, path, body));
        else reject(new Error(`${method} ${path}: ${error.message}`, { cause: error }));
      };
      const request = https.request(`${this.#url}${path}`, this.#options(method), (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (part: string) => (answer += part));
        response.on('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: parse(answer) as KubeObject }),
        );
      });
      request.setTimeout(timeoutMs, () => request.destroy(new Error('no answer')));
      // More than one may follow, of a request that was destroyed.
      request.on('error', onError);
      request.end(text);
    });
  }

  async get(path: string): Promise<KubeObject> {
    const { status, body } = await this.request('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${String(body['message'])}`);
    return body;
  }

  /** Creates the object, or sets these fields. */
  async apply(object: object): Promise<void> {
    const { collection, name } = placeOf(object as KubeObject);
    const created = await this.request('POST', collection, object);
    if (created.status < 300) return;
    const path = `${collection}/${name}`;
    const { status, body } =
      created.status === 409
        ? await this.request('PATCH', `${path}?fieldManager=test&force=true`, object)
        : created;
    if (status >= 300) throw new Error(`${path}: ${status} ${String(body['message'])}`);
  }

  async list(path: string): Promise<KubeObject[]> {
    return (await this.get(path))['items'] as KubeObject[];
  }

  /**
   * Reports the existing objects, then each change.
   *
   * @returns the end of the watch
   */
  watch(path: string, onEvent: (event: WatchEvent) => void): () => void {
    const request = https.request(`${this.#url}${path}?watch=true`, this.#options('GET'), (response) => {
      let partialLine = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        const lines = (partialLine + part).split('\n');
        partialLine = lines.pop() ?? '';
        for (const line of lines) onEvent(JSON.parse(line) as WatchEvent);
      });
      response.on('error', () => undefined); // destroyed below
    });
    request.on('error', () => undefined); // destroyed below
    request.end();
    return () => request.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }

  #options(method: string): https.RequestOptions {
    const contentType = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
    return {
      method,
      agent: this.#agent,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': contentType },
    };
  }
}

/** Path of objects of its kind. */
function placeOf({ apiVersion, kind, metadata }: KubeObject): { collection: string; name: string } {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${String(apiVersion)}`;
  const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const plural = `${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`;
  return { collection: `${root}${scope}/${plural}`, name: metadata.name };
}

/** Health and errors of the server are text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
