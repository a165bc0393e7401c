/** CPU time, memory and connections of processes, as the kernel counts them. */
import fs from 'node:fs';
import type { AppProcess } from '@loki/dev-cluster';

/** Of one process. */
export interface AppCosts {
  readonly app: string;
  /** User and system time since the start. */
  readonly cpuSeconds: number;
  /** Now. */
  readonly rssMib: number;
  /** Open TCP connections. */
  readonly connections: number;
}

const ticksPerSecond = 100;
const pageMib = 4_096 / 2 ** 20;
const established = '01';

export function costsOf(processes: readonly AppProcess[]): AppCosts[] {
  return processes.map(({ member, daemon }) => ({ app: member.app, ...costsOfPid(daemon.pid!) }));
}

function costsOfPid(pid: number): Omit<AppCosts, 'app'> {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssMib: Number(fields[21]) * pageMib,
    connections: connectionsOf(pid),
  };
}

function connectionsOf(pid: number): number {
  const open = new Set<string>();
  for (const file of ['tcp', 'tcp6']) {
    const [, ...lines] = fs.readFileSync(`/proc/${pid}/net/${file}`, 'utf8').trim().split('\n');
    for (const line of lines) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === established) open.add(`socket:[${fields[9]}]`);
    }
  }
  const descriptors = fs.readdirSync(`/proc/${pid}/fd`);
  return descriptors.filter((each) => open.has(linkOf(`/proc/${pid}/fd/${each}`))).length;
}

/** Empty when it was closed meanwhile. */
function linkOf(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}
