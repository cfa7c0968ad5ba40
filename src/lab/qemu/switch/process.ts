import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { infraError } from '../../../util/errors.js';
import { logTail } from '../log-tail.js';
import { endProcess, identityOf, type ProcessIdentity } from '../processes.js';
import { SwitchClient } from './client.js';
import { controlSocketPath, portSocketPath, socketPathMaxChars, type SwitchConfig } from './protocol.js';

/** Node needs 0.1–0.5 s to start; a loaded machine several times that. */
const startMaxMs = 20_000;

export interface RunningSwitch { client: SwitchClient; identity: ProcessIdentity; end(): Promise<void> }

/** Starts the switch process in its own process group and resolves when its ports can be connected to. */
export async function startSwitch(config: SwitchConfig, logFile: string): Promise<RunningSwitch> {
  for (const path of [controlSocketPath(config.dir), ...config.fabrics.flatMap((f) => f.nodes.map((n) => portSocketPath(config.dir, f.name, n)))]) {
    if (path.length > socketPathMaxChars) throw infraError('SOCKET_PATH', `${path} is too long for a unix socket (${socketPathMaxChars} characters)`, { hint: 'set TMPDIR to a shorter folder' });
  }
  const fromSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(`./main.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...(fromSource ? ['--import', import.meta.resolve('tsx')] : []), file, JSON.stringify(config)], {
    stdio: ['ignore', log, log], detached: true,
  });
  closeSync(log);
  child.unref();
  const identity = await identityOf('switch', child);
  try {
    const client = await Promise.race([SwitchClient.connect(config.dir, startMaxMs), endedEarly(child)]);
    return {
      client, identity,
      end: async () => {
        client.close();
        await endProcess(identity, { termMs: 2_000 });
      },
    };
  } catch (error) {
    await endProcess(identity, { termMs: 0 });
    throw infraError('SWITCH_START', 'the switch process did not start', { details: logTail(logFile), cause: error });
  }
}

/** Takes over the switch of a lab that another command has left up. */
export async function adoptSwitch(dir: string, identity: ProcessIdentity): Promise<RunningSwitch> {
  const client = await SwitchClient.connect(dir, startMaxMs);
  return {
    client, identity,
    end: async () => {
      client.close();
      await endProcess(identity, { termMs: 2_000 });
    },
  };
}

function endedEarly(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code) => reject(new Error(`it ended with exit code ${code ?? 'none'}`)));
  });
}
