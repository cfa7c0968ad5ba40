import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The programs that run in guests; each is the file of that name in this folder. */
export const guestEntries = ['gateway', 'spdk-gateway', 'host'] as const;
export type GuestEntry = (typeof guestEntries)[number];
/** And in containers that cephadm deploys. */
export const containerEntries = ['cephadm-gateway'] as const;
export type ContainerEntry = (typeof containerEntries)[number];

export interface GuestBundle { code: string; sha256: string }

/**
 * A guest's program with all that it imports, as one ES module for Node 20 or newer: a guest has no
 * node_modules, and one file is read and compiled faster than two hundred. Works from the TypeScript
 * sources and from the compiled ones. Equal sources give equal bytes.
 */
export async function bundleGuestEntry(entry: GuestEntry | ContainerEntry): Promise<GuestBundle> {
  const own = fileURLToPath(import.meta.url);
  const result = await build({
    entryPoints: [fileURLToPath(new URL(`./${entry}${own.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))],
    bundle: true, write: false, platform: 'node', target: 'node20', format: 'esm',
    // Less to parse; names stay, so that a stack trace in a node's log can be read.
    minifySyntax: true, minifyWhitespace: true, legalComments: 'none', charset: 'utf8', logLevel: 'silent',
  });
  const code = result.outputFiles[0]!.text;
  return { code, sha256: createHash('sha256').update(code).digest('hex') };
}
