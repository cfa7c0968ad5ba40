// Called by the Vagrantfile before machines are made or provisioned, with the settings as JSON on its standard input: builds
// the local box if it is wanted and not there, and writes what each machine is told into one archive. The last line of the
// output says which box it is.
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleGuestEntry, containerEntries, type ContainerEntry, type GuestEntry } from '../src/lab/guest/bundle.js';
import { supervisorScript } from '../src/lab/guest/supervisor.js';
import { runTool } from '../src/lab/qemu/tools.js';
import { emulatedTscKhz } from '../src/lab/qemu/tsc.js';
import { describe } from '../src/plan/scenario.js';
import { PathproofError, usageError } from '../src/util/errors.js';
import { ensureBox } from './box/build.js';
import { describeCephadmNodes, type CephadmSecrets } from './cephadm-nodes.js';
import { completeCluster, describeNodes, designFor, planFor } from './nodes.js';
import type { ClusterIdentity, NodeDescription } from './provision/node.js';
import { settingsSchema, type LabSettings } from './settings.js';

/** What the Vagrantfile has to know: the box, and the option that the local box's kernel gets by SMBIOS (empty: none). */
interface Prepared { name: string; url: string; version: string; option: string }

async function prepare(settings: LabSettings): Promise<Prepared> {
  const dir = settings.state_dir;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const nodes = settings.flavour === 'cephadm' ? describeCephadmNodes(settings, planFor(settings), await cephadmSecrets(dir)) : debianNodes(settings, dir);
  const provision = await bundleProvision();
  const wanted = new Set(nodes.flatMap(programsOf));
  const programs = new Map(await Promise.all([...wanted].map(async (entry) => [entry, (await bundleGuestEntry(entry)).code] as const)));
  for (const node of nodes) {
    const content = join(dir, node.name);
    rmSync(content, { recursive: true, force: true });
    mkdirSync(content, { mode: 0o700 });
    writeSecret(join(content, 'node.json'), JSON.stringify(node));
    writeFileSync(join(content, 'provision.cjs'), provision);
    for (const entry of programsOf(node)) writeFileSync(join(content, `${entry}.mjs`), programs.get(entry)!);
    if (node.program !== undefined) writeFileSync(join(content, 'supervise'), supervisorScript);
    const part = join(dir, `${node.name}.tar.part`);
    await runTool('tar', ['-C', content, '--owner=0', '--group=0', '-cf', part, '.']);
    chmodSync(part, 0o600);
    renameSync(part, join(dir, `${node.name}.tar`));
    rmSync(content, { recursive: true });
  }
  if (settings.box !== 'local') return { name: settings.box, url: settings.box_url, version: settings.box_version, option: '' };
  const { name, url, version } = await ensureBox({ flavour: settings.flavour, suite: settings.debian_suite, progress: (line) => console.error(line) });
  const khz = settings.accel === 'tcg' ? await emulatedTscKhz() : undefined;
  const box = { name, url, version, option: khz === undefined ? '' : `tsc_early_khz=${khz}` };
  writeFileSync(join(dir, 'box.json'), JSON.stringify(box));
  return box;
}

/** The programs of ours that a node has beside its description: the one that its own unit runs, and those for its containers. */
function programsOf({ program, files = [] }: NodeDescription): (GuestEntry | ContainerEntry)[] {
  return [...(program === undefined ? [] : [program.entry]), ...containerEntries.filter((entry) => files.some(({ from }) => from === `${entry}.mjs`))];
}

function debianNodes(settings: LabSettings, dir: string): NodeDescription[] {
  const design = designFor(settings);
  const cluster = completeCluster(readCluster(join(dir, 'cluster.json')), design.ceph);
  writeSecret(join(dir, 'cluster.json'), JSON.stringify(cluster));
  return describeNodes(settings, design, cluster);
}

/** The identity of cephadm's cluster, and the key with which it gets into its hosts; once made they stay. */
async function cephadmSecrets(dir: string): Promise<CephadmSecrets> {
  const file = join(dir, 'cephadm.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as CephadmSecrets;
  const key = join(dir, 'cephadm.key');
  rmSync(key, { force: true });
  await runTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'pathproof cephadm', '-f', key]);
  const secrets = { fsid: randomUUID(), key: { secret: readFileSync(key, 'utf8'), public: readFileSync(`${key}.pub`, 'utf8').trim() } };
  for (const each of [key, `${key}.pub`]) rmSync(each);
  writeSecret(file, JSON.stringify(secrets));
  return secrets;
}

function readCluster(file: string): ClusterIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ClusterIdentity;
  } catch {
    return undefined;
  }
}

function writeSecret(file: string, text: string): void {
  writeFileSync(`${file}.part`, text, { mode: 0o600 });
  renameSync(`${file}.part`, file);
}

/** The provisioning program as one file: a machine has no node_modules. */
async function bundleProvision(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('./provision/main.ts', import.meta.url))],
    // zx is CommonJS inside, and asks for Node's modules by `require`.
    bundle: true, write: false, platform: 'node', target: 'node20', format: 'cjs', minifySyntax: true, minifyWhitespace: true, legalComments: 'none', charset: 'utf8', logLevel: 'silent',
  });
  return result.outputFiles[0]!.text;
}

try {
  const parsed = settingsSchema.safeParse(JSON.parse(readFileSync(0, 'utf8')));
  if (!parsed.success) throw usageError('LAB_SETTINGS', `vagrant/lab.yaml: ${describe(parsed.error)}`, 'Environment variables LAB_… count, too.');
  console.log(JSON.stringify(await prepare(parsed.data)));
} catch (error) {
  if (!(error instanceof PathproofError)) throw error;
  console.error([`${error.code}: ${error.message}`, ...error.details, ...(error.hint === undefined ? [] : [error.hint])].join('\n'));
  process.exitCode = error.exitCode;
}
