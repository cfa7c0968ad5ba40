import { faultNames, faultSpecs } from '../fault/specs.js';
import type { PlanStep, Topology } from './types.js';

export interface Removal {
  gateways: string[];
  /** Name of the bound within which the monitor's map has to show it, after the fault was injected. */
  notice: string;
}

/** What a step deletes from the group; undefined: nothing. */
export function removalBy(step: PlanStep, topology: Topology): Removal | undefined {
  if (step.do !== 'inject') return undefined;
  const fault = faultNames.find((name) => name === step.fault);
  if (fault === undefined || faultSpecs[fault].removes !== true) return undefined;
  const { scope, consequences } = faultSpecs[fault];
  return {
    gateways: scope === 'group' ? topology.gateways.map(({ name }) => name) : [step.target],
    notice: consequences.deploys === true ? 'orchestratedRemovalNotice' : 'removalNotice',
  };
}
