import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { GatewayMachine } from '../machine.js';
import type { SshConnection } from '../ssh/connection.js';
import type { Changes } from './changes.js';
import type { InventoryHost } from './file.js';
import { harnessHost, type HostConnections } from './hosts.js';
import type { UndoEntry } from './journal.js';

/** Until the power's own command agrees. */
const powerMaxMs = 60_000;
/** A server of metal may take this long until its sshd answers. */
const bootMaxMs = 900_000;
const pollMs = 1_000;

/** The machine of a gateway: switched off and on by the commands that its owner gave, and as far off as their word goes. */
export class InventoryMachine implements GatewayMachine {
  readonly ssh: SshConnection;
  readonly #host: InventoryHost;
  readonly #changes: Changes;
  readonly #hosts: Pick<HostConnections, 'run'>;
  readonly #afterBoot: string | undefined;
  #off: UndoEntry | undefined;
  #on = true;

  /** `afterBoot`: a command that it needs each time, or none; what undoes that was noted before. */
  constructor(host: InventoryHost, ssh: SshConnection, changes: Changes, hosts: Pick<HostConnections, 'run'>, afterBoot?: string) {
    this.#host = host;
    this.ssh = ssh;
    this.#changes = changes;
    this.#hosts = hosts;
    this.#afterBoot = afterBoot;
  }

  get identity(): string | undefined {
    return this.#on ? this.#host.name : undefined;
  }

  async kill(): Promise<void> {
    const { power, name } = this.#host;
    if (power === undefined) throw new Error(`${name} has no power commands`);
    this.#off ??= this.#changes.note(harnessHost, `${name} switched off`, power.on);
    await this.#hosts.run(harnessHost, null, power.off);
    await this.#until(false);
    this.#on = false;
    this.ssh.close();
  }

  /** Switches it on, and waits until it can be logged into. */
  async boot(): Promise<void> {
    const { power, name } = this.#host;
    await this.#hosts.run(harnessHost, null, power!.on);
    await this.#until(true);
    const deadline = Date.now() + bootMaxMs;
    for (;;) {
      try {
        await this.ssh.exec('true', { timeoutMs: 20_000 });
        break;
      } catch (error) {
        if (Date.now() >= deadline) throw infraError('HOST_BOOT', `${name} cannot be logged into ${bootMaxMs / 1_000} s after it was switched on`, { cause: error });
        await sleep(pollMs);
      }
    }
    if (this.#afterBoot !== undefined && this.#afterBoot !== '') await this.ssh.exec(this.#afterBoot);
    this.#on = true;
    if (this.#off !== undefined) this.#changes.undone(this.#off);
    this.#off = undefined;
  }

  async #until(on: boolean): Promise<void> {
    const { power, name } = this.#host;
    const deadline = Date.now() + powerMaxMs;
    while (((await this.#hosts.run(harnessHost, null, power!.status, { okCodes: 'any' })).exitCode === 0) !== on) {
      if (Date.now() >= deadline) throw infraError('POWER', `${name}: its power is not ${on ? 'on' : 'off'} after ${powerMaxMs / 1_000} s`, { hint: `\`${power!.status}\` says so` });
      await sleep(pollMs);
    }
  }
}
