/** Protects the mixin: dashboards are as defined, and each alert is tested both ways. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { dashboards } from './dashboards.ts';
import { inTree, mixinFiles, ownDirectories } from './files.ts';
import { dashboardJson } from './grafana.ts';

const mixin = inTree('deploy/mixin');
const read = (file: string) => fs.readFileSync(path.join(mixin, file), 'utf8');

test('the files are the definitions, in the charts too', () => {
  const files = mixinFiles();
  for (const [file, text] of files) {
    expect([file, fs.readFileSync(inTree(file), 'utf8')]).toEqual([file, text]);
  }
  for (const directory of ownDirectories) {
    for (const name of fs.readdirSync(inTree(directory))) {
      expect(files.has(`${directory}/${name}`)).toBe(true);
    }
  }
});

test('identities are unique, panels do not overlap, and no data source is fixed', () => {
  const uids = Object.values(dashboards).map(({ uid }) => uid);
  expect(new Set(uids).size).toBe(uids.length);
  for (const dashboard of Object.values(dashboards)) {
    const { panels } = dashboardJson(dashboard) as {
      panels: { datasource?: { uid: string }; gridPos: { h: number; w: number; x: number; y: number } }[];
    };
    const cells = new Set<string>();
    for (const { datasource, gridPos } of panels) {
      if (datasource) expect(datasource.uid).toBe('${datasource}');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x} ${y}`)).toBe(false);
          cells.add(`${x} ${y}`);
        }
      }
    }
  }
});

test('each alert has a text, a runbook, a case that raises it and one that does not', () => {
  const names = [...read('alerts.yaml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(10);
  expect(new Set(names).size).toBe(names.length);
  const blocks = read('alerts.yaml')
    .split(/- alert: /)
    .slice(1);
  for (const [i, name] of names.entries()) {
    const [file, anchor] = /runbook_url: (\S+)#(\S+)$/m.exec(blocks[i])!.slice(1);
    // Pages of markdown give a heading the anchor of its text in small letters.
    const headings = [...fs.readFileSync(inTree(file), 'utf8').matchAll(/^#+ (.+)$/gm)];
    expect([name, anchor]).toEqual([name, name.toLowerCase()]);
    expect(headings.map(([, text]) => text)).toContain(name);
    expect(blocks[i]).toMatch(/summary: \S/);
    expect(blocks[i]).toMatch(/description: \S/);
  }
  const guide = fs.readFileSync(inTree('docs/alerts.md'), 'utf8');
  expect([...guide.matchAll(/^## (\w+)$/gm)].map(([, name]) => name).sort()).toEqual([...names].sort());
  const cases = read('tests/alerts.yaml').split(/^ {6}- eval_time:/m);
  for (const name of names) {
    const own = cases.filter((each) => each.includes(`alertname: ${name}\n`));
    expect([name, own.some((each) => each.includes('exp_alerts: []'))]).toEqual([name, true]);
    expect([name, own.some((each) => each.includes('exp_labels:'))]).toEqual([name, true]);
  }
});

const hasPromtool = ['/usr/bin/promtool', '/usr/local/bin/promtool'].some((file) => fs.existsSync(file));
(hasPromtool ? test : test.skip)('promtool takes the rules and passes their tests', () => {
  const promtool = (...args: string[]) => execFileSync('promtool', args, { cwd: mixin, encoding: 'utf8' });
  expect(promtool('check', 'rules', 'rules.yaml', 'alerts.yaml')).not.toMatch(/FAILED|WARNING|duplicate/i);
  expect(promtool('test', 'rules', 'tests/alerts.yaml')).toContain('SUCCESS');
});
