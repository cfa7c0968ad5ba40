import type { OpenDevice } from '../nvmet/device.js';
import { followKernelLog, saysBlocklisted, saysPathFailed } from './kernel-log.js';
import { Krbd, type KrbdOptions, type MappedImage } from './krbd.js';
import { createDevices, queueingDevice, queueingTable } from './queueing-device.js';
import { StoreEpoch } from './store-epoch.js';

/** The store side of a kernel gateway: its images, the one client that does their I/O, and what becomes of that. */
export interface KrbdStore {
  /** `ip:0/nonce`: what a beacon carries and a blocklist names. */
  address: string;
  openDevice: OpenDevice;
  currentEpoch(): number;
  waitForEpoch(epoch: number): Promise<void>;
  /** Called once, when the cluster has refused something because the client is on its blocklist. */
  onFenced(listener: () => void): void;
  /** Why I/O is held back though nobody has fenced the client (an error of the OSD); undefined while nothing is wrong. */
  failure(): string | undefined;
  /** Ends the observation. Devices and mappings stay: whoever ends the process removes them (lab/guest/supervisor.ts). */
  close(): void;
}

export function deviceName({ id }: Pick<MappedImage, 'id'>): string {
  return `pathproof-rbd${id}`;
}

/** Maps the images and puts a queueing device on each. Rejects with RBD_MAP or DM. */
export async function openKrbdStore(options: KrbdOptions & { images: readonly string[]; log: (line: string) => void }): Promise<KrbdStore> {
  const fencedListeners: (() => void)[] = [];
  let fenced = false;
  let failure: string | undefined;
  const stopLog = followKernelLog((line) => {
    if (fenced) return;
    if (saysPathFailed(line)) {
      failure ??= line;
      options.log(`the kernel says: ${line}`);
    }
    if (!saysBlocklisted(line)) return;
    fenced = true;
    options.log(`the kernel says: ${line}`);
    for (const listener of fencedListeners) listener();
  });
  const krbd = new Krbd(options);
  // The first one makes the client, the others find it there.
  const mapped: MappedImage[] = [];
  for (const image of new Set(options.images)) mapped.push(await krbd.map(image));
  const [first] = mapped;
  if (first === undefined) throw new RangeError('a gateway without an image has no client');
  const strangers = mapped.filter(({ clientAddress }) => clientAddress !== first.clientAddress);
  if (strangers.length > 0) throw new Error(`several clients: ${mapped.map(({ image, clientAddress }) => `${image} ${clientAddress}`).join(', ')}`);
  await createDevices(mapped.map((each) => ({ name: deviceName(each), table: queueingTable(each) })));
  const epoch = new StoreEpoch({ osdmapFile: `/sys/kernel/debug/ceph/${first.clientName}/osdmap`, device: `/dev/rbd${first.id}` });
  options.log(`store client ${first.clientAddress} (${first.clientName}): ${mapped.map(({ image, id }) => `${image}=rbd${id}`).join(' ')}`);
  return {
    address: first.clientAddress,
    openDevice: async (image) => {
      const found = mapped.find((each) => each.image === image);
      if (found === undefined) throw new RangeError(`the image ${image} was not mapped`);
      return queueingDevice(deviceName(found));
    },
    currentEpoch: () => epoch.current(),
    waitForEpoch: (wanted) => epoch.waitFor(wanted),
    onFenced: (listener) => {
      if (fenced) listener();
      else fencedListeners.push(listener);
    },
    failure: () => failure,
    close: () => {
      stopLog();
      epoch.close();
    },
  };
}
