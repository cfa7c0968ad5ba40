import type { LabPlatform, Plan } from '../plan/types.js';
import type { Lab, LabEventSink } from './types.js';

/** `version`: pathproof's own, which is what labs made of its own parts have under test. */
export interface LabOptions { runId: string; runDir: string; version: string; sink: LabEventSink }

/** Told of each step of long work; `node` is empty for work that belongs to none. */
export type ProviderProgress = (node: string, step: string) => void;

export interface PrepareOptions {
  progress: ProviderProgress;
  /** Gives up and takes down what was begun. */
  signal: AbortSignal;
  /** Where the nodes' logs go when it fails. */
  logDir: string;
}

/**
 * Where labs come from. One provider serves all scenarios of a command, one after the other, so that what is dear
 * to make (virtual machines with a cluster) is made once.
 */
export interface LabProvider {
  /**
   * Makes ready what the plan's lab stands on, and says what it is: plans are resolved again with that. Throws an
   * infra error that names the step and the node.
   */
  prepare(plan: Plan, options: PrepareOptions): Promise<LabPlatform>;
  /** The lab of one run, not yet up. */
  create(plan: Plan, options: LabOptions): Lab;
  /** Takes down what `prepare` made, unless it was there before or is to be kept. Never throws. */
  close(): Promise<void>;
}
