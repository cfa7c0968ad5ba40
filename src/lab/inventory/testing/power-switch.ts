import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** Like `ipmitool`: a command of this machine that has somebody else switch a machine. */
const program = `import { connect } from 'node:net';
const [socket, ...words] = process.argv.slice(2);
const client = connect(socket, () => client.end(words.join(' ')));
client.on('data', (answer) => { process.exitCode = String(answer) === 'yes' ? 0 : 1; });
client.on('error', () => { process.exitCode = 2; });
`;

export interface SwitchedMachine { isOn(): boolean; off(): void; on(): void }

/**
 * Power commands for the machines of a test, as an inventory has them. As a management controller does, it answers at once, and the
 * machine takes its time.
 */
export class PowerSwitch {
  readonly #server: Server;
  readonly #dir: string;

  constructor(dir: string, machine: (name: string) => SwitchedMachine) {
    this.#dir = dir;
    writeFileSync(join(dir, 'power.mjs'), program);
    this.#server = createServer((client) => {
      client.once('data', (words) => {
        const [what, name] = String(words).split(' ');
        const its = machine(name!);
        if (what === 'status') return void client.end(its.isOn() ? 'yes' : 'no');
        if (what === 'off') its.off();
        else its.on();
        client.end('yes');
      });
    }).listen(join(dir, 'power.sock'));
  }

  /** `power: { off: …, on: …, status: … }` of a host, as YAML. */
  yaml(name: string): string {
    const command = (what: string): string => `${what}: "node ${join(this.#dir, 'power.mjs')} ${join(this.#dir, 'power.sock')} ${what} ${name}"`;
    return `power: { ${['off', 'on', 'status'].map(command).join(', ')} }`;
  }

  close(): void {
    this.#server.close();
    rmSync(join(this.#dir, 'power.sock'), { force: true });
  }
}
