/** A bucket in memory behind S3's protocol, and the services that give keys of a role, for tests. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const keysLiveMs = 3_600_000;

/** Takes requests that are signed with the newest keys it gave away, and no others. */
export class TestBucket {
  readonly objects = new Map<string, Buffer>();
  /** Tokens of web identities that were shown. */
  readonly tokens: string[] = [];
  /** Keys that it gave away, by path of the service. */
  readonly keysGiven = new Map<string, number>();
  /** Requests with keys that are over. */
  refusals = 0;
  /** Bodies of objects below this prefix stop in their middle: this number of further ones. */
  stalls = { prefix: '', count: 0 };
  readonly #server: Server;
  #keys = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      response.on('error', () => undefined);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request, Buffer.concat(chunks), response));
    });
  }

  static async start(): Promise<TestBucket> {
    const bucket = new TestBucket();
    await new Promise<void>((resolve) => bucket.#server.listen(0, '127.0.0.1', resolve));
    return bucket;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The keys that it gave are over before their time. */
  endKeys(): void {
    this.#keys += 1;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const url = new URL(request.url!, this.url);
    if (url.pathname === '/sts') return this.#changeToken(body, response);
    if (url.pathname === '/container') return this.#tellRole(request, response);
    const isSigned = request.headers.authorization?.includes(`Credential=key-${this.#keys}/`) === true;
    if (!isSigned || request.headers['x-amz-security-token'] !== `session-${this.#keys}`) {
      this.refusals += 1;
      return refuse(response, 400, 'ExpiredToken');
    }
    const key = decodeURIComponent(url.pathname.slice('/bucket/'.length));
    if (key === '') return this.#list(url.searchParams, response);
    switch (request.method) {
      case 'PUT':
        if (request.headers['if-none-match'] === '*' && this.objects.has(key)) {
          return refuse(response, 412, 'PreconditionFailed');
        }
        this.objects.set(key, body);
        return void response.writeHead(200, { etag: '"e"' }).end();
      case 'DELETE':
        this.objects.delete(key);
        return void response.writeHead(204).end();
      default:
        return this.#give(key, request, response);
    }
  }

  /** AssumeRoleWithWebIdentity. */
  #changeToken(body: Buffer, response: ServerResponse): void {
    this.tokens.push(new URLSearchParams(body.toString()).get('WebIdentityToken') ?? '');
    this.#given('/sts');
    const { id, expiration } = this.#newest();
    response
      .writeHead(200, { 'content-type': 'text/xml' })
      .end(
        `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>` +
          `<SessionToken>session-${id}</SessionToken><SecretAccessKey>secret</SecretAccessKey>` +
          `<Expiration>${expiration}</Expiration><AccessKeyId>key-${id}</AccessKeyId>` +
          `</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      );
  }

  /** The agent beside a container. */
  #tellRole(request: IncomingMessage, response: ServerResponse): void {
    this.tokens.push(request.headers.authorization ?? '');
    this.#given('/container');
    const { id, expiration } = this.#newest();
    const keys = { AccessKeyId: `key-${id}`, SecretAccessKey: 'secret', Token: `session-${id}` };
    response.writeHead(200).end(JSON.stringify({ ...keys, Expiration: expiration }));
  }

  #given(path: string): void {
    this.keysGiven.set(path, (this.keysGiven.get(path) ?? 0) + 1);
  }

  #newest(): { id: number; expiration: string } {
    return { id: this.#keys, expiration: new Date(Date.now() + keysLiveMs).toISOString() };
  }

  #list(search: URLSearchParams, response: ServerResponse): void {
    const prefix = search.get('prefix') ?? '';
    const after = search.get('start-after') ?? '';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const contents = keys.map(
      (key) =>
        `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${this.objects.get(key)!.length}</Size></Contents>`,
    );
    response
      .writeHead(200)
      .end(`<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`);
  }

  #give(key: string, request: IncomingMessage, response: ServerResponse): void {
    const object = this.objects.get(key);
    if (!object) return refuse(response, 404, 'NoSuchKey');
    const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
    const start = !range
      ? 0
      : range[1] === ''
        ? Math.max(0, object.length - Number(range[2]))
        : Number(range[1]);
    if (start > 0 && start >= object.length) return refuse(response, 416, 'InvalidRange');
    const bytes = object.subarray(start, range && range[1] !== '' ? Number(range[2]) + 1 : undefined);
    const place = `bytes ${start}-${start + bytes.length - 1}/${object.length}`;
    response.writeHead(range ? 206 : 200, {
      'content-length': bytes.length,
      ...(range ? { 'content-range': place } : {}),
    });
    if (this.stalls.count > 0 && key.startsWith(this.stalls.prefix) && bytes.length > 1) {
      this.stalls.count -= 1;
      response.write(bytes.subarray(0, bytes.length >> 1));
      return;
    }
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status).end(`<Error><Code>${code}</Code><Message>no</Message></Error>`);
}
