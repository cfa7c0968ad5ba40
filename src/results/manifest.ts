import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { infraError, messageOf } from '../util/errors.js';
import { runFiles } from './store.js';

/**
 * What makes a change to stored evidence visible (docs/FORMAT.md, "Manifest").
 *
 * `manifest.json` lists every file of raw evidence with its SHA-256. It is written once, when the run has ended, and
 * never again. `derived.ndjson` says what was made from the evidence, and when: one line for the run's own judging
 * and one for each `recheck`, each with the hash of the line before it (the first: of the manifest), so that the
 * order of the judgings cannot be changed, and none can be taken out of the middle.
 *
 * Nothing here is signed: who can write to the folder can make all of it anew. The hash of `manifest.json` is printed
 * at the end of a run; kept elsewhere, it holds the evidence against that, too.
 */
export const manifestFile = 'manifest.json';
export const derivedFile = 'derived.ndjson';

export interface FileHash {
  /** Relative to the run's folder, with `/`. */
  path: string;
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

export interface Manifest {
  format: 1;
  runId: string;
  /** ISO 8601, UTC. */
  madeAt: string;
  /** pathproof's version. */
  version: string;
  /** Raw evidence, by path. */
  files: FileHash[];
}

export interface DerivedRecord {
  format: 1;
  /** 1, 2, 3 … */
  seq: number;
  madeAt: string;
  by: 'run' | 'recheck';
  version: string;
  /** SHA-256 of the line before, of manifest.json for the first; null: there is no manifest, the run never ended. */
  previousSha256: string | null;
  /** What the evidence was like when it was judged. */
  evidence: 'intact' | 'altered' | 'unsealed';
  files: FileHash[];
}

/** Files that are made from the evidence, and those that speak about it. */
const derivedNames: ReadonlySet<string> = new Set([runFiles.verdict, runFiles.report]);
const ownNames: ReadonlySet<string> = new Set([manifestFile, derivedFile, ...derivedNames]);

/** What is wrong with the evidence of a run. */
export interface EvidenceProblem {
  /** unsealed: no manifest. manifest: it cannot be read. derived: about verdict.json, report.html or derived.ndjson. */
  kind: 'unsealed' | 'manifest' | 'missing' | 'changed' | 'added' | 'derived';
  path: string;
  text: string;
}

export interface Evidence {
  /** SHA-256 of manifest.json; undefined: there is none. */
  manifestSha256: string | undefined;
  files: number;
  bytes: number;
  /** In the order in which they were written. */
  judgings: DerivedRecord[];
  problems: EvidenceProblem[];
}

/**
 * Writes the manifest of a run that has ended: nobody writes to its evidence any more. Returns its SHA-256. A manifest
 * that is there already is an infra error: evidence is sealed once.
 */
export async function sealRun(dir: string, info: { runId: string; version: string }): Promise<string> {
  const files: FileHash[] = [];
  for (const path of evidencePaths(dir)) files.push(await hashFile(dir, path));
  const manifest: Manifest = { format: 1, runId: info.runId, madeAt: new Date().toISOString(), version: info.version, files };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  try {
    writeFileSync(join(dir, manifestFile), text, { flag: 'wx' });
  } catch (error) {
    throw infraError('MANIFEST_WRITE', `cannot write ${join(dir, manifestFile)}: ${messageOf(error)}`, { cause: error });
  }
  return sha256(text);
}

/** Adds a line for verdict.json and report.html as they are now. `evidence`: what `checkEvidence` said before they were made. */
export async function recordDerived(dir: string, by: DerivedRecord['by'], version: string, evidence: Evidence): Promise<void> {
  const files: FileHash[] = [];
  for (const name of [...derivedNames].sort()) if (existsSync(join(dir, name))) files.push(await hashFile(dir, name));
  const lines = derivedLines(dir);
  const record: DerivedRecord = {
    format: 1, seq: lines.length + 1, madeAt: new Date().toISOString(), by, version,
    previousSha256: lines.length > 0 ? sha256(lines.at(-1)!) : (evidence.manifestSha256 ?? null),
    evidence: evidence.manifestSha256 === undefined ? 'unsealed' : evidence.problems.some(({ kind }) => kind !== 'derived') ? 'altered' : 'intact',
    files,
  };
  try {
    appendFileSync(join(dir, derivedFile), `${JSON.stringify(record)}\n`);
  } catch (error) {
    throw infraError('MANIFEST_WRITE', `cannot write ${join(dir, derivedFile)}: ${messageOf(error)}`, { cause: error });
  }
}

/** Reads every file of a run and compares it with the manifest, and the derived files with their last record. */
export async function checkEvidence(dir: string): Promise<Evidence> {
  const problems: EvidenceProblem[] = [];
  const paths = evidencePaths(dir);
  const sealed = readManifest(dir, problems);
  let bytes = 0;
  for (const listed of sealed?.manifest.files ?? []) {
    if (!paths.includes(listed.path)) {
      problems.push({ kind: 'missing', path: listed.path, text: `${listed.path} (${listed.bytes} bytes) is missing` });
      continue;
    }
    const found = await hashFile(dir, listed.path);
    bytes += found.bytes;
    if (found.sha256 === notRegular) problems.push({ kind: 'changed', path: listed.path, text: `${listed.path} is no regular file` });
    else if (found.bytes !== listed.bytes) problems.push({ kind: 'changed', path: listed.path, text: `${listed.path} has ${found.bytes} bytes, at the end of the run it had ${listed.bytes}` });
    else if (found.sha256 !== listed.sha256) problems.push({ kind: 'changed', path: listed.path, text: `${listed.path} was changed: SHA-256 ${found.sha256.slice(0, 12)}…, at the end of the run ${listed.sha256.slice(0, 12)}…` });
  }
  const known = new Set(sealed?.manifest.files.map(({ path }) => path));
  if (sealed !== undefined) for (const path of paths) if (!known.has(path)) problems.push({ kind: 'added', path, text: `${path} was not there at the end of the run` });
  const judgings = await checkDerived(dir, sealed?.sha256, problems);
  return { manifestSha256: sealed?.sha256, files: known.size, bytes, judgings, problems };
}

function readManifest(dir: string, problems: EvidenceProblem[]): { manifest: Manifest; sha256: string } | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, manifestFile), 'utf8');
  } catch {
    problems.push({ kind: 'unsealed', path: manifestFile, text: `there is no ${manifestFile}: the run did not come to its end, or its evidence was never sealed` });
    return undefined;
  }
  try {
    const manifest = JSON.parse(text) as Manifest;
    if (manifest.format !== 1 || !Array.isArray(manifest.files)) throw new Error(`format ${String(manifest.format)} is not known to this version`);
    return { manifest, sha256: sha256(text) };
  } catch (error) {
    problems.push({ kind: 'manifest', path: manifestFile, text: `${manifestFile} cannot be read: ${messageOf(error)}` });
    return undefined;
  }
}

