import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** The folder of this package, whether it runs from its sources, from dist/ or from node_modules. */
export const packageRoot: string = (() => {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) dir = dirname(dir);
  return dir;
})();

export const packageVersion: string = (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;

/** Commit of this package's own checkout, with `-dirty` when files differ from it; `unknown` when it is no checkout. */
export async function gitCommit(): Promise<string> {
  if (packageRoot.split(sep).includes('node_modules')) return 'unknown';
  const git = (...args: string[]) => execa('git', ['-C', packageRoot, ...args], { reject: false, stdin: 'ignore' });
  const head = await git('rev-parse', '--short=12', 'HEAD');
  if (head.exitCode !== 0) return 'unknown';
  const status = await git('status', '--porcelain', '--untracked-files=no');
  return `${head.stdout.trim()}${status.exitCode === 0 && status.stdout.trim() === '' ? '' : '-dirty'}`;
}

/** How a user types this program from the current folder. */
export function programName(): string {
  if (packageRoot.split(sep).includes('node_modules')) return 'npx pathproof';
  return `node ${relative(process.cwd(), join(packageRoot, 'dist', 'src', 'cli', 'main.js'))}`;
}

/** Quotes a word for a POSIX shell if it needs it. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
