import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** The box that `vagrant up` in this checkout would take: LAB_BOX, else `box` of vagrant/lab.yaml; `local` is the one that pathproof builds. */
export function wantedBox(checkout: string, env: NodeJS.ProcessEnv = process.env): string {
  const { LAB_BOX: override = '' } = env;
  if (override !== '') return override;
  const { box } = parse(readFileSync(join(checkout, 'vagrant/lab.yaml'), 'utf8')) as { box?: string };
  return box ?? 'local';
}