/** The chain must be whole, and the last record must be about the files that are there. */
async function checkDerived(dir: string, manifestSha256: string | undefined, problems: EvidenceProblem[]): Promise<DerivedRecord[]> {
  const complain = (path: string, text: string): void => void problems.push({ kind: 'derived', path, text });
  const records: DerivedRecord[] = [];
  let previous: string | null = manifestSha256 ?? null;
  for (const [index, line] of derivedLines(dir).entries()) {
    let record: DerivedRecord;
    try {
      record = JSON.parse(line) as DerivedRecord;
    } catch {
      complain(derivedFile, `${derivedFile} line ${index + 1} is no record`);
      break;
    }
    if (record.seq !== index + 1 || record.previousSha256 !== previous) {
      complain(derivedFile, `${derivedFile} line ${index + 1} does not follow from the ${index === 0 ? 'manifest' : 'line before it'}`);
    }
    records.push(record);
    previous = sha256(line);
  }
  const last = records.at(-1);
  for (const name of derivedNames) {
    const listed = last?.files.find(({ path }) => path === name);
    const there = existsSync(join(dir, name));
    // What is not there can be made again.
    if (!there) continue;
    if (listed === undefined) complain(name, `${name} is not what pathproof made: ${derivedFile} does not know it`);
    else if ((await hashFile(dir, name)).sha256 !== listed.sha256) complain(name, `${name} was changed after it was made (${last!.madeAt})`);
  }
  return records;
}

function derivedLines(dir: string): string[] {
  try {
    return readFileSync(join(dir, derivedFile), 'utf8').split('\n').filter((line) => line !== '');
  } catch {
    return [];
  }
}

/** Every file below the folder but the derived ones and those that speak about the evidence, sorted. Links are files here: they are not followed. */
function evidencePaths(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, '/').length).replaceAll('\\', '/'))
    .filter((path) => !ownNames.has(path))
    .sort();
}

/** Stands for the hash of a link, a socket and the like; evidence that is one is never right. */
const notRegular = 'not a regular file';

async function hashFile(dir: string, path: string): Promise<FileHash> {
  const file = join(dir, path);
  if (!lstatSync(file).isFile()) return { path, bytes: 0, sha256: notRegular };
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
