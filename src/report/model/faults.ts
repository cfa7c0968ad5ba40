import type { EventOf, FaultPhase, HistoryEvent } from '../../history/events.js';

/** One fault from its injection to its confirmed heal. Times are microseconds since the run's start, null: never. */
export interface FaultWindow {
  /** Short name on charts: F1, F2… in order of injection. */
  tag: string;
  id: string;
  fault: string;
  target: string;
  /** What charts shade: injected → heal confirmed, or to the end of the run. */
  fromUs: number;
  toUs: number;
  injectedUs: number | null;
  confirmedUs: number | null;
  healedUs: number | null;
  healConfirmedUs: number | null;
  /** `open`: never healed; `unconfirmed`: no independent observer saw it; `heal-unconfirmed`: … saw its end. */
  state: 'healed' | 'open' | 'unconfirmed' | 'heal-unconfirmed';
  /** Observer and evidence of the confirmation and of the heal's confirmation; empty if none. */
  confirmation: string;
  healConfirmation: string;
}

/** Folds the `fault` events; `t0Us` is the run's start and `endUs` its end, both in the harness's clock. */
export function faultWindows(events: readonly HistoryEvent[], t0Us: number, endUs: number): FaultWindow[] {
  const byId = new Map<string, EventOf<'fault'>[]>();
  for (const event of events) {
    if (event.type !== 'fault') continue;
    const list = byId.get(event.id);
    if (list === undefined) byId.set(event.id, [event]);
    else list.push(event);
  }
  const windows = [...byId.values()].map((phases) => windowOf(phases, t0Us, endUs));
  windows.sort((a, b) => a.fromUs - b.fromUs);
  return windows.map((window, index) => ({ ...window, tag: `F${index + 1}` }));
}

function windowOf(phases: EventOf<'fault'>[], t0Us: number, endUs: number): FaultWindow {
  const find = (phase: FaultPhase): EventOf<'fault'> | undefined => phases.find((event) => event.phase === phase);
  const at = (phase: FaultPhase): number | null => {
    const event = find(phase);
    return event === undefined ? null : event.tUs - t0Us;
  };
  const first = phases[0]!;
  const confirmed = find('confirmed');
  const healConfirmed = find('heal-confirmed');
  const injectedUs = at('injected');
  const healedUs = at('healed');
  const healConfirmedUs = at('heal-confirmed');
  return {
    tag: '',
    id: first.id,
    fault: first.fault,
    target: first.target,
    fromUs: injectedUs ?? first.tUs - t0Us,
    toUs: healConfirmedUs ?? endUs - t0Us,
    injectedUs,
    confirmedUs: at('confirmed'),
    healedUs,
    healConfirmedUs,
    state: confirmed === undefined ? 'unconfirmed' : healConfirmed !== undefined ? 'healed' : healedUs === null ? 'open' : 'heal-unconfirmed',
    confirmation: words(confirmed ?? find('unconfirmed')),
    healConfirmation: words(healConfirmed ?? find('heal-unconfirmed')),
  };
}

function words(event: EventOf<'fault'> | undefined): string {
  if (event === undefined) return '';
  return [event.observer, event.evidence].filter((part) => part !== undefined && part !== '').join(': ');
}
