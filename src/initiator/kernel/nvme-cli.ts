import { execFile } from 'node:child_process';

/** What a program said. */
export interface ProgramResult { exitCode: number; stdout: string; stderr: string }
/** Runs a program without a shell. Never rejects: one that cannot be started has exit code −1 and the reason in `stderr`. */
export type RunProgram = (program: string, args: readonly string[], timeoutMs: number) => Promise<ProgramResult>;

export const runProgram: RunProgram = (program, args, timeoutMs) => new Promise((resolve) => {
  execFile(program, [...args], { timeout: timeoutMs, encoding: 'utf8' }, (error, stdout, stderr) => {
    if (error === null) return resolve({ exitCode: 0, stdout, stderr });
    const why = error.killed === true ? `did not end within ${timeoutMs / 1_000} s` : typeof error.code === 'number' ? '' : error.message;
    resolve({ exitCode: typeof error.code === 'number' ? error.code : -1, stdout, stderr: [stderr.trim(), why].filter((text) => text !== '').join('\n') });
  });
});

/** How a controller is connected; whole seconds, as the kernel takes them. */
export interface ConnectSettings {
  nqn: string;
  hostNqn: string;
  hostId: string;
  keepAliveSeconds: number;
  reconnectDelaySeconds: number;
  /** −1: never give up. */
  controllerLossSeconds: number;
  /** −1: off. */
  fastIoFailSeconds: number;
  ioQueues: number;
  headerDigest: boolean;
  dataDigest: boolean;
}
export interface ControllerAddress { traddr: string; trsvcid: string }

/** The arguments of nvme(1) that connect one controller (nvme-connect(1)). */
export function connectArguments(settings: ConnectSettings, { traddr, trsvcid }: ControllerAddress): string[] {
  return [
    'connect', '--transport=tcp', `--traddr=${traddr}`, `--trsvcid=${trsvcid}`, `--nqn=${settings.nqn}`,
    `--hostnqn=${settings.hostNqn}`, `--hostid=${settings.hostId}`,
    `--keep-alive-tmo=${settings.keepAliveSeconds}`, `--reconnect-delay=${settings.reconnectDelaySeconds}`, `--ctrl-loss-tmo=${settings.controllerLossSeconds}`,
    // Off is the default, and older versions do not take −1 for it.
    ...(settings.fastIoFailSeconds < 0 ? [] : [`--fast_io_fail_tmo=${settings.fastIoFailSeconds}`]),
    `--nr-io-queues=${settings.ioQueues}`,
    ...(settings.headerDigest ? ['--hdr-digest'] : []), ...(settings.dataDigest ? ['--data-digest'] : []),
  ];
}

/** The last thing that a program said, in one line. */
export function lastWords({ exitCode, stdout, stderr }: ProgramResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.at(-1) ?? `exit code ${exitCode}`;
}
