/**
 * Tests of the charts on a real Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager and
 * kube-scheduler of this machine, and kwok, by which nodes and pods seem to run.
 *
 *     npm run test:kube -- [--only rights,lifecycle,previous,drain,admission,scaling] [--previous COMMIT] [--brief]
 *                             [--scale distributor,querier]
 *     npm run test:kube -- --install
 *
 * --install builds what is missing: Kubernetes and kwok from Go modules, kept in $LOKI_SERVICES_CACHE
 * (~/.cache/loki-services), in some 30 minutes of two cores. --previous names the commit whose chart is
 * upgraded from. --scale names the autoscalers that `scaling` drives, some four minutes each. --brief leaves
 * out what takes minutes. Missing programs are reported, and their checks left out.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { Checks } from '@loki/image';
import { accountUser, createAccount, grant } from './account.ts';
import { checkAdmission } from './admission.ts';
import { ControlPlane } from './control-plane.ts';
import { defineKinds } from './definitions.ts';
import { checkDrain } from './drain.ts';
import { checkLifecycle, checkUpgradeFrom, previousChart } from './lifecycle.ts';
import { findPrograms, installPrograms } from './programs.ts';
import { Helm } from './release.ts';
import { checkRights, readAccountPermissions } from './rights.ts';
import { checkScaling } from './scaling.ts';
import { endAll } from './world.ts';
import type { World } from './world.ts';

const parts = ['rights', 'lifecycle', 'previous', 'drain', 'admission', 'scaling'] as const;
const briefParts: readonly string[] = ['rights', 'lifecycle', 'drain', 'admission'];

async function main(): Promise<number> {
  const { values } = readOptions(import.meta.filename, {
    options: {
      install: { type: 'boolean', default: false },
      only: { type: 'string' },
      previous: { type: 'string' },
      brief: { type: 'boolean', default: false },
      scale: { type: 'string', default: 'distributor,querier' },
    },
  });
  if (values.install) await installPrograms((text) => console.log(text));
  const programs = findPrograms();
  if (typeof programs === 'string') {
    console.log(`skipped: the control plane: ${programs}`);
    return 0;
  }
  const isBrief = values.brief;
  const only = new Set(values.only?.split(',') ?? (isBrief ? briefParts : parts));
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-kube-'));
  const plane = await ControlPlane.start(programs, directory, accountUser);
  const helm = new Helm(plane);
  const checks = new Checks();
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(signal)));
    }
  });
  const ends: World['ends'] = [];
  try {
    return await Promise.race([interrupted, checkAll()]);
  } finally {
    await endAll(ends);
    helm.close();
    await plane.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }

  async function checkAll(): Promise<number> {
    await defineKinds(plane);
    const kubeconfig = await createAccount(plane);
    await grant(plane, readAccountPermissions());
    const world: World = { checks, plane, helm, kubeconfig, isBrief, ends };
    const versions = isBrief ? (['helm4'] as const) : (['helm3', 'helm4'] as const);
    if (only.has('rights')) await checkRights(world);
    if (only.has('lifecycle')) for (const version of versions) await checkLifecycle(world, version);
    if (only.has('previous')) {
      const commit = values.previous ?? previousChart();
      if (commit === undefined) console.log('skipped: the upgrade: the history here has no earlier chart');
      else for (const version of versions) await checkUpgradeFrom(world, commit, version);
    }
    if (only.has('drain')) await checkDrain(world);
    if (only.has('admission')) await checkAdmission(world);
    if (only.has('scaling')) await checkScaling(world, new Set(values.scale.split(',')));
    return checks.finish();
  }
}

process.exitCode = await main();
