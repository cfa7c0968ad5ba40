import type { Command } from 'commander';
import { planScenario } from '../plan/planner.js';
import { filterScenarios, findSuite, loadSuite } from './load-suite.js';
import { addPlanOptions, planOptions, type PlanFlags } from './options.js';

export function addPlanCommand(program: Command): void {
  addPlanOptions(program.command('plan'))
    .description('print the resolved plans of a suite as JSON; nothing is started')
    .argument('<suite>', 'name or path of a suite')
    .addHelpText('after', `
The output is an array with one plan for each scenario. The same suite, seed and lab give the same bytes.

Examples:
  $ pathproof plan smoke --seed 7
  $ pathproof plan suites/failover.suite.ts --filter dead --gateways 4`)
    .action(async (argument: string, flags: PlanFlags) => {
      const suite = await loadSuite(findSuite(argument));
      const options = planOptions(flags);
      const plans = filterScenarios(suite, flags.filter).map((scenario) => planScenario(suite.name, scenario, options));
      process.stdout.write(`${JSON.stringify(plans, null, 2)}\n`);
    });
}
