// Builds the local base box: `npx tsx vagrant/box/main.ts [--flavour debian|cephadm] [--suite SUITE] [--mirror URL] [--keep-tar]`. A box that is there
// already is only named. The last line is the box as JSON.
import { parseArgs } from 'node:util';
import { PathproofError } from '../../src/util/errors.js';
import { ensureBox } from './build.js';
import { boxFlavour } from './recipe.js';

const { values } = parseArgs({ options: { 'flavour': { type: 'string', default: 'debian' }, 'suite': { type: 'string' }, 'mirror': { type: 'string' }, 'keep-tar': { type: 'boolean' } } });
try {
  const box = await ensureBox({
    flavour: boxFlavour(values.flavour), progress: (line) => console.error(line),
    ...(values.suite === undefined ? {} : { suite: values.suite }), ...(values.mirror === undefined ? {} : { mirror: values.mirror }),
    ...(values['keep-tar'] === undefined ? {} : { keepTar: values['keep-tar'] }),
  });
  console.log(JSON.stringify(box));
} catch (error) {
  if (!(error instanceof PathproofError)) throw error;
  console.error([`${error.code}: ${error.message}`, ...error.details, ...(error.hint === undefined ? [] : [error.hint])].join('\n'));
  process.exitCode = error.exitCode;
}
