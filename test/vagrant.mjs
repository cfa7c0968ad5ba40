// The Vagrant lab: `npm run test:vagrant [-- debian | cephadm | runs]`. As root. Installs what is missing, brings both flavours up from nothing
// and down again (vagrant/test/main.ts), then runs smoke and failover on a lab that `pathproof lab up` has made, and ends with the plain line
// "N passed, N failed". A word does one of the three. Everything that it made of this machine is taken down.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, runSuites, seconds, verdictOf } from './real-lab.mjs';

const parts = ['debian', 'cephadm', 'runs'];
const wanted = process.argv.slice(2).filter((word) => parts.includes(word));
process.argv = process.argv.filter((word) => !parts.includes(word));
const root = fileURLToPath(new URL('..', import.meta.url));

for (const part of wanted.length === 0 ? parts : wanted) {
  if (part === 'runs') {
    count('doctor', verdictOf(pathproof('doctor', '--lab', 'vagrant', '--fix')));
    count('lab up', verdictOf(pathproof('lab', 'up', '--lab', 'vagrant')));
    runSuites('vagrant', ['smoke', 'failover']);
    count('lab down', verdictOf(pathproof('lab', 'down')));
  } else {
    const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'vagrant/test/main.ts', part], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    count(`${part}: up, provisioned twice, destroyed`, verdictOf(status === 0));
  }
}
console.log(`Vagrant lab in ${seconds()} s`);
finish();
