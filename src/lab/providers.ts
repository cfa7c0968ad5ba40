import type { LabKind, Plan } from '../plan/types.js';
import { LoopbackLab } from './loopback/lab.js';
import type { Lab, LabEventSink } from './types.js';

/** `version`: pathproof's own, which is what labs made of its own parts have under test. */
export interface LabOptions { runId: string; runDir: string; version: string; sink: LabEventSink }

const providers: Record<LabKind, (plan: Plan, options: LabOptions) => Lab> = {
  loopback: (plan, options) => new LoopbackLab({ plan, ...options }),
};

/** The lab that the plan asks for, not yet up. */
export function createLab(plan: Plan, options: LabOptions): Lab {
  return providers[plan.lab](plan, options);
}
