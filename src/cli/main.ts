#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ExitCode, PathproofError } from '../util/errors.js';
import { addConformCommand } from './conform.js';
import { addDetectCommand } from './detect.js';
import { addDoctorCommand } from './doctor.js';
import { addGateCommand } from './gate.js';
import { addInventoryCommand } from './inventory.js';
import { addLabCommand } from './lab.js';
import { addListCommand } from './list.js';
import { packageVersion } from './package.js';
import { addPlanCommand } from './plan.js';
import { addRecheckCommand } from './recheck.js';
import { addReproCommand } from './repro.js';
import { addRunCommand } from './run.js';
import { addShrinkCommand } from './shrink.js';
import { addThrashCommand } from './thrash.js';

const program = new Command('pathproof')
  .description('Proves, from the host side, that NVMe-oF multipath storage survives its failures.')
  .version(packageVersion)
  .showHelpAfterError('(add --help for the options and examples)')
  .exitOverride()
  .addHelpText('after', `
Examples:
  $ pathproof run                                   the smoke suite on the embedded lab, under 30 s
  $ pathproof run suites/failover.suite.ts          the four failovers of the gateway HA design
  $ pathproof run failover --filter dead --seed 7   one scenario, repeated with its seed
  $ pathproof plan smoke                            the resolved plan as JSON, nothing started
  $ pathproof repro results/smoke/<run>             the plan of a stored run again: does it end as it did?
  $ pathproof recheck results/smoke/<run>           judge a stored run again, without a lab
  $ pathproof gate results --policy gate.policy.yaml may it be released, by a written policy
  $ pathproof list                                  stored runs and their verdicts
  $ pathproof detect                                which defects the harness finds, and no false alarms
  $ pathproof shrink results/smoke/<run>            the smallest plan that still fails like this run
  $ pathproof thrash --for 30m                      seeded random faults, round after round
  $ pathproof doctor                                what this machine has for each lab, and what it lacks
  $ pathproof conform                               the monitor model against a real ceph-mon
  $ pathproof inventory check rack.yaml             may a run begin on your own hosts
  $ pathproof lab down                              end what a killed run left behind

Exit codes:
  0 pass · 1 the system under test failed · 2 unknown · 3 the lab broke · 64 usage · 70 a bug in pathproof · 130 interrupted`);

for (const add of [addRunCommand, addPlanCommand, addReproCommand, addRecheckCommand, addGateCommand, addListCommand, addLabCommand, addInventoryCommand, addDoctorCommand, addConformCommand, addDetectCommand, addShrinkCommand, addThrashCommand]) add(program);
for (const command of program.commands) command.exitOverride();

// `pathproof plan … | head` closes the pipe early: nothing is wrong then, and nobody listens any more.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? ExitCode.pass);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Prints an error for a person and says which exit code it means. */
function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    // commander has printed its own message by now; --help and --version end here, too.
    return error.exitCode === 0 ? ExitCode.pass : ExitCode.usage;
  }
  if (error instanceof PathproofError) {
    process.stderr.write(`error: ${error.message} [${error.code}]\n`);
    for (const line of error.details) process.stderr.write(`    ${line}\n`);
    if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
    return error.exitCode;
  }
  process.stderr.write(`pathproof has a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return ExitCode.internal;
}
