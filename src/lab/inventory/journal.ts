import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { infraError } from '../../util/errors.js';
import { isSameProcess, processStartTime } from '../process-identity.js';
import { stateDir } from '../registry.js';

/**
 * What has to be undone on other people's hosts: one line of JSON per change, on stable storage before the change is
 * made, and a line more once it is undone. It holds all that undoing needs, also how to get at the host: the inventory
 * may have been edited meanwhile. Whoever is killed between the two lines leaves it to `pathproof lab heal`, or to the next run.
 *
 * An undo command must be harmless where nothing was changed, or was undone already: nobody knows whether a
 * killed run got as far as the change itself, nor whether a killed heal got as far as its second line.
 */
const routeSchema = z.strictObject({ destination: z.string(), config: z.string().optional() });
/** How ssh gets to a host; null: the harness's own machine. */
export type Route = z.output<typeof routeSchema> | null;

const undoSchema = z.strictObject({
  kind: z.literal('undo'), id: z.int(), at: z.string(), host: z.string(), route: routeSchema.nullable(),
  /** What was changed, in words that fit behind "undo: ". */
  what: z.string(),
  /** A shell command. */
  command: z.string(),
});
export type UndoEntry = z.output<typeof undoSchema>;

const recordSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('begin'), format: z.literal(1), inventory: z.string(), file: z.string(), harness: z.strictObject({ pid: z.int(), startTime: z.string() }), at: z.string() }),
  undoSchema,
  z.strictObject({ kind: z.literal('done'), id: z.int(), at: z.string() }),
]);
type JournalRecord = z.output<typeof recordSchema>;

export interface JournalState {
  file: string;
  /** Who wrote it; undefined: there is no journal, or not even its first line is whole. */
  begin: Extract<JournalRecord, { kind: 'begin' }> | undefined;
  /** Not undone, the last change first. */
  open: UndoEntry[];
}

export function journalFile(inventoryName: string): string {
  return join(stateDir(), 'inventory', inventoryName, 'undo.ndjson');
}

/** What is in a journal. Throws an infra error for one that something else has written into. */
export function readJournal(inventoryName: string): JournalState {
  const file = journalFile(inventoryName);
  if (!existsSync(file)) return { file, begin: undefined, open: [] };
  const lines = readFileSync(file, 'utf8').split('\n');
  // The last line is empty, or was not whole when its writer ended: then its change was not made, or its undoing is repeated.
  lines.pop();
  const records = lines.map((line, index) => parseRecord(line, `${file}:${index + 1}`));
  const done = new Set(records.flatMap((record) => (record.kind === 'done' ? [record.id] : [])));
  const begin = records.find((record) => record.kind === 'begin');
  return { file, begin, open: records.filter((record): record is UndoEntry => record.kind === 'undo' && !done.has(record.id)).reverse() };
}

function parseRecord(line: string, place: string): JournalRecord {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch (error) {
    throw infraError('UNDO_JOURNAL', `${place} is no line of a journal of undo steps`, { hint: 'undo by hand what the lines say, then remove the file', cause: error });
  }
}

/** Is its writer still at work? */
export function isBusy({ begin }: JournalState): boolean {
  return begin !== undefined && isSameProcess(begin.harness);
}

/** Writes a journal. One process at a time does, and the next one only when nothing is left to be undone. */
export class UndoJournal {
  readonly file: string;
  readonly #fd: number;
  readonly #open: UndoEntry[] = [];
  #nextId: number;

  private constructor(file: string, fd: number, open: readonly UndoEntry[]) {
    this.file = file;
    this.#fd = fd;
    this.#open.push(...[...open].reverse());
    this.#nextId = Math.max(0, ...open.map(({ id }) => id)) + 1;
  }

  /** A new journal. Infra errors: INVENTORY_BUSY while another process uses these hosts, INVENTORY_CHANGED while something is left to be undone. */
  static begin(inventory: { name: string; file: string }): UndoJournal {
    const state = readJournal(inventory.name);
    refuseBusy(inventory.name, state);
    if (state.open.length > 0) {
      throw infraError('INVENTORY_CHANGED', `${state.open.length} change(s) of a killed run are still there on the hosts of ${inventory.name}`, { details: state.open.map(({ host, what }) => `${host}: ${what}`), hint: `pathproof lab heal --inventory ${inventory.file}` });
    }
    mkdirSync(dirname(state.file), { recursive: true });
    rmSync(state.file, { force: true });
    let fd: number;
    try {
      fd = openSync(state.file, 'wx', 0o600);
    } catch (error) {
      throw infraError('INVENTORY_BUSY', `another pathproof has just begun to use the hosts of ${inventory.name}`, { cause: error });
    }
    const journal = new UndoJournal(state.file, fd, []);
    journal.#append({ kind: 'begin', format: 1, inventory: inventory.name, file: inventory.file, harness: ownIdentity(), at: new Date().toISOString() });
    syncFolder(dirname(state.file));
    return journal;
  }

  /** Takes over the journal that somebody who no longer runs has left; undefined: there is nothing to be undone. */
  static takeOver(inventoryName: string): UndoJournal | undefined {
    const state = readJournal(inventoryName);
    refuseBusy(inventoryName, state);
    if (state.open.length === 0) {
      rmSync(state.file, { force: true });
      return undefined;
    }
    const fd = openSync(state.file, 'r+');
    const text = readFileSync(state.file);
    const whole = text.lastIndexOf(0x0a) + 1;
    ftruncateSync(fd, whole);
    // Appends from here on, wherever the position is.
    closeSync(fd);
    return new UndoJournal(state.file, openSync(state.file, 'a'), state.open);
  }

  /** What is not undone yet, the last change first. */
  get open(): readonly UndoEntry[] {
    return [...this.#open].reverse();
  }

  /** Notes how a change that comes next is undone. On stable storage when it returns. */
  note(change: Pick<UndoEntry, 'host' | 'route' | 'what' | 'command'>): UndoEntry {
    const entry: UndoEntry = { kind: 'undo', id: this.#nextId++, at: new Date().toISOString(), ...change };
    this.#append(entry);
    this.#open.push(entry);
    return entry;
  }

  /** It is undone. */
  done(entry: UndoEntry): void {
    const at = this.#open.indexOf(entry);
    if (at === -1) return;
    this.#append({ kind: 'done', id: entry.id, at: new Date().toISOString() });
    this.#open.splice(at, 1);
  }

  /** Nobody writes any more. With nothing left to be undone the file goes. */
  close(): void {
    closeSync(this.#fd);
    if (this.#open.length === 0) rmSync(this.file, { force: true });
  }

  #append(record: JournalRecord): void {
    writeSync(this.#fd, `${JSON.stringify(record)}\n`);
    fsyncSync(this.#fd);
  }
}

function refuseBusy(name: string, state: JournalState): void {
  if (isBusy(state) && state.begin!.harness.pid !== process.pid) throw infraError('INVENTORY_BUSY', `the hosts of ${name} are used by a pathproof that runs (pid ${state.begin!.harness.pid})`, { hint: 'wait for it, or end it' });
}

function ownIdentity(): { pid: number; startTime: string } {
  const startTime = processStartTime(process.pid);
  if (startTime === undefined) throw new Error('cannot read the start time of this process');
  return { pid: process.pid, startTime };
}

/** A new file is found again after a power cut only if its folder was written, too. */
function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r');
  fsyncSync(fd);
  closeSync(fd);
}
