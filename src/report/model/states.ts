import type { AnaStateName, AvailabilityName, ControllerStateName, GroupStateName } from '../../history/events.js';

/** How a state is drawn. Colour is never the only cue: each state has a letter, and the alarming ones a pattern. */
export interface LaneState {
  key: string;
  /** Written in the bar where it fits, and in the legend. */
  label: string;
  /** Written where only one character fits. */
  letter: string;
  /** CSS custom property of the page (html/style.ts). */
  color: string;
  /** Colour of text on it: light on dark colours, dark on light ones, the page's own on grounds that follow its scheme. */
  ink: 'on-dark' | 'on-light' | 'on-ground';
  pattern: 'none' | 'hatch' | 'cross' | 'dots';
  /** Legend heading; null: explained by its label alone. */
  family: 'ANA state' | 'Controller' | 'Availability' | 'Group state' | 'Process' | 'Namespace' | 'Owner' | null;
  /** Stays visible, at least one pixel wide, however far the reader has zoomed out. */
  alarm: boolean;
}

type Row = readonly [label: string, letter: string, color: string, pattern: LaneState['pattern'], alarm?: boolean];

const ana: Record<AnaStateName, Row> = {
  optimized: ['optimized', 'O', '--s-blue', 'none'],
  'non-optimized': ['non-optimized', 'N', '--s-sky', 'dots'],
  inaccessible: ['inaccessible', 'I', '--s-grey', 'none'],
  'persistent-loss': ['persistent loss', 'P', '--s-red', 'cross'],
  change: ['change', 'C', '--s-yellow', 'hatch'],
  unknown: ['unknown', '?', '--s-pale', 'dots'],
};
const controller: Record<ControllerStateName, Row> = {
  live: ['live', 'L', '--s-green', 'none'],
  new: ['new', 'n', '--s-pale', 'hatch'],
  connecting: ['connecting', 'c', '--s-orange', 'hatch'],
  resetting: ['resetting', 'r', '--s-red', 'hatch'],
  deleting: ['deleting', 'd', '--s-purple', 'hatch'],
  dead: ['dead', 'x', '--s-red', 'cross'],
  unknown: ['unknown', '?', '--s-pale', 'dots'],
};
const availability: Record<AvailabilityName, Row> = {
  CREATED: ['CREATED', 'c', '--s-pale', 'dots'],
  AVAILABLE: ['AVAILABLE', 'A', '--s-green', 'none'],
  UNAVAILABLE: ['UNAVAILABLE', 'U', '--s-red', 'hatch'],
  DELETING: ['DELETING', 'D', '--s-purple', 'hatch'],
};
const group: Record<GroupStateName, Row> = {
  IDLE: ['IDLE', 'i', '--s-pale', 'none'],
  STANDBY: ['STANDBY', 'S', '--s-grey', 'none'],
  ACTIVE: ['ACTIVE', 'A', '--s-blue', 'none'],
  OWNER_FAILBACK_PREPARED: ['OWNER_FAILBACK_PREPARED', 'F', '--s-yellow', 'dots'],
  WAIT_FAILBACK_PREPARED: ['WAIT_FAILBACK_PREPARED', 'W', '--s-yellow', 'hatch'],
  WAIT_BLOCKLIST_CMPL: ['WAIT_BLOCKLIST_CMPL', 'B', '--s-purple', 'hatch'],
};
const process: Record<'started' | 'ready' | 'paused' | 'stopping' | 'killed' | 'exited', Row> = {
  started: ['starting', 's', '--s-pale', 'dots'],
  ready: ['running', 'R', '--s-green', 'none'],
  paused: ['paused', 'Z', '--s-yellow', 'hatch'],
  stopping: ['ending', 'T', '--s-pale', 'hatch'],
  killed: ['killed', 'K', '--s-red', 'cross'],
  exited: ['exited', 'E', '--s-grey', 'hatch'],
};
const namespaceRows: Record<string, Row> = {
  queueing: ['queueing', 'Q', '--s-orange', 'hatch', true],
  none: ['no path', '–', '--s-pale', 'dots'],
  'stall-within': ['stall within its bound', '', '--s-yellow', 'none'],
  'stall-doubtful': ['stall, maybe of the harness', '?', '--s-purple', 'dots', true],
  'stall-over': ['stall over its bound', '!', '--s-red', 'cross', true],
};
const ownerRows: Record<string, Row> = {
  none: ['no owner', '–', '--s-red', 'hatch'],
  double: ['two owners', '‼', '--s-red', 'cross', true],
  mixed: ['mixed', 'm', '--s-yellow', 'dots'],
};

/** Colours of gateways where a lane says which gateway; beyond eight, the letter and label tell them apart. */
const gatewayColors = ['--g-1', '--g-2', '--g-3', '--g-4', '--g-5', '--g-6', '--g-7', '--g-8'];

const darkColors = new Set(['--s-blue', '--s-red', '--s-purple', '--s-green', '--g-1', '--g-4', '--g-5', '--g-7', '--g-8']);
const groundColors = new Set(['--s-grey', '--s-pale']);

function inkOn(color: string): LaneState['ink'] {
  return darkColors.has(color) ? 'on-dark' : groundColors.has(color) ? 'on-ground' : 'on-light';
}

function gatewayColor(index: number): Pick<LaneState, 'color' | 'ink'> {
  const color = gatewayColors[index % gatewayColors.length]!;
  return { color, ink: inkOn(color) };
}

/** All states that lanes of this run may have. Keys: `ana:…`, `ctrl:…`, `av:…`, `grp:…`, `proc:…`, `ns:…`, `own:…`, `gw:<name>`. */
export function laneStates(gateways: readonly string[]): LaneState[] {
  const rows = (prefix: string, family: LaneState['family'], table: Record<string, Row>): LaneState[] =>
    Object.entries(table).map(([name, [label, letter, color, pattern, alarm]]) => ({
      key: `${prefix}:${name}`, label, letter, color, ink: inkOn(color), pattern, family, alarm: alarm ?? false,
    }));
  return [
    ...rows('ana', 'ANA state', ana),
    ...rows('ctrl', 'Controller', controller),
    ...rows('av', 'Availability', availability),
    ...rows('grp', 'Group state', group),
    ...rows('proc', 'Process', process),
    ...rows('ns', 'Namespace', namespaceRows),
    ...rows('own', 'Owner', ownerRows),
    ...gateways.map((name, index): LaneState => ({
      key: `gw:${name}`, label: name, letter: /\d+$/.exec(name)?.[0] ?? name.slice(0, 1),
      ...gatewayColor(index), pattern: index < gatewayColors.length ? 'none' : 'dots', family: null, alarm: false,
    })),
  ];
}
