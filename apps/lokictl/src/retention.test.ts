/** Protects: the dry run names exactly the entries that retention and deletes will remove. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteRequests, PartitionCatalog, sectionsOf } from '@loki/catalog';
import { Labels, loadHash } from '@loki/model';
import { FilesystemObjectStore } from '@loki/object-store';
import { NodeClock, NodeDisk, NodeTimers } from '@loki/runtime';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { run } from './run.ts';

describe('lokictl retention --dry-run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lokictl-retention-'));
  const hourS = 3600;
  const nowS = Math.floor(Date.now() / 1000);

  beforeAll(async () => {
    await loadHash();
    const objectStore = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
    const writer = new RowWriter('a');
    for (const app of ['x', 'y']) {
      writer.beginRun(Labels.fromPairs([['app', app]]));
      for (let i = 0; i < 10; i++) writer.addRowText(nowS - (10 - i) * 12 * hourS + hourS, 0, `line ${i}`);
      writer.endRun();
    }
    const record = encodeSegment(writer.finish(), { kind: 'record' });
    const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed' });
    const key = 'segments/0/0-1-00';
    await objectStore.put(key, bytes);
    const segment = { key, sizeBytes: bytes.length, level: 0, sections: sectionsOf(bytes) };
    const place = { startOffset: 0, endOffset: 1, createdMs: 0 };
    await new PartitionCatalog({ objectStore, partition: 0 }).commit({
      ...place,
      segment,
      writers: [],
      drops: [],
      erased: [],
    });
    const requests = new DeleteRequests({ objectStore, clock: new NodeClock(), timers: new NodeTimers() });
    const [startMs, endMs] = [(nowS - 18 * hourS) * 1000, nowS * 1000];
    await requests.create('a', { id: 'abcd0123', query: '{app="y"} |= "9"', startMs, endMs, parts: 1 });
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  async function lokictl(...words: string[]) {
    let [out, err] = ['', ''];
    const code = await run(words, {
      out: (text) => (out += text),
      err: (text) => (err += text),
      readFile: async (path) => readFileSync(path),
      pause: () => Promise.resolve(),
      env: (name) => (name === 'STORE' ? directory : undefined),
    });
    return { code, out, err };
  }

  test('finds the store by the configuration, with variables of the environment', async () => {
    const config = join(directory, 'storage.yaml');
    writeFileSync(
      config,
      `common: {storage: {filesystem: {chunks_directory: "\${STORE}"}}}
schema_config: {configs: [{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13}]}
limits_config: {retention_period: 24h}
compactor: {retention_enabled: true, delete_request_store: filesystem}
`,
    );
    const named = await lokictl('retention', '--dry-run', '--config', config, directory);
    const found = await lokictl('retention', '--dry-run', '--expand-env', '--config', config);
    const settled = ({ out }: { out: string }) => out.replace(/kept since \S+/g, 'kept since');
    expect([found.code, found.err, settled(found)]).toEqual([0, '', settled(named)]);
    expect(found.out).toMatch(/ entries in all\n$/);
  });

  test('says so when there is no store, and what is wrong with a selector', async () => {
    const nowhere = join(directory, 'nowhere');
    expect(await lokictl('retention', '--dry-run', nowhere)).toEqual({
      code: 1,
      out: '',
      err: expect.stringContaining(
        `lokictl: there is no store in ${nowhere}: nothing is stored below catalog/`,
      ),
    });
    const config = join(directory, 'wrong.yaml');
    const rule = '{selector: "{app=}", period: 24h}';
    writeFileSync(config, `limits_config: {retention_stream: [${rule}]}\n`);
    const wrong = await lokictl('retention', '--dry-run', '--config', config, directory);
    expect(wrong.err).toContain('limits_config.retention_stream.selector: "{app=}": parse error');
  });

  test('says what goes, how much of each segment, and why', async () => {
    const config = join(directory, 'config.yaml');
    writeFileSync(
      config,
      `limits_config:
  retention_period: 96h
  retention_stream:
    - selector: '{app="x"}'
      priority: 1
      period: 24h
compactor:
  retention_enabled: true
  delete_request_store: filesystem
`,
    );
    const { code, out, err } = await lokictl('retention', '--dry-run', '--config', config, directory);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^a: segments\/0\/0-1-00: 8 of 20 entries: streams \{app="x"\}: kept since 20/),
      expect.stringMatching(/^a: segments\/0\/0-1-00: 4 of 20 entries: streams \{\}: kept since 20/),
      expect.stringMatching(
        /^a: segments\/0\/0-1-00: 1 of 20 entries: delete request abcd0123: \{app="y"\} \|= "9" from/,
      ),
      expect.stringMatching(/^11 entries in all$/),
      '',
    ]);
  });

  test('changes no object of the store', async () => {
    const { code, err } = await lokictl('retention', directory);
    expect(code).toBe(2);
    expect(err).toContain('--dry-run is missing');
  });
});
