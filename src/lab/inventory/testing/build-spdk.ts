import { PathproofError } from '../../../util/errors.js';
import { ensureSpdk } from './spdk-program.js';

/** `tsx build-spdk.ts`: SPDK for the tests, built unless it is in the cache. Exit code 77: its source cannot be had. */
try {
  process.stdout.write(`${await ensureSpdk((line) => process.stdout.write(`${line}\n`))}\n`);
} catch (error) {
  if (!(error instanceof PathproofError)) throw error;
  process.stderr.write(`${[error.message, ...error.details].join('\n  ')}\n`);
  process.exitCode = error.code === 'SPDK_SOURCE' ? 77 : 1;
}
