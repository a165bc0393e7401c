/** Protects the table of paths and methods, and the refusals of all others. */
import { textResponse } from '@loki/ports';
import { echo, send, start, stopAll } from './test/server.ts';

afterEach(stopAll);

describe('routes', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/nope'],
    ['GET', '/loki/api/v1/query/'],
    ['GET', '/loki/api/v1/QUERY'],
    ['HEAD', '/nope'],
    ['OPTIONS', '*'],
    ['GET', '/loki/api/v1/label/app'],
    ['GET', '/loki/api/v1/series'],
  ])('%s %s is not found, in the words of Go', async (method, path) => {
    const { port } = await start((server) => {
      server.handleAll({ query: echo, push: echo, labelValues: echo });
    });
    const answer = await send(port, path, { method });
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    if (method !== 'HEAD') expect(answer.text).toBe('404 page not found\n');
  });

  test.each([
    ['PUT', '/loki/api/v1/query', 'GET, POST'],
    ['HEAD', '/loki/api/v1/query', 'GET, POST'],
    ['OPTIONS', '/loki/api/v1/query', 'GET, POST'],
    ['DELETE', '/loki/api/v1/label/app/values', 'GET, POST'],
    ['HEAD', '/flush', 'GET, POST'],
    ['GET', '/loki/api/v1/push', 'POST'],
    ['HEAD', '/loki/api/v1/push', 'POST'],
    ['POST', '/ready', 'GET, HEAD'],
    ['POST', '/loki/api/v1/tail', 'GET, HEAD'],
    ['PUT', '/loki/api/v1/rules/a', 'GET, POST, DELETE'],
    ['POST', '/loki/api/v1/rules/a/b', 'GET, DELETE, HEAD'],
    ['PATCH', '/loki/api/v1/delete', 'GET, POST, PUT, DELETE'],
  ])('%s %s is no method of the path, and runs no handler', async (method, path, allow) => {
    let called = false;
    const handler = () => {
      called = true;
      return textResponse('');
    };
    const { port } = await start((server) => {
      for (const id of ['query', 'push', 'labelValues', 'flush', 'ready', 'deletes'] as const) {
        server.handle(id, handler);
      }
      server.handleAll({ rulesNamespace: handler, rulesGroup: handler });
      server.upgrade('tail', () => () => Promise.resolve());
    });
    const answer = await send(port, path, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.text).toBe(method === 'HEAD' ? '' : 'method not allowed\n');
    expect(called).toBe(false);
  });

  test('HEAD of a path that takes GET alone has the headers of GET, and no body', async () => {
    const { port } = await start((server) => server.handle('ready', () => textResponse('ready\n')));
    const answer = await send(port, '/ready', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers['content-length']).toBe('6');
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test('a path is decoded before it is parted, so that no parameter has a slash', async () => {
    const { port } = await start((server) => server.handleAll({ labelValues: echo, rulesGroup: echo }));
    expect(JSON.parse((await send(port, '/loki/api/v1/label/a%20b/values?x=1&y')).text)).toMatchObject({
      params: { name: 'a b' },
      query: 'x=1&y',
      path: '/loki/api/v1/label/a b/values',
    });
    expect(JSON.parse((await send(port, '/loki/api/v1/%72ules/a%25b/%67')).text)).toMatchObject({
      params: { namespace: 'a%b', groupname: 'g' },
    });
    expect((await send(port, '/loki/api/v1/rules/a%2Fb/g')).status).toBe(404);
    // `a%2Fb` is a namespace and a group, which no POST makes.
    expect((await send(port, '/loki/api/v1/rules/a%2Fb', { method: 'POST' })).status).toBe(405);
    expect((await send(port, '/loki/api/v1/label/a%2Fb/values')).status).toBe(404);
    const unclean = await send(port, '/loki/api/v1/label/%2F%C5%BC%3Fa/values?x');
    expect(unclean.headers.location).toBe('/loki/api/v1/label/%C5%BC%3Fa/values?x');
    expect((await send(port, '/loki/api/v1/label/%zz/values')).status).toBe(404);
    expect((await send(port, '/loki/api/v1/label/%ff/values')).status).toBe(404);
  });

  test('an unclean path is sent to its clean form', async () => {
    const { port } = await start((server) => server.handle('labels', echo));
    const answer = await send(port, '/loki/api/v1/label//values?a=b');
    expect(answer).toMatchObject({
      status: 301,
      text: '',
      headers: { location: '/loki/api/v1/label/values?a=b' },
    });
    expect((await send(port, '/loki/../../x')).headers.location).toBe('/x');
  });

  test('a prefix belongs before every path', async () => {
    const { port } = await start((server) => server.handle('labels', echo), { pathPrefix: '/logs' });
    expect((await send(port, '/loki/api/v1/labels')).status).toBe(404);
    expect((await send(port, '/logsloki/api/v1/labels')).status).toBe(404);
    expect(JSON.parse((await send(port, '/logs/loki/api/v1/labels')).text)).toMatchObject({
      path: '/loki/api/v1/labels',
    });
  });

  test('metrics are answered to any method', async () => {
    const { port } = await start((server) => server.handle('metrics', () => textResponse('x')));
    expect((await send(port, '/metrics', { method: 'POST' })).status).toBe(200);
  });
});
