/** Protects a release whose parts belong together: each place says the versions of package.json. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { charts, versionFaults } from './versions.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const buildInfo = 'libs/words/telemetry/src/build-info.ts';

test('every place says the version of package.json', () => {
  expect(charts(root)).toEqual(expect.arrayContaining(['loki', 'loki-grafana']));
  expect(versionFaults(root)).toEqual([]);
});

test.each([
  ['deploy/docker/Dockerfile', /NODE_VERSION=\S+/, 'NODE_VERSION=22.0.0', 'NODE_VERSION is 22.0.0'],
  ['deploy/docker/Dockerfile', /VERSION=0\S+/, 'VERSION=9.9.9', 'Dockerfile: VERSION is 9.9.9'],
  [
    'deploy/helm/loki/Chart.yaml',
    /appVersion: .*/,
    'appVersion: 9.9.9',
    'loki/Chart.yaml: appVersion is 9.9.9',
  ],
  ['deploy/kubesphere/loki/extension.yaml', /\/loki:\S+/, '/loki:9.9.9', 'the image’s tag is 9.9.9'],
  [buildInfo, /productVersion = '[^']+'/, "productVersion = '9.9.9'", 'productVersion is 9.9.9'],
])('another version in %s is told', (file, pattern, text, fault) => {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-versions-'));
  try {
    fs.cpSync(path.join(root, 'deploy'), path.join(copy, 'deploy'), { recursive: true });
    for (const one of ['package.json', buildInfo]) {
      fs.mkdirSync(path.join(copy, path.dirname(one)), { recursive: true });
      fs.copyFileSync(path.join(root, one), path.join(copy, one));
    }
    const changed = path.join(copy, file);
    fs.writeFileSync(changed, fs.readFileSync(changed, 'utf8').replace(pattern, text));
    expect(versionFaults(copy)).toEqual([expect.stringContaining(fault)]);
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
});
