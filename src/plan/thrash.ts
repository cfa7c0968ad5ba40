import { faultNames, faultSpecs, type FaultName } from '../fault/specs.js';
import type { Random } from '../util/random.js';
import { missingAbilities } from './lab-abilities.js';
import type { ScenarioStep } from './scenario.js';
import type { LabKind, LabPlatform, PlanStep, Topology } from './types.js';

type ThrashStep = Extract<ScenarioStep, { do: 'thrash' }>;

/** Whom a fault of the schedule is aimed at, and how often that is drawn, percent. */
const targetShares = { one: 40, owner: 30, minority: 15, 'all-but-one': 10, all: 5 } as const;
type TargetKind = keyof typeof targetShares;

/** Time between two changes of the schedule, and how long a fault lasts, milliseconds. */
const gapsMs = [200, 500, 1_000, 2_000, 3_000] as const;
const lastsMs = [500, 1_500, 3_000, 6_000, 10_000] as const;
/** How often something is injected when there is room for it, percent. */
const injectPercent = 75;

interface Active { id: string; fault: FaultName; target: string; untilMs: number }

/**
 * Draws a schedule of faults: what, at whom, when, for how long, overlapping as it comes. A pure function of the
 * step, the topology, the lab and the random source. Only what the lab can do is drawn.
 *
 * A gateway has one of these faults at a time: two at one process would mostly hide each other. Removals come one
 * at a time, since a monitor that is left with gateways under removal only forgets them all, as NVMeofGwMon does.
 * The host can withhold the data of one set of writes at a time. What it has sent again meanwhile is sent late only to a
 * gateway that has lost the group: one that keeps it executes both copies, as any NVMe subsystem would, and it is the host
 * that must not have sent the second so soon (Linux does not wait; NVMe's cross-controller reset exists for that).
 *
 * A fault that hangs writes at the store comes alone, after everything is at home: a group that goes back to its owner
 * meanwhile takes nobody's access away, and what hung lands later, over newer data. That is how NVMeofGwMon is made, and
 * a schedule that hits it again and again would find nothing else (`hangOverFailback` asks for it).
 *
 * What cephadm does is drawn only where the step names it: it acts on the service as a whole, so that one heal undoes them all.
 */
export function thrashSteps(step: ThrashStep, topology: Topology, lab: LabKind, random: Random, prefix: string, platform?: Pick<LabPlatform, 'inventory'>): PlanStep[] {
  const { forMs, concurrent = 2, spare = 'one', hangOverFailback = false } = step;
  const faults = (step.faults ?? faultNames.filter((name) => !faultSpecs[name].requires.includes('cephadm'))).filter((fault) => missingAbilities(fault, lab, platform).length === 0);
  const steps: PlanStep[] = [];
  let active: Active[] = [];
  let count = 0;
  const heal = (due: readonly Active[]): void => {
    for (const { id } of due) steps.push({ do: 'heal', id, confirm: 'gone' });
    active = active.filter((each) => !due.includes(each));
  };
  for (let atMs = 0; atMs < forMs;) {
    heal(active.filter(({ untilMs }) => untilMs <= atMs));
    const alone = (name: FaultName): boolean => !hangOverFailback && faultSpecs[name].hangsAtStore === true;
    if (!active.some(({ fault }) => alone(fault)) && new Set(active.map(({ id }) => id.split('-')[0])).size < concurrent && random.percent(injectPercent)) {
      const possible = faults.filter((name) => mayJoin(name, active) && (active.length === 0 || !alone(name)));
      const fault = possible.length === 0 ? undefined : random.pick(possible);
      const free = topology.gateways.map(({ name }) => name).filter((name) => !active.some(({ target }) => target === name));
      const room = spare === 'one' ? topology.gateways.length - 1 - active.length : free.length;
      const targets = fault === undefined ? [] : chooseTargets(fault, free, Math.max(0, room), topology, random);
      if (fault !== undefined && targets.length > 0) {
        count += 1;
        if (alone(fault) && count > 1) steps.push({ do: 'await', condition: { kind: 'home' }, bound: '' });
        const untilMs = atMs + random.pick(lastsMs);
        for (const target of targets) {
          const id = `${prefix}n${count}-${target}`;
          steps.push({ do: 'inject', id, fault, target, params: fault === 'host.hold-write' ? { unserved: true } : {}, confirm: 'later', random: true });
          active.push({ id, fault, target, untilMs });
        }
      }
    }
    const gapMs = Math.min(random.pick(gapsMs), forMs - atMs);
    steps.push({ do: 'run', forMs: gapMs });
    atMs += gapMs;
  }
  heal([...active]);
  return steps;
}

function mayJoin(fault: FaultName, active: readonly Active[]): boolean {
  if (fault === 'gateway.remove' || fault === 'host.hold-write') return !active.some((each) => each.fault === fault);
  return true;
}

function chooseTargets(fault: FaultName, free: readonly string[], room: number, topology: Topology, random: Random): string[] {
  const wanted = countOf(drawKind(random), topology.gateways.length);
  const n = Math.min(wanted === 'owner' ? 1 : wanted, room, free.length, fault === 'gateway.remove' || fault === 'host.hold-write' ? 1 : Infinity);
  if (n <= 0) return [];
  const loaded = free.filter((name) => topology.namespaces.some((ns) => !ns.idle && ns.anaGroup === topology.gateways.find((g) => g.name === name)!.anaGroup));
  const from = wanted === 'owner' && loaded.length > 0 ? loaded : free;
  const left = [...from];
  return Array.from({ length: Math.min(n, from.length) }, () => left.splice(random.int(left.length), 1)[0]!);
}

function drawKind(random: Random): TargetKind {
  let draw = random.int(100);
  for (const [kind, share] of Object.entries(targetShares) as [TargetKind, number][]) {
    if (draw < share) return kind;
    draw -= share;
  }
  return 'one';
}

/** How many gateways of `n` a kind of target means. */
function countOf(kind: TargetKind, n: number): number | 'owner' {
  switch (kind) {
    case 'owner': return 'owner';
    case 'one': return 1;
    case 'minority': return Math.max(1, Math.floor((n - 1) / 2));
    case 'all-but-one': return n - 1;
    case 'all': return n;
  }
}
