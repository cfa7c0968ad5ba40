import { accessSync, constants, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { findProgram } from './tools.js';
import { UntilBoot } from './until-boot.js';
import { probeArgument } from './image/init-script.js';

/** Hardware virtualization, or QEMU's translator (TCG). */
export type Accel = 'kvm' | 'tcg';

/**
 * What is known about KVM here. `undecided`: the first probe passed and there is no kernel yet for the
 * second one (the image is not built).
 */
const decisionSchema = z.object({ kvm: z.enum(['usable', 'unusable', 'undecided']), why: z.string(), probeMs: z.number() });
export type KvmDecision = z.output<typeof decisionSchema>;
const memory = new UntilBoot('kvm.json', decisionSchema);

export const qemuProgram = 'qemu-system-x86_64';

/** A healthy machine needs 0.2 s for the first and 1–2 s for the second probe. */
const firmwareProbeMaxMs = 4_000;
const kernelProbeMaxMs = 10_000;

export interface ProbeKernel { kernel: string; initramfs: string }

/**
 * Whether KVM can run the lab, found out by running something: a /dev/kvm that is there may still hang a
 * guest at its first instructions or abort QEMU (nested virtualization without the right MSRs). Two
 * probes, each with a time limit: firmware of eight bytes that ends QEMU by its debug-exit device, then the
 * image's own kernel, whose initramfs powers off. The answer is remembered until the machine boots again.
 */
export async function decideKvm(kernel?: ProbeKernel): Promise<KvmDecision> {
  const remembered = memory.get();
  if (remembered !== undefined && (remembered.kvm !== 'undecided' || kernel === undefined)) return remembered;
  const startedMs = performance.now();
  const found = await probe(kernel);
  const decision: KvmDecision = { ...found, probeMs: Math.round(performance.now() - startedMs) };
  // Rights on the device can be changed at any time, and are quickly looked at.
  if (decision.probeMs > 20) memory.set(decision);
  return decision;
}

async function probe(kernel: ProbeKernel | undefined): Promise<Omit<KvmDecision, 'probeMs'>> {
  if (!existsSync('/dev/kvm')) return { kvm: 'unusable', why: 'there is no /dev/kvm' };
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { kvm: 'unusable', why: 'this user may not open /dev/kvm' };
  }
  const qemu = findProgram(qemuProgram);
  if (qemu === undefined) return { kvm: 'undecided', why: `${qemuProgram} is not installed` };
  const first = await firmwareProbe(qemu);
  if (first !== undefined) return { kvm: 'unusable', why: first };
  if (kernel === undefined) return { kvm: 'undecided', why: 'the first probe passed; the second needs the kernel of the image' };
  const second = await kernelProbe(qemu, kernel);
  return second === undefined ? { kvm: 'usable', why: 'the kernel booted' } : { kvm: 'unusable', why: second };
}

/** isa-debug-exit ends QEMU with (value << 1) | 1. */
const debugExitPort = 0xf4;
const debugExitValue = 0x10;

/** A 64 KiB firmware image, of which only the reset vector is used: it writes to the debug-exit port. */
export function probeFirmware(): Buffer {
  const image = Buffer.alloc(64 * 1024);
  // mov dx, port · mov al, value · out dx, al · cli · hlt   (8086 real mode, at F000:FFF0)
  Buffer.from([0xba, debugExitPort, 0x00, 0xb0, debugExitValue, 0xee, 0xfa, 0xf4]).copy(image, 0xfff0);
  return image;
}

async function firmwareProbe(qemu: string): Promise<string | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'pathproof-probe-'));
  try {
    const firmware = join(dir, 'firmware.bin');
    writeFileSync(firmware, probeFirmware());
    const result = await runQemu(qemu, ['-bios', firmware, '-device', `isa-debug-exit,iobase=${debugExitPort},iosize=4`], firmwareProbeMaxMs);
    return result.exitCode === ((debugExitValue << 1) | 1) ? undefined : `a guest's first instruction does not run (${result.why})`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function kernelProbe(qemu: string, { kernel, initramfs }: ProbeKernel): Promise<string | undefined> {
  const args = ['-m', '256', '-no-reboot', '-kernel', kernel, '-initrd', initramfs, '-append', `console=ttyS0 quiet panic=-1 ${probeArgument}`, '-serial', 'none'];
  const result = await runQemu(qemu, args, kernelProbeMaxMs);
  return result.exitCode === 0 ? undefined : `a Linux kernel does not boot (${result.why})`;
}

async function runQemu(qemu: string, args: string[], timeoutMs: number): Promise<{ exitCode: number | undefined; why: string }> {
  const result = await execa(qemu, ['-accel', 'kvm', '-cpu', 'host', '-nodefaults', '-display', 'none', ...args], {
    reject: false, timeout: timeoutMs, killSignal: 'SIGKILL', stdin: 'ignore', stdout: 'ignore',
  });
  const last = result.stderr.trimEnd().split('\n').at(-1) ?? '';
  const why = result.timedOut ? `no end within ${timeoutMs / 1_000} s` : `QEMU ended with ${result.signal ?? `exit code ${result.exitCode ?? 'none'}`}${last === '' ? '' : `: ${last}`}`;
  return { exitCode: result.timedOut ? undefined : result.exitCode, why };
}
