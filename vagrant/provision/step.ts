/** One thing that a node must have. `isDone` looks, `make` does it. */
export interface Step {
  title: string;
  isDone: () => Promise<boolean>;
  make: () => Promise<void>;
  /** More to say of a failure, e.g. the last lines of a log. */
  evidence?: () => Promise<string>;
}

export interface StepResult { title: string; changed: boolean; ms: number }

/**
 * Does what is missing, in order, `then`'s steps after the first ones are done (they may ask the node), and says of each step whether it changed anything and how long it took. A step that is not done
 * after it was made ends it all, with an error that names it: what follows stands on it.
 */
export async function runSteps(node: string, first: readonly Step[], then: () => Promise<readonly Step[]>, say: (line: string) => void, nowMs: () => number = () => performance.now()): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const run = async (step: Step): Promise<void> => {
    const fromMs = nowMs();
    let changed = false;
    try {
      if (!(await step.isDone())) {
        changed = true;
        await step.make();
        if (!(await step.isDone())) throw new Error('it was made, and still is not there');
      }
    } catch (error) {
      const evidence = await (step.evidence?.() ?? Promise.resolve('')).catch((e: unknown) => `(no evidence: ${String(e)})`);
      throw new Error(`${node}: step "${step.title}": ${error instanceof Error ? error.message : String(error)}${evidence === '' ? '' : `\n${evidence}`}`, { cause: error });
    }
    const result = { title: step.title, changed, ms: Math.round(nowMs() - fromMs) };
    results.push(result);
    say(stepLine(node, result));
  };
  for (const step of first) await run(step);
  for (const step of await then()) await run(step);
  say(summaryLine(node, results));
  return results;
}

function stepLine(node: string, { title, changed, ms }: StepResult): string {
  return `[pathproof] ${node}: ${changed ? 'changed  ' : 'unchanged'} ${title} (${seconds(ms)})`;
}

function summaryLine(node: string, results: readonly StepResult[]): string {
  return `[pathproof] ${node}: ${results.length} steps, ${results.filter(({ changed }) => changed).length} changed (${seconds(results.reduce((sum, { ms }) => sum + ms, 0))})`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

export interface NodeSummary { steps: number; changed: number; changedTitles: string[] }

/** What nodes said of their provisioning, from the output of Vagrant (which puts the node's name before each line). Nodes without a summary are not in it: they did not get to the end. */
export function parseSummaries(output: string): Map<string, NodeSummary> {
  const titles = new Map<string, string[]>();
  const summaries = new Map<string, NodeSummary>();
  for (const line of output.split('\n')) {
    const step = /\[pathproof\] (\S+): changed +(.+) \([\d.]+ s\)/.exec(line);
    if (step !== null) titles.set(step[1]!, [...(titles.get(step[1]!) ?? []), step[2]!]);
    const summary = /\[pathproof\] (\S+): (\d+) steps, (\d+) changed \(/.exec(line);
    if (summary !== null) summaries.set(summary[1]!, { steps: Number(summary[2]), changed: Number(summary[3]), changedTitles: titles.get(summary[1]!) ?? [] });
  }
  return summaries;
}
