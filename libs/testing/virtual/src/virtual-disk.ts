/** A virtual disk with faults: torn writes, lost syncs, full disk. */
import type { Disk } from '@loki/ports';
import { DiskClient } from './disk-client.ts';
import { DiskState } from './disk-state.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** A disk whose files outlive the processes that reach it. */
export class VirtualDisk extends DiskState {
  /** The disk as one process reaches it; without a process, operations take no time. */
  client(process?: VirtualProcess): Disk {
    return new DiskClient(this, process);
  }

  /** An exact copy, without faults: for trying many damages on one state. */
  clone(): VirtualDisk {
    const copy = new VirtualDisk(this.random.fork('clone'));
    this.copyTo(copy);
    return copy;
  }
}
