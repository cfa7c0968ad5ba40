import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadInventory, type Inventory } from '../lab/inventory/file.js';
import { platformOf } from '../lab/inventory/platform.js';
import { usageError } from '../util/errors.js';
import type { PlanOptions } from '../plan/planner.js';
import { defectNames, type DefectName } from '../plan/defects.js';
import { labKinds, type LabKind } from '../plan/types.js';
import { shellQuote } from './package.js';

/** Options of every command that resolves a plan. */
export interface PlanFlags { seed?: string; lab: LabKind; filter?: string; gateways?: number; hosts?: number; namespaces?: number; anaGroups?: number; timeScale?: number; defect?: DefectName[]; debianSuite?: string; cephMajor?: number; auth?: 'cephx' | 'none'; mons?: number; inventory?: string }

export function addPlanOptions(command: Command): Command {
  return command
    .addOption(new Option('--seed <seed>', 'repeat a run: everything random follows from it (default: a new one)').argParser(seed))
    .addOption(new Option('--lab <kind>', 'where to run').choices(labKinds).default('loopback'))
    .option('--filter <text>', 'only scenarios whose name or title contains it')
    .addOption(new Option('--gateways <n>', 'gateways of the lab (1–16)').argParser(integer(1, 16)))
    .addOption(new Option('--hosts <n>', 'hosts of the lab, each with paths to all namespaces and load on its own (1–8)').argParser(integer(1, 8)))
    .addOption(new Option('--namespaces <n>', 'namespaces of the subsystem (1–1024)').argParser(integer(1, 1_024)))
    .addOption(new Option('--ana-groups <n>', 'ANA groups the namespaces are spread over (1–16, at most one per gateway)').argParser(integer(1, 16)))
    .addOption(new Option('--defect <name...>', 'switch on defects of the loopback lab, to see them found').choices(defectNames))
    .addOption(new Option('--debian-suite <suite>', 'virtual machines: the Debian suite they are made of, and so the release under test (default: forky)').argParser(suite))
    .addOption(new Option('--ceph-major <n>', 'virtual machines: refuse a suite whose Ceph has another major version').argParser(integer(19, 99)))
    .addOption(new Option('--auth <kind>', 'virtual machines: how Ceph authenticates').choices(['cephx', 'none']))
    .addOption(new Option('--mons <n>', 'virtual machines: monitors of the Ceph cluster (1, 3 or 5)').argParser(monitors))
    .option('--inventory <file>', 'your own hosts: the file that names them (--lab inventory)')
    .addOption(new Option('--time-scale <factor>', 'factor on Ceph’s and Linux’s default timers (0.05–10; loopback: 0.25)').argParser(decimal(0.05, 10)));
}

export function planOptions(flags: PlanFlags): PlanOptions & { seed: string } {
  const inventory = inventoryOf(flags);
  return {
    ...(inventory === undefined ? {} : { inventoryFile: flags.inventory!, platform: platformOf(inventory) }),
    seed: flags.seed ?? randomBytes(4).toString('hex'), lab: flags.lab,
    ...(flags.gateways === undefined ? {} : { gateways: flags.gateways }),
    ...(flags.hosts === undefined ? {} : { hosts: flags.hosts }),
    ...(flags.namespaces === undefined ? {} : { namespaces: flags.namespaces }),
    ...(flags.anaGroups === undefined ? {} : { anaGroups: flags.anaGroups }),
    ...(flags.timeScale === undefined ? {} : { timeScale: flags.timeScale }),
    ...(flags.defect === undefined ? {} : { defects: flags.defect }),
    machines: {
      ...(flags.debianSuite === undefined ? {} : { debianSuite: flags.debianSuite }),
      ...(flags.cephMajor === undefined ? {} : { cephMajor: flags.cephMajor }),
      ...(flags.auth === undefined ? {} : { auth: flags.auth }),
      ...(flags.mons === undefined ? {} : { mons: flags.mons }),
    },
  };
}

/** The inventory of `--lab inventory`; undefined: another lab is wanted. Throws a usage error where the two options do not fit. */
export function inventoryOf(flags: Pick<PlanFlags, 'lab' | 'inventory'>): Inventory | undefined {
  if (flags.lab !== 'inventory') {
    if (flags.inventory !== undefined) throw usageError('INVENTORY_LAB', `--inventory has no meaning for the ${flags.lab} lab`, 'Add --lab inventory.');
    return undefined;
  }
  if (flags.inventory === undefined) throw usageError('NO_INVENTORY', 'the inventory lab needs to know its hosts', 'Give --inventory FILE; docs/INVENTORY.md describes it.');
  return loadInventory(flags.inventory);
}

/** The flags that reproduce these options on a command line. */
export function planArguments(options: PlanOptions): string {
  const words = ['--seed', options.seed, '--lab', options.lab];
  if (options.gateways !== undefined) words.push('--gateways', String(options.gateways));
  if (options.hosts !== undefined) words.push('--hosts', String(options.hosts));
  if (options.namespaces !== undefined) words.push('--namespaces', String(options.namespaces));
  if (options.anaGroups !== undefined) words.push('--ana-groups', String(options.anaGroups));
  if (options.inventoryFile !== undefined) words.push('--inventory', options.inventoryFile);
  if (options.timeScale !== undefined) words.push('--time-scale', String(options.timeScale));
  const { debianSuite, cephMajor, auth, mons } = options.machines ?? {};
  if (debianSuite !== undefined) words.push('--debian-suite', debianSuite);
  if (cephMajor !== undefined && cephMajor !== null) words.push('--ceph-major', String(cephMajor));
  if (auth !== undefined) words.push('--auth', auth);
  if (mons !== undefined) words.push('--mons', String(mons));
  if (options.defects !== undefined && options.defects.length > 0) words.push('--defect', ...options.defects);
  return words.map(shellQuote).join(' ');
}

function seed(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw new InvalidArgumentError('A seed is 1–64 letters, digits, hyphens and underscores (it names a folder).');
  return text;
}

function suite(text: string): string {
  if (!/^[a-z][a-z0-9.-]{1,31}$/.test(text)) throw new InvalidArgumentError('A Debian suite is wanted, e.g. forky, trixie or sid.');
  return text;
}

function monitors(text: string): number {
  if (!/^[135]$/.test(text)) throw new InvalidArgumentError('1, 3 or 5 are wanted: an even number of monitors survives no more failures than one less.');
  return Number(text);
}

/** Parser of an option: a whole number in these limits. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`A whole number from ${min} to ${max} is wanted.`);
    return value;
  };
}

function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max) throw new InvalidArgumentError(`A number from ${min} to ${max} is wanted.`);
    return value;
  };
}

/** Parser of an option: how often, or how many. */
export function natural(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 on is wanted.');
  return Number(text);
}

/** A positional that must be given as text; commander has no check of its own for empty words. */
export function notEmpty(text: string, what: string): string {
  if (text.trim() === '') throw usageError('EMPTY_ARGUMENT', `${what} is empty`);
  return text;
}
