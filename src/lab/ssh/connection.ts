import { rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { execa } from 'execa';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { findProgram, runTool } from '../qemu/tools.js';
import { socketPathMaxChars } from '../qemu/switch/protocol.js';

export interface ConnectionOptions {
  /** Its name in errors. */
  node: string;
  /** What ssh(1) takes as the destination. */
  destination: string;
  /** Options of ssh(1) that say how to get there. */
  options: readonly string[];
  /** Folder for the control socket; short, see `socketPathMaxChars`. */
  dir: string;
  /** Told of each command before it is run. */
  onCommand?: (command: string) => void;
}

export interface ExecResult { stdout: string; stderr: string; exitCode: number; ms: number }
export interface ExecOptions {
  /** Standard input of the command. */
  input?: string | Buffer;
  timeoutMs?: number;
  /** Exit codes that are answers, not failures; default only 0. */
  okCodes?: readonly number[] | 'any';
}

/** A command that runs on, whose lines are handed over as they come. */
export interface ExecStream {
  /** Settles when the command has ended; never rejects. */
  ended: Promise<{ exitCode: number | null }>;
  write(text: string): void;
  /** Closes its standard input and the channel: the remote command gets SIGHUP or a closed pipe. */
  stop(): void;
}

const defaultTimeoutMs = 60_000;
/** ssh adds up to 17 characters to the control path while it makes the socket. */
const controlSuffixChars = 17;
const outputMaxBytes = 64 * 1024 * 1024;
/** ssh's own failures (ssh(1)). */
const sshFailed = 255;

/**
 * SSH to one node: one connection, over which each command is a channel (ControlMaster), because a new
 * handshake takes an emulated CPU a second and a channel a few hundredths.
 */
export class SshConnection {
  readonly node: string;
  readonly #options: ConnectionOptions;
  readonly #controlPath: string;
  #master: ChildProcess | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.node = options.node;
    this.#options = options;
    this.#controlPath = `${options.dir}/${options.node}.ssh`;
    if (this.#controlPath.length + controlSuffixChars > socketPathMaxChars) throw infraError('SOCKET_PATH', `${this.#controlPath} is too long for ssh's control socket`, { hint: 'set TMPDIR to a shorter folder' });
  }

  /** Runs a shell command. An infra error for ssh's failure, a time-out, or an exit code that is not among `okCodes`. */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    this.#options.onCommand?.(command);
    const startedMs = performance.now();
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    if (this.#master === undefined || this.#master.exitCode !== null) await this.#openOnce(timeoutMs);
    const result = await execa(this.#program(), [...this.#common(), this.#options.destination, '--', command], {
      reject: false, timeout: timeoutMs, maxBuffer: outputMaxBytes, stripFinalNewline: false,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    });
    const ms = Math.round(performance.now() - startedMs);
    const exitCode = result.exitCode ?? sshFailed;
    const ok = !result.timedOut && (options.okCodes === 'any' ? exitCode !== sshFailed : (options.okCodes ?? [0]).includes(exitCode));
    if (ok) return { stdout: result.stdout, stderr: result.stderr, exitCode, ms };
    const why = result.timedOut ? `did not end within ${timeoutMs / 1_000} s` : `exit code ${exitCode}`;
    const said = `${result.stdout}\n${result.stderr}`.split('\n').filter((l) => l.trim() !== '').slice(-15);
    throw infraError('NODE_COMMAND', `${this.node}: \`${firstLine(command)}\` ${why}`, { details: said });
  }

  /** Starts a command and hands over its lines. */
  stream(command: string, onLine: (line: string) => void, onErrorLine: (line: string) => void = () => undefined): ExecStream {
    this.#options.onCommand?.(command);
    const child = spawn(this.#program(), [...this.#common(), this.#options.destination, '--', command], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    createInterface({ input: child.stdout }).on('line', onLine);
    createInterface({ input: child.stderr }).on('line', onErrorLine);
    return channelOf(child);
  }

  /** Starts a command and hands over the bytes of its output as they come. */
  pipe(command: string, onData: (chunk: Buffer) => void, onErrorData: (chunk: Buffer) => void = () => undefined): ExecStream {
    this.#options.onCommand?.(command);
    const child = spawn(this.#program(), [...this.#common(), this.#options.destination, '--', command], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    child.stdout.on('data', onData);
    child.stderr.on('data', onErrorData);
    return channelOf(child);
  }

  /**
   * Makes a unix socket of this machine lead to a unix socket or `address:port` as the node sees it. Lasts
   * as long as the connection; a connection to the socket fails until somebody listens at the other end.
   */
  async forward(localSocketPath: string, remote: string): Promise<void> {
    const control = (what: 'forward' | 'cancel') => execa(this.#program(), [...this.#common(), '-O', what, '-L', `${localSocketPath}:${remote}`, this.#options.destination], { reject: false, timeout: defaultTimeoutMs, stdin: 'ignore' });
    // The connection takes the same request a second time for one that it has fulfilled already.
    await control('cancel');
    rmSync(localSocketPath, { force: true });
    const result = await control('forward');
    if (result.exitCode !== 0) throw infraError('SSH_FORWARD', `${this.node}: cannot forward ${remote}`, { details: result.stderr.split('\n').slice(-5) });
  }

  /** Writes a file on the node; its folder is made. */
  async upload(data: Buffer | string, remotePath: string, mode = 0o644): Promise<void> {
    await this.exec(uploadCommand(remotePath, mode), { input: data });
  }

  /** Copies what is below a local folder into a folder on the node. */
  async uploadFolder(localDir: string, remoteDir: string, timeoutMs = defaultTimeoutMs): Promise<void> {
    const archive = await runTool('tar', ['-C', localDir, '--owner=0', '--group=0', '-cf', '-', '.']);
    await this.exec(`mkdir -p ${shellQuote(remoteDir)} && tar -C ${shellQuote(remoteDir)} -xf -`, { input: archive, timeoutMs });
  }

  async download(remotePath: string, localPath: string): Promise<void> {
    const { stdout } = await this.exec(`base64 ${shellQuote(remotePath)}`);
    writeFileSync(localPath, Buffer.from(stdout, 'base64'));
  }

  close(): void {
    this.#master?.kill('SIGTERM');
    this.#master = undefined;
  }

  /** Commands that begin at the same time wait for the same connection. */
  #openOnce(timeoutMs: number): Promise<void> {
    this.#opening ??= this.openMaster(timeoutMs).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Opens the connection anew. An infra error after `timeoutMs`. */
  protected async openMaster(timeoutMs: number): Promise<void> {
    this.close();
    const child = spawn(this.#program(), [...this.#common(), '-o', 'ControlMaster=yes', '-N', this.#options.destination], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#master = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000);
    });
    let ended = false;
    child.once('exit', () => {
      ended = true;
    });
    child.once('error', () => {
      ended = true;
    });
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const check = await execa(this.#program(), [...this.#common(), '-O', 'check', this.#options.destination], { reject: false, timeout: 5_000, stdin: 'ignore' });
      if (check.exitCode === 0) return;
      if (ended || Date.now() >= deadline) {
        this.close();
        throw infraError('SSH_OPEN', `${this.node}: no SSH connection`, { details: said.trim().split('\n').slice(-5) });
      }
      await sleep(50);
    }
  }

  #program(): string {
    const program = findProgram('ssh');
    if (program === undefined) throw infraError('TOOL_MISSING', 'ssh is not installed', { hint: 'OpenSSH’s client is needed' });
    return program;
  }

  #common(): string[] {
    return [...this.#options.options, '-S', this.#controlPath, '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=20'];
  }
}

function channelOf(child: ChildProcess & { stdin: Writable }): ExecStream {
  child.stdin.on('error', () => undefined);
  return {
    ended: new Promise((resolve) => {
      child.once('error', () => resolve({ exitCode: null }));
      child.once('close', (exitCode) => resolve({ exitCode }));
    }),
    write: (text) => void child.stdin.write(text),
    stop: () => {
      child.stdin.end();
      child.kill('SIGTERM');
    },
  };
}

/** The command that writes its standard input into a file, whose folder is made. */
export function uploadCommand(path: string, mode = 0o644): string {
  const quoted = shellQuote(path);
  return `mkdir -p "$(dirname ${quoted})" && cat >${quoted} && chmod ${mode.toString(8)} ${quoted}`;
}

export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function firstLine(command: string): string {
  const line = command.trim().split('\n')[0]!;
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}
