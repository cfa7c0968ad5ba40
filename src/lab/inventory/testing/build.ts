import { PathproofError } from '../../../util/errors.js';
import { ensureCephNvmeof } from './ceph-nvmeof-image.js';
import { ensureSpdk } from './spdk-program.js';

const builds = { spdk: ensureSpdk, 'ceph-nvmeof': ensureCephNvmeof };

/** `tsx build.ts spdk|ceph-nvmeof`: built for the tests, unless it is in the cache. Exit code 77: its source cannot be had. */
const name = process.argv[2] as keyof typeof builds;
try {
  const made = await builds[name]((line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`${JSON.stringify(made)}\n`);
} catch (error) {
  if (!(error instanceof PathproofError)) throw error;
  process.stderr.write(`${[error.message, ...error.details].join('\n  ')}\n`);
  process.exitCode = error.code === 'CEPH_SOURCE' ? 77 : 1;
}
