import { messageOf } from '../../util/errors.js';
import type { HostConnections } from './hosts.js';
import { UndoJournal, type UndoEntry } from './journal.js';

/** An undo may have to wait for a machine's services to end. */
const undoMaxMs = 180_000;

export interface UndoResult { entry: UndoEntry; /** Why it could not be undone; undefined: it is. */ problem: string | undefined }

/** Undoes everything that is noted and not yet undone, the last change first. One that fails stays noted; the others are undone all the same. */
export async function undoAll(journal: UndoJournal, hosts: Pick<HostConnections, 'run'>, onResult: (result: UndoResult) => void = () => undefined): Promise<UndoResult[]> {
  const results: UndoResult[] = [];
  for (const entry of journal.open) {
    let problem: string | undefined;
    try {
      await hosts.run(entry.host, entry.route, entry.command, { timeoutMs: undoMaxMs });
      journal.done(entry);
    } catch (error) {
      problem = messageOf(error);
    }
    const result = { entry, problem };
    results.push(result);
    onResult(result);
  }
  return results;
}

/** What `pathproof lab heal` does: undoes what a run that no longer runs has left on the hosts of this inventory. Infra errors: INVENTORY_BUSY, UNDO_JOURNAL. */
export async function healInventory(inventoryName: string, hosts: Pick<HostConnections, 'run'>, onResult?: (result: UndoResult) => void): Promise<UndoResult[]> {
  const journal = UndoJournal.takeOver(inventoryName);
  if (journal === undefined) return [];
  try {
    return await undoAll(journal, hosts, onResult);
  } finally {
    journal.close();
  }
}
