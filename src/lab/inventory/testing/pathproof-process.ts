import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** A command of pathproof, as a process of its own, which prints here, too. `until`: SIGKILL once it has said this. */
export async function pathproofProcess(words: readonly string[], until?: RegExp): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  const hear = (chunk: Buffer): void => {
    out += chunk.toString();
    if (until !== undefined && until.test(out)) child.kill('SIGKILL');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  console.log(out);
  return { code, out };
}
