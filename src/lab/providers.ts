import type { LabKind } from '../plan/types.js';
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
}

const providers: Record<LabKind, (options: ProviderOptions) => LabProvider> = {
  loopback: () => new LoopbackProvider(),
  qemu: (options) => new QemuProvider(options),
  native: (options) => new NativeProvider(options),
  'native-linux': (options) => new NativeProvider({ ...options, linuxHosts: true }),
  vagrant: (options) => new VagrantProvider(options),
};

export function openProvider(lab: LabKind, options: ProviderOptions = {}): LabProvider {
  return providers[lab](options);
}
