import type { FaultPhase } from '../history/events.js';
import { Findings } from './result.js';
import { faultRecords } from './timeline.js';
import type { FaultRecord } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

const injectPhases = ['injecting', 'injected', 'confirmed'] as const satisfies readonly FaultPhase[];
const healPhases = ['healing', 'healed', 'heal-confirmed'] as const satisfies readonly FaultPhase[];

/**
 * Proves that each planned fault really acted and was really gone afterwards, by the word of an observer that is
 * not the injector: injecting → injected → confirmed, then healing → healed → heal-confirmed, in this order.
 *
 * - `infra`: the observer says that the fault (or the heal) did *not* take: the lab did not do what was asked,
 *   and nothing that the system under test did can be held against it.
 * - `unknown`: a phase is missing, out of order, or was confirmed by the injector itself: it may or may not have
 *   taken.
 */
export const faultTook: Checker = {
  name: 'fault-took',
  proves: 'Each planned fault acted and was gone after its heal, each confirmed by an independent observer.',
  async check({ plan, events }: CheckInput) {
    const findings = new Findings('fault-took');
    const startUs = runStartUs(events);
    const records = faultRecords(events);
    const injects = plan.steps.filter((step) => step.do === 'inject');
    const healed = new Set(plan.steps.flatMap((step) => (step.do === 'heal' ? [step.id] : [])));
    const taken: string[] = [];
    for (const { id, fault, target } of injects) {
      const record = records.get(id) ?? {};
      const name = `${id} (${fault} on ${target})`;
      const phases: FaultPhase[] = [...injectPhases, ...(healed.has(id) ? healPhases : [])];
      checkPhases(name, record, phases, findings);
      if (record.unconfirmed !== undefined && record.confirmed === undefined) findings.infra(`${name}: ${record.unconfirmed.observer ?? 'the observer'} did not see it take: ${record.unconfirmed.evidence ?? 'no evidence given'}`, { tUs: record.unconfirmed.tUs, events: [record.unconfirmed.seq] });
      if (record['heal-unconfirmed'] !== undefined && record['heal-confirmed'] === undefined) findings.infra(`${name}: ${record['heal-unconfirmed'].observer ?? 'the observer'} did not see its heal: ${record['heal-unconfirmed'].evidence ?? 'no evidence given'}`, { tUs: record['heal-unconfirmed'].tUs, events: [record['heal-unconfirmed'].seq] });
      const { injecting, confirmed } = record;
      if (injecting === undefined || confirmed === undefined) continue;
      findings.metrics[`${id}.confirmMs`] = toMs(confirmed.tUs - injecting.tUs);
      taken.push(`${name} confirmed by ${confirmed.observer ?? '?'} after ${ms(confirmed.tUs - injecting.tUs)}`);
      findings.note(`${name}: injected ${at(injecting.tUs, startUs)}, confirmed by ${confirmed.observer ?? '?'}: ${confirmed.evidence ?? ''}`, { tUs: injecting.tUs, events: [injecting.seq, confirmed.seq] });
    }
    for (const id of records.keys()) {
      if (!injects.some((step) => step.id === id)) findings.unknown(`fault ${id} was injected, but the plan has no such fault`);
    }
    findings.metrics['faults'] = injects.length;
    return findings.result(injects.length === 0 ? 'no fault was planned, and none was injected' : `${count(injects.length, 'fault')} took${healed.size > 0 ? ' and healed' : ''}: ${taken.join('; ')}`);
  },
};

function checkPhases(name: string, record: FaultRecord, phases: readonly FaultPhase[], findings: Findings): void {
  let before: FaultPhase | undefined;
  for (const phase of phases) {
    const event = record[phase];
    if (event === undefined) {
      const denied = (phase === 'confirmed' && record.unconfirmed !== undefined) || (phase === 'heal-confirmed' && record['heal-unconfirmed'] !== undefined);
      if (!denied) findings.unknown(`${name}: no '${phase}' event`);
      continue;
    }
    const earlier = before === undefined ? undefined : record[before];
    if (earlier !== undefined && event.tUs < earlier.tUs) {
      findings.unknown(`${name}: '${phase}' came ${ms(earlier.tUs - event.tUs)} before '${before!}'`, { tUs: event.tUs, events: [event.seq, earlier.seq] });
    }
    before = phase;
  }
  for (const [phase, acting] of [['confirmed', ['injecting', 'injected']], ['heal-confirmed', ['healing', 'healed']]] as const) {
    const confirmation = record[phase];
    if (confirmation === undefined) continue;
    const { observer } = confirmation;
    const injectors = acting.flatMap((each) => record[each]?.observer ?? []);
    if (observer === undefined || observer === '') findings.unknown(`${name}: '${phase}' names no observer`, { events: [confirmation.seq] });
    else if (observer === 'injector' || injectors.includes(observer)) findings.unknown(`${name}: '${phase}' comes from ${observer}, which injected it`, { events: [confirmation.seq] });
  }
}
