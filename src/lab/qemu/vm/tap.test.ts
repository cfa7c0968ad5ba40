import { describe, expect, it } from 'vitest';
import { qemuArguments, type VmMachine } from './arguments.js';
import { tapDescriptor, withTap } from './tap.js';

const tap = { networkOf: 4711, interface: 'host1-a', bridge: 'br-a' };
const machine: VmMachine = {
  name: 'host1', memoryMb: 512, cpus: 1, accel: 'tcg', qemuMajor: 7, managementMac: '52:54:00:00:f0:c9', paused: false,
  networks: [{ name: 'a', mac: '52:54:00:00:fa:c9', tap }],
  paths: { kernel: 'k', initramfs: 'i', rootfs: 'r', state: 's', serialLog: 'l', qmpSocket: 'q' },
};

describe('a card on a tap', () => {
  it('is opened in the network of the bridge, and the machine runs in ours', () => {
    const words = withTap(tap, ['qemu', ...qemuArguments(machine)]);
    expect(words.slice(0, 5)).toEqual(['nsenter', '--target', '4711', '--net', '--']);
    expect(words.slice(8, 12)).toEqual(['host1-a', 'br-a', `/proc/${process.pid}/ns/net`, 'qemu']);
    expect(words).toContain(`tap,id=net-a,fd=${tapDescriptor}`);
    expect(words).toContain('virtio-net-pci,netdev=net-a,id=card-a,mac=52:54:00:00:fa:c9,romfile=');
  });
});
