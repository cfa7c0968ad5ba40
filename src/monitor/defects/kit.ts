import type { BlocklistStore } from '../commands.js';
import type { MonitorModel } from '../model/model.js';

/** What a defect puts around the parts of the monitor; the model's own rules are untouched. */
export interface MonitorDefect {
  model?(model: MonitorModel): MonitorModel;
  store?(store: BlocklistStore): BlocklistStore;
}
export type MakeMonitorDefect = () => MonitorDefect;
