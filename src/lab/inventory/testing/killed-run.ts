import { HostConnections } from '../hosts.js';
import { UndoJournal } from '../journal.js';

/** A run for the test that kills it: it changes two hosts as a run does, says so, and waits for its end. */
const journal = UndoJournal.begin({ name: 'rack', file: '/tmp/rack.yaml' });
const hosts = new HostConnections();
for (const [host, what] of [['gw1', 'first'], ['gw2', 'second'], ['gw1', 'third']] as const) {
  const route = { destination: host };
  journal.note({ host, route, what, command: `rm -f "$PP_HOST/${what}"` });
  await hosts.run(host, route, `touch "$PP_HOST/${what}"`);
}
// Noted, and killed before it was made.
journal.note({ host: 'gw2', route: { destination: 'gw2' }, what: 'fourth', command: 'rm -f "$PP_HOST/fourth"' });
process.stdout.write('changed\n');
setInterval(() => undefined, 1_000);
