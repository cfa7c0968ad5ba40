import { setMaxListeners } from 'node:events';
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  catalog, conform, keyFromKeyring, resultJson, resultLines, startOwnMonitors, summaryLine, useMonitor,
  type ConformVerdict, type Monitors, type Schedule, type ScheduleResult,
} from '../conform/index.js';
import { removeAbandonedLabs } from '../lab/registry.js';
import { ExitCode, usageError } from '../util/errors.js';
import { integer } from './options.js';
import { gitCommit, packageVersion, shellQuote } from './package.js';

interface ConformFlags { schedule?: string[]; mon?: { host: string; port: number }; keyring?: string; name: string; monitors: number; productionTimers?: boolean; json?: boolean; verbose?: boolean; list?: boolean }

export function addConformCommand(program: Command): void {
  program.command('conform')
    .description('run the same fault schedules on the monitor model and on a real ceph-mon, and compare their states')
    .option('--schedule <name...>', 'only these schedules (default: all)')
    .option('--list', 'the names of the schedules')
    .addOption(new Option('--mon <host:port>', 'a monitor that runs already (its msgr2 port), instead of own ones').argParser(endpoint))
    .option('--keyring <file>', 'with --mon: the keyring of the entity (default: auth none)')
    .option('--name <entity>', 'with --mon: as whom', 'client.admin')
    .addOption(new Option('--monitors <n>', 'how many own monitors share the schedules (1–16)').argParser(integer(1, 16)).default(6))
    .option('--production-timers', 'own monitors with every timer at its default: ticks of 5 s, commits after up to 1 s')
    .option('--verbose', 'every sequence of every schedule, not only those that differ')
    .option('--json', 'everything that was observed, as JSON on stdout (progress goes to stderr)')
    .addHelpText('after', `
Own monitors are ceph-mon processes out of the qemu lab's image, which is built at the first use, or out of
the root file system that PATHPROOF_CEPH_ROOT names; as root by chroot, else in a user namespace.

A monitor of yours is asked for its timers and not reconfigured. The schedules create gateways of their own, in the
pool name pathproof-conform (no pool is needed), and delete them; health warnings about gateways come and go, and
blocklist entries for 192.0.2.1 (a documentation address) stay for an hour. It is not restarted.

Examples:
  $ pathproof conform
  $ pathproof conform --schedule two-die-at-once holder-cut-off --verbose
  $ pathproof conform --mon 10.0.0.1:3300 --keyring /etc/ceph/ceph.client.admin.keyring

Exit codes:
  0 the same, or known differences · 1 they differ · 2 unknown: it could not be observed · 3 no monitor · 130 interrupted`)
    .action(async (flags: ConformFlags) => {
      process.exitCode = await run(flags);
    });
}

async function run(flags: ConformFlags): Promise<ExitCode> {
  if (flags.list === true) {
    for (const { name, title, known } of catalog) process.stdout.write(`${name.padEnd(30)} ${title}${known === undefined ? '' : ` (known difference: ${known.safeguard})`}\n`);
    return ExitCode.pass;
  }
  const schedules = chosen(flags.schedule);
  if (flags.mon === undefined && flags.keyring !== undefined) throw usageError('KEYRING', '--keyring is for a monitor named by --mon');
  const out = flags.json === true ? process.stderr : process.stdout;
  const say = (line: string): void => void out.write(`${line}\n`);
  const git = await gitCommit();
  say(`pathproof ${packageVersion} · git ${git} · ${process.argv.slice(2).map(shellQuote).join(' ')}`);
  for (const { ended } of await removeAbandonedLabs()) if (ended.length > 0) say(`cleaned up after a killed run: ended ${ended.join(', ')}`);

  const interrupted = new AbortController();
  // Every schedule waits on it, several times over.
  setMaxListeners(0, interrupted.signal);
  const onSignal = (): void => {
    if (interrupted.signal.aborted) process.exit(ExitCode.interrupted);
    say('interrupted: ending the gateways and the monitors (once more to leave at once)');
    interrupted.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  let monitors: Monitors | undefined;
  try {
    monitors = await open(flags, schedules.length, say);
    const { what, timers, proposeMs, sides } = monitors;
    say(`${what} · ${sides.length} monitor${sides.length === 1 ? '' : 's'} · tick ${timers.monTickMs / 1_000} s, commits after up to ${proposeMs / 1_000} s, beacon grace ${timers.beaconGraceMs / 1_000} s`);
    say(`${schedules.length} schedule${schedules.length === 1 ? '' : 's'}, at the same time where they may be: one to three minutes\n`);
    const results = await conform({
      schedules, monitors, signal: interrupted.signal, onResult: (result) => resultLines(result, flags.verbose === true).forEach(say),
    });
    say(`\n${summaryLine(results)}`);
    if (flags.json === true) {
      process.stdout.write(`${JSON.stringify({ format: 1, version: packageVersion, git, monitor: what, timers, proposeMs, exitCode: exitCodeOf(results), schedules: results.map(resultJson) }, null, 1)}\n`);
    }
    return interrupted.signal.aborted ? ExitCode.interrupted : exitCodeOf(results);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    await monitors?.close();
  }
}

function open(flags: ConformFlags, schedules: number, progress: (line: string) => void): Promise<Monitors> {
  if (flags.mon === undefined) return startOwnMonitors({ count: Math.min(flags.monitors, schedules), production: flags.productionTimers === true, progress });
  return useMonitor({ mon: flags.mon, entity: flags.name, progress, ...(flags.keyring === undefined ? {} : { key: keyFromKeyring(flags.keyring, flags.name) }) });
}

/** A difference is worth more than what could not be seen; a skip, whose reason is printed, fails nothing. */
export function exitCodeOf(results: readonly Pick<ScheduleResult, 'verdict'>[]): ExitCode {
  const has = (verdict: ConformVerdict): boolean => results.some((result) => result.verdict === verdict);
  if (has('differs')) return ExitCode.fail;
  // With nothing but skips nothing was shown.
  return has('unknown') || !(has('same') || has('known')) ? ExitCode.unknown : ExitCode.pass;
}

function chosen(names: readonly string[] | undefined): readonly Schedule[] {
  const unknown = names?.find((name) => !catalog.some((schedule) => schedule.name === name));
  if (unknown !== undefined) throw usageError('NO_SUCH_SCHEDULE', `there is no schedule ${unknown}`, 'pathproof conform --list names them');
  return names === undefined ? catalog : catalog.filter(({ name }) => names.includes(name));
}

function endpoint(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) throw new InvalidArgumentError('HOST:PORT is wanted, [ADDRESS]:PORT for IPv6.');
  return { host: match[1] ?? match[2]!, port };
}
