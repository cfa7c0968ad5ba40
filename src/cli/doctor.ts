import { spawnSync } from 'node:child_process';
import { Option, type Command } from 'commander';
import { examineLoopbackLab, examineQemuLab, type DoctorReport } from '../lab/qemu/doctor.js';
import { examineNativeLab, examineNativeLinuxLab } from '../lab/native/doctor.js';
import { examineVagrantLab } from '../lab/vagrant/doctor.js';
import { ExitCode, infraError } from '../util/errors.js';

const examinations = {
  loopback: () => Promise.resolve(examineLoopbackLab()),
  qemu: () => examineQemuLab(),
  native: () => examineNativeLab(),
  'native-linux': () => examineNativeLinuxLab(),
  vagrant: () => examineVagrantLab(),
} as const;
type DoctorLab = keyof typeof examinations;
const doctorLabs = Object.keys(examinations) as DoctorLab[];

export function addDoctorCommand(program: Command): void {
  program.command('doctor')
    .description('what this machine has and lacks for each lab, and how to get it')
    .addOption(new Option('--lab <kind>', 'only this lab (default: all)').choices(doctorLabs))
    .option('--fix', 'install what is missing (apt-get, as root or by sudo)')
    .option('--json', 'as JSON')
    .addHelpText('after', `
Whether KVM works is found out by running a guest for a moment, once per boot of the machine: a /dev/kvm
that is there need not work.

Examples:
  $ pathproof doctor
  $ pathproof doctor --lab qemu --fix

Exit codes:
  0 everything needed is there · 3 something is missing`)
    .action(async (flags: { lab?: DoctorLab; fix?: boolean; json?: boolean }) => {
      const labs = flags.lab === undefined ? doctorLabs : [flags.lab];
      let reports = await examineAll(labs);
      const packages = [...new Set(reports.flatMap((r) => r.packages))];
      if (flags.fix === true && packages.length > 0) {
        install(packages);
        reports = await examineAll(labs);
      }
      if (flags.json === true) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
      else process.stdout.write(reports.flatMap((report) => [...reportLines(report), '']).join('\n'));
      process.exitCode = reports.every((r) => r.ready) ? ExitCode.pass : ExitCode.infra;
    });
}

/** One after the other: a probe beside another would be slower than its limit allows. */
async function examineAll(labs: readonly DoctorLab[]): Promise<DoctorReport[]> {
  const reports: DoctorReport[] = [];
  for (const lab of labs) reports.push(await examinations[lab]());
  return reports;
}

/** What a person reads about one lab. */
export function reportLines(report: DoctorReport): string[] {
  const marks = { found: '✓', missing: '✗', note: '·' } as const;
  const width = Math.max(...report.findings.map((f) => f.what.length));
  const lines = [
    `${report.lab}: ${report.ready ? 'ready' : 'not ready'}`,
    ...report.findings.map((f) => `  ${marks[f.state]} ${f.what.padEnd(width)}  ${f.detail}${f.state === 'missing' && f.package !== undefined ? ` (package ${f.package})` : ''}`),
  ];
  if (report.installCommand !== null) lines.push(`  install: ${report.installCommand}`, '  or:      pathproof doctor --fix');
  return lines;
}

/** Installs Debian packages; what apt says goes to the terminal's error output. Throws an infra error when it fails. */
function install(packages: readonly string[]): void {
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo'];
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const [program, ...rest] = [...asRoot, 'apt-get', ...args] as [string, ...string[]];
    process.stderr.write(`$ ${[program, ...rest].join(' ')}\n`);
    const result = spawnSync(program, rest, { stdio: ['inherit', process.stderr, process.stderr], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    // An update that fails (one source of many is down) need not matter; the installation tells.
    if (args[0] === 'install' && (result.error !== undefined || result.status !== 0)) {
      throw infraError('DOCTOR_FIX', `apt-get could not install ${packages.join(' ')}`, { hint: 'its own message is above; on a machine without apt install what corresponds to these packages' });
    }
  }
}
