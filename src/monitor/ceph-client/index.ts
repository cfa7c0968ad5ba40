export { BeaconSequence, subsystemChanges } from './beacon-sequence.js';
export { CephMonitorClient, connectCephMonitor, type CephMonitorOptions, type CephMonitorStats } from './client.js';
