import type { BlockBackend } from '../backend.js';
import type { ControlNamespace, GatewayControl } from '../control.js';
import type { MonitorClient } from '../../monitor/client.js';
import type { TargetHooks } from '../target/hooks.js';

/**
 * What a defect puts between the parts of a gateway. The honest code knows nothing of it: it is given a
 * store image, a data plane or a monitor session that behaves a little differently.
 */
export interface GatewayDefect {
  image?(image: BlockBackend, name: string): BlockBackend;
  control?(control: GatewayControl): GatewayControl;
  monitor?(monitor: MonitorClient): MonitorClient;
  hooks?: TargetHooks;
}

/** What a defect may know of the gateway that has it. */
export interface DefectContext {
  /** 0 for the first process of this gateway in the lab, 1 for the one that replaced it, … */
  incarnation: number;
  namespaces: readonly ControlNamespace[];
  /** ANA groups that have namespaces, 1-based. */
  groups: readonly number[];
  /** Ends the process as a crash does. */
  crash(why: string): void;
}

/** One call for each gateway process that has the defect. */
export type MakeDefect = (context: DefectContext) => GatewayDefect;
