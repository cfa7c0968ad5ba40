import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { qemuProgram } from './accel.js';
import { findProgram } from './tools.js';
import { UntilBoot } from './until-boot.js';

/** A reading of an emulated time-stamp counter, and when we got to know of it. */
export interface TscReading { ticks: number; tMs: number }

/** Where the firmware writes its readings (QEMU's isa-debugcon). */
const debugPort = 0xe9;
const readingBytes = 8;
/** Turns of an empty loop between two readings: some milliseconds of an emulated processor. */
const turnsBetween = 0x200000;
const measureForMs = 1_000;
const readingsMin = 20;

/**
 * A firmware that for ever writes its time-stamp counter to the debug port, eight bytes at a time, the lowest first.
 * 16-bit code at F000:0000, to which the reset vector jumps.
 */
export function tscFirmware(): Buffer {
  const image = Buffer.alloc(64 * 1024);
  const write = [0xe6, debugPort, 0x66, 0xc1, 0xe8, 0x08]; // out port, al · shr eax, 8
  const fourBytes = [...write, ...write, ...write, ...write];
  const turns = Buffer.alloc(4);
  turns.writeUInt32LE(turnsBetween);
  const code = [
    0x0f, 0x31, 0x66, 0x89, 0xd3, // rdtsc · mov ebx, edx
    ...fourBytes,
    0x66, 0x89, 0xd8, // mov eax, ebx
    ...fourBytes,
    0x66, 0xb9, ...turns, // mov ecx, turns
    0x66, 0x49, 0x75, 0xfc, // dec ecx · jnz
  ];
  Buffer.from([...code, 0xeb, 0x100 - (code.length + 2)]).copy(image, 0); // jmp to the start
  Buffer.from([0xe9, 0x0d, 0x00]).copy(image, 0xfff0); // jmp FFF0+3+0D = 0000
  return image;
}

/**
 * Ticks in a millisecond (so kHz). A reading may reach us late by any time, but never early: the slope is that of the
 * line below all points (ticks to the right, time upwards) that comes nearest to them, which passes through an edge of
 * their lower convex hull (Moon, Skelly, Towsley: Estimation and Removal of Clock Skew from Network Delay Measurements,
 * 1999). Undefined: too few readings.
 */
export function tscKhzOf(readings: readonly TscReading[]): number | undefined {
  if (readings.length < readingsMin) return undefined;
  const hull: TscReading[] = [];
  for (const reading of readings) {
    while (hull.length >= 2 && !turnsUp(hull.at(-2)!, hull.at(-1)!, reading)) hull.pop();
    hull.push(reading);
  }
  // The sum of the distances is least for the edge above the mean of the ticks.
  const mean = readings.reduce((sum, { ticks }) => sum + ticks / readings.length, 0);
  const after = Math.max(1, hull.findIndex(({ ticks }) => ticks >= mean));
  const [from, to] = [hull[after - 1]!, hull[after]!];
  const khz = Math.round((to.ticks - from.ticks) / (to.tMs - from.tMs));
  return Number.isFinite(khz) && khz > 0 ? khz : undefined;
}

function turnsUp(a: TscReading, b: TscReading, c: TscReading): boolean {
  return (b.ticks - a.ticks) * (c.tMs - a.tMs) - (b.tMs - a.tMs) * (c.ticks - a.ticks) > 0;
}

const memory = new UntilBoot('tsc.json', z.int().positive());
let known: Promise<number | undefined> | undefined;

/**
 * The frequency of an emulated guest's time-stamp counter (it is this machine's), kHz, measured once until this machine
 * boots again. A guest that measures it by itself while it boots may be stopped in the middle: one took 169 MHz for
 * 2,596, and its clock ran 15 times too fast. Undefined: could not be measured, then the guest has to.
 */
export function emulatedTscKhz(): Promise<number | undefined> {
  return (known ??= (async () => {
    const remembered = memory.get();
    if (remembered !== undefined) return remembered;
    const khz = await measureTscKhz();
    if (khz !== undefined) memory.set(khz);
    return khz;
  })());
}

/** Runs the firmware for a second. */
export async function measureTscKhz(): Promise<number | undefined> {
  const qemu = findProgram(qemuProgram);
  if (qemu === undefined) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'pathproof-tsc-'));
  const firmware = join(dir, 'firmware.bin');
  writeFileSync(firmware, tscFirmware());
  const child = spawn(qemu, ['-accel', 'tcg', '-nodefaults', '-display', 'none', '-bios', firmware, '-chardev', 'stdio,id=out,signal=off', '-device', `isa-debugcon,iobase=${debugPort},chardev=out`], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    return tscKhzOf(await new Promise<TscReading[]>((resolve) => {
      const readings: TscReading[] = [];
      let rest = Buffer.alloc(0);
      const limit = setTimeout(() => resolve(readings), 4 * measureForMs);
      const done = (): void => {
        clearTimeout(limit);
        resolve(readings);
      };
      child.once('error', done);
      child.once('exit', done);
      child.stdout.on('data', (chunk: Buffer) => {
        const tMs = performance.now();
        rest = Buffer.concat([rest, chunk]);
        // Of several that come together the last one is the freshest.
        const whole = Math.floor(rest.length / readingBytes);
        if (whole > 0) readings.push({ ticks: Number(rest.readBigUInt64LE((whole - 1) * readingBytes)), tMs });
        rest = rest.subarray(whole * readingBytes);
        if (readings.length > readingsMin && tMs - readings[0]!.tMs > measureForMs) done();
      });
    }));
  } finally {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}
