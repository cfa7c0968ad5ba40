import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Step } from './step.js';

export interface WantedFile { path: string; text: string; mode?: number }

const defaultMode = 0o644;

/** Files with exactly this text and mode. `then`: what has to be done when one of them was written. */
export function filesStep(title: string, files: readonly WantedFile[], then: () => Promise<void> = () => Promise.resolve()): Step {
  const wrong = (): WantedFile[] => files.filter((file) => !isAsWanted(file));
  return {
    title,
    isDone: () => Promise.resolve(wrong().length === 0),
    make: async () => {
      for (const { path, text, mode = defaultMode } of wrong()) {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(`${path}.pathproof`, text, { mode });
        chmodSync(`${path}.pathproof`, mode);
        renameSync(`${path}.pathproof`, path);
      }
      await then();
    },
  };
}

function isAsWanted({ path, text, mode = defaultMode }: WantedFile): boolean {
  try {
    return (statSync(path).mode & 0o7777) === mode && readFileSync(path, 'utf8') === text;
  } catch {
    return false;
  }
}
