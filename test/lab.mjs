// The suites on real parts: `npm run test:lab [-- options of pathproof run]`. Installs what the qemu lab needs (apt, as root
// or by sudo), brings the lab up (the image is built, Ceph provisioned, the whole lab saved) and down again, runs smoke,
// failover and policies on it, and ends with the plain line "N passed, N failed".
//
// A scenario that is not proved has not passed.
import { count, finish, pathproof, runSuites, seconds, verdictOf } from './real-lab.mjs';

const suites = ['smoke', 'failover', 'policies'];

pathproof('doctor', '--lab', 'qemu', '--fix');
const isUp = pathproof('lab', 'up', '--lab', 'qemu');
const isDown = pathproof('lab', 'down');
count(`lab up, lab down in ${seconds()} s`, verdictOf(isUp && isDown));
runSuites('qemu', suites);
console.log(`real parts: ${suites.join(', ')} in ${seconds()} s`);
finish();
