import type { LabKind } from '../plan/types.js';
import { usageError } from '../util/errors.js';
import type { Inventory } from './inventory/file.js';
import { InventoryProvider } from './inventory/provider.js';
import { LoopbackProvider } from './loopback/provider.js';
import { NativeProvider } from './native/provider.js';
import type { LabProvider } from './provider.js';
import { QemuProvider } from './qemu/provider.js';
import { VagrantProvider } from './vagrant/provider.js';

export interface ProviderOptions {
  /** Leave virtual machines up at the end. */
  keep?: boolean;
  /** Start virtual machines from nothing even if there is a snapshot. */
  cold?: boolean;
  /** The hosts of the inventory lab. */
  inventory?: Inventory;
}

const providers: Record<LabKind, (options: ProviderOptions) => LabProvider> = {
  loopback: () => new LoopbackProvider(),
  qemu: (options) => new QemuProvider(options),
  inventory: ({ inventory }) => {
    if (inventory === undefined) throw usageError('NO_INVENTORY', 'the inventory lab needs to know its hosts', 'Give --inventory FILE; docs/INVENTORY.md describes it.');
    return new InventoryProvider(inventory);
  },
  native: (options) => new NativeProvider(options),
  'native-linux': (options) => new NativeProvider({ ...options, linuxHosts: true }),
  vagrant: (options) => new VagrantProvider(options),
};

export function openProvider(lab: LabKind, options: ProviderOptions = {}): LabProvider {
  return providers[lab](options);
}
