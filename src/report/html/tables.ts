import type { EventOf } from '../../history/events.js';
import { hostOf, namespacesOf } from '../../plan/hosts.js';
import type { Plan, PlanStep, Topology } from '../../plan/types.js';
import { formatBytes, formatCount, formatMoment, formatSpan } from '../format.js';
import { faultWindows } from '../model/faults.js';
import { entryOf } from '../model/group.js';
import { runSpan } from '../model/page-data.js';
import { eventsOf } from '../model/select.js';
import { stallVerdict, type StallVerdict } from '../stalls.js';
import type { ReportInput, ReportStall } from '../types.js';
import { facts, html, showButton, type Markup } from './markup.js';

const stallRowsMax = 500;
const marginUs = 400_000;

const moment = (us: number | null): string => (us === null ? 'never' : formatMoment(us));

export function faultsSection(input: ReportInput): Markup {
  const { t0Us, endUs } = runSpan(input);
  const windows = faultWindows(input.events, t0Us, endUs);
  const words = { healed: 'confirmed, healed', open: 'not healed', unconfirmed: 'not confirmed', 'heal-unconfirmed': 'heal not confirmed' } as const;
  const body =
    windows.length === 0
      ? html`<p class="empty">No fault was injected.</p>`
      : html`<div class="scroll"><table><thead><tr><th scope="col"></th><th scope="col">Fault</th><th scope="col">Target</th><th scope="col" class="num">Injected</th><th scope="col">Confirmed by</th><th scope="col" class="num">Healed</th><th scope="col">Heal confirmed by</th><th scope="col" class="num">Lasted</th><th scope="col">State</th></tr></thead>
<tbody>${windows.map((window) => html`<tr><th scope="row">${showButton(window.tag, Math.max(0, window.fromUs - marginUs), Math.min(endUs - t0Us, window.toUs + marginUs))}</th><td>${window.fault} <code>${window.id}</code></td><td>${window.target}</td>
<td class="num">${moment(window.injectedUs)}</td><td>${window.confirmedUs === null ? window.confirmation || 'nobody' : html`${moment(window.confirmedUs)}, ${window.confirmation}`}</td>
<td class="num">${moment(window.healedUs)}</td><td>${window.healConfirmedUs === null ? window.healConfirmation || 'nobody' : html`${moment(window.healConfirmedUs)}, ${window.healConfirmation}`}</td>
<td class="num">${formatSpan(window.toUs - window.fromUs)}</td><td class="${window.state === 'healed' ? 'ok' : 'bad'}">${words[window.state]}</td></tr>`)}</tbody></table></div>`;
  return html`<section id="faults" aria-labelledby="faults-title"><h2 id="faults-title">Faults</h2>${body}</section>`;
}

export function stallsSection(input: ReportInput): Markup {
  const { t0Us, endUs } = runSpan(input);
  const ratio = (stall: ReportStall): number => (stall.toUs - stall.fromUs) / Math.max(1, stall.allowedMs * 1_000);
  const worstFirst = [...input.stalls].sort((a, b) => ratio(b) - ratio(a));
  const shown = worstFirst.slice(0, stallRowsMax);
  const rows = shown.map((stall) => {
    const lastedUs = stall.toUs - stall.fromUs;
    const judged = stallVerdict(stall);
    const percent = Math.round(ratio(stall) * 100);
    return html`<tr class="${judged === 'over' ? 'over' : ''}"><th scope="row">ns ${stall.ns}${ofHost(input.plan, stall.ns)}</th><td class="num">${showButton(formatMoment(stall.fromUs - t0Us), Math.max(0, stall.fromUs - t0Us - marginUs), Math.min(endUs - t0Us, stall.toUs - t0Us + marginUs))}</td>
<td class="num">${formatSpan(lastedUs)}</td><td class="num">${formatSpan(stall.allowedMs * 1_000)}</td>
<td><meter min="0" max="150" low="100" high="100" optimum="50" value="${Math.min(150, percent)}">${percent} %</meter> <span class="num">${percent} %</span></td>
<td>${stall.attribution}</td>${stallWord(judged, lastedUs - stall.allowedMs * 1_000)}</tr>`;
  });
  const rest = worstFirst.length - shown.length;
  return html`<section id="stalls" aria-labelledby="stalls-title"><h2 id="stalls-title">Stalls</h2>
${rows.length === 0 ? html`<p class="empty">No namespace stood still.</p>` : html`<div class="scroll"><table><thead><tr><th scope="col">Namespace</th><th scope="col" class="num">Start</th><th scope="col" class="num">Lasted</th><th scope="col" class="num">Allowed</th><th scope="col">Of the allowed</th><th scope="col">Explained by</th><th scope="col">Verdict</th></tr></thead><tbody>${rows}</tbody></table></div>`}
${rest > 0 ? html`<p class="more">${formatCount(rest)} shorter ones are in verdict.json</p>` : null}</section>`;
}

/** How many there are, and how many of them each host loads, where there are several. */
function namespacesText(topology: Topology): string {
  const each = topology.hosts.map(({ name }) => `${namespacesOf(topology, name).length} of ${name}`);
  return `${topology.namespaces.length}${each.length > 1 ? ` (${each.join(', ')})` : ''}`;
}

/** ` · host2`, where the lab has several hosts: whose I/O stood still. */
function ofHost({ topology }: Plan, nsid: number): string {
  const namespace = topology.namespaces.find((each) => each.nsid === nsid);
  return topology.hosts.length > 1 && namespace !== undefined ? ` · ${hostOf(topology, namespace)}` : '';
}

function stallWord(judged: StallVerdict, excessUs: number): Markup {
  switch (judged) {
    case 'within': return html`<td class="ok">✓ within</td>`;
    case 'over': return html`<td class="bad">✕ over by ${formatSpan(excessUs)}</td>`;
    case 'hidden': return html`<td>? the host stood still when it began: it may have been too long</td>`;
    case 'doubtful': return html`<td>? over by ${formatSpan(excessUs)}, but the harness stood still meanwhile</td>`;
  }
}

export function boundsSection(input: ReportInput): Markup {
  const { expect, bounds } = input.plan;
  const uses = (name: string): string[] => [
    ...(expect.quietStall === name ? ['a stall outside all windows'] : []),
    ...expect.stalls.filter((each) => each.bound === name).map((each) => `a stall of group ${each.groups.join(', ')} after ${each.when} of ${each.fault}${each.untilHeal === true ? ', until the heal' : ''}: ${each.reason}`),
    ...expect.overlaps.filter((each) => each.bound === name).map((each) => `two owners of group ${each.groups.join(', ')} after ${each.when} of ${each.fault}: ${each.reason}`),
    ...(expect.convergence === name ? ['every group home after the last heal'] : []),
    ...input.plan.steps.flatMap((step) => (step.do === 'await' && step.bound === name ? [`waiting for ${condition(step)}`] : [])),
  ];
  return html`<section id="bounds" aria-labelledby="bounds-title"><h2 id="bounds-title">Bounds</h2>
<p class="hint">Each bound is the sum of its terms, derived from the lab's timers.</p>
<div class="scroll"><table><thead><tr><th scope="col">Bound</th><th scope="col" class="num">Length</th><th scope="col">Terms</th><th scope="col">Holds for</th></tr></thead>
<tbody>${bounds.map((bound) => html`<tr><th scope="row">${bound.name}</th><td class="num">${formatSpan(bound.ms * 1_000)}</td>
<td><table class="terms"><tbody>${bound.terms.map((term) => html`<tr><td class="num">${formatCount(term.ms)} ms</td><td>${term.name}</td><td class="reason">${term.reason}</td></tr>`)}</tbody></table></td>
<td><ul class="plain">${uses(bound.name).map((use) => html`<li>${use}</li>`)}</ul></td></tr>`)}</tbody></table></div></section>`;
}

function condition(step: Extract<PlanStep, { do: 'await' }>): string {
  switch (step.condition.kind) {
    case 'owner': return `${step.condition.gateway} to serve group ${step.condition.group}`;
    case 'takeover': return `any gateway but ${step.condition.not} to serve group ${step.condition.group}`;
    case 'home': return 'every group to be at its own gateway';
  }
}

/** Resources and loop delay per process, next to the chart of the delays. */
export function selfWatchTable(input: ReportInput): Markup {
  const byProcess = new Map<string, EventOf<'self.watch'>[]>();
  for (const event of eventsOf(input.events, 'self.watch')) entryOf(byProcess, event.process, (): EventOf<'self.watch'>[] => []).push(event);
  if (byProcess.size === 0) return html`<p class="empty">Nobody watched the harness: no stall can be told from a stalled harness.</p>`;
  const gaps = new Map<string, number>();
  for (const event of eventsOf(input.events, 'observe.coverage')) gaps.set(event.observer, Math.max(event.maxGapUs, gaps.get(event.observer) ?? 0));
  const max = (list: readonly EventOf<'self.watch'>[], of: (event: EventOf<'self.watch'>) => number): number => list.reduce((most, event) => Math.max(most, of(event)), 0);
  return html`<details class="fold"><summary>Processes and observers</summary><div class="columns"><div class="scroll"><table><thead><tr><th scope="col">Process</th><th scope="col" class="num">Samples</th><th scope="col" class="num">Loop delay, max</th><th scope="col" class="num">p99, max</th><th scope="col" class="num">CPU, max</th><th scope="col" class="num">Memory, max</th></tr></thead>
<tbody>${[...byProcess].map(([name, list]) => html`<tr><th scope="row">${name}</th><td class="num">${list.length}</td><td class="num">${formatSpan(max(list, (event) => event.loopDelayMaxUs))}</td><td class="num">${formatSpan(max(list, (event) => event.loopDelayP99Us))}</td><td class="num">${max(list, (event) => event.cpuPercent).toFixed(0)} %</td><td class="num">${formatBytes(max(list, (event) => event.rssBytes))}</td></tr>`)}</tbody></table></div>
${gaps.size === 0 ? null : html`<div class="scroll"><table><thead><tr><th scope="col">Observer</th><th scope="col" class="num">Longest time without a look</th></tr></thead><tbody>${[...gaps].map(([name, gapUs]) => html`<tr><th scope="row">${name}</th><td class="num">${formatSpan(gapUs)}</td></tr>`)}</tbody></table></div>`}</div></details>`;
}

export function planSection(input: ReportInput): Markup {
  const { plan } = input;
  const { shape, workload, topology } = plan;
  const step = (each: PlanStep): Markup => {
    switch (each.do) {
      case 'phase': return html`<li>phase <strong>${each.name}</strong></li>`;
      case 'run': return html`<li>run for ${formatSpan(each.forMs * 1_000)}</li>`;
      case 'inject': return html`<li>inject <strong>${each.fault}</strong> on ${each.target} <code>${each.id}</code> ${Object.entries(each.params).map(([name, value]) => html`<code>${name}=${String(value)}</code> `)}</li>`;
      case 'await': return html`<li>wait for ${condition(each)}, at most <em>${each.bound}</em></li>`;
      case 'heal': return html`<li>heal <code>${each.id}</code></li>`;
    }
  };
  const timers = Object.entries<number>({ ...shape.timers }).map(([name, value]): [string, string] => [name, formatCount(value)]);
  return html`<section id="plan" aria-labelledby="plan-title"><h2 id="plan-title">Plan</h2>
<p class="hint">This scenario will ${plan.description}</p>
<div class="columns">
<div><h3>Steps</h3><ol class="steps">${plan.steps.map(step)}</ol></div>
<div><h3>Lab</h3>${facts([
    ['Gateways', shape.gateways], ['Hosts', topology.hosts.length], ['Namespaces', namespacesText(topology)], ['ANA groups', shape.anaGroups], ['Block size', `${shape.blockSize} B`], ['Namespace size', `${shape.namespaceMiB} MiB`],
    ['Path policy', shape.policy], ['I/O queues', shape.ioQueues], ['Digests', [shape.headerDigest ? 'header' : '', shape.dataDigest ? 'data' : ''].filter((name) => name !== '').join(', ') || 'none'],
    ['Subsystem', html`<code>${topology.nqn}</code>`], ['Pool, group', `${topology.pool}, ${topology.group}`],
  ], 'facts rows')}</div>
<div><h3>Workload</h3>${facts([
    ['Kind', workload.kind], ['Queue depth', workload.queueDepth], ['Reads', `${workload.readPercent} %`], ['I/O sizes', workload.ioBytes.map((bytes) => formatBytes(bytes)).join(', ')],
    ['Working set', `${formatCount(workload.workingSetBlocks)} blocks`], ['Rate limit', workload.maxIops === 0 ? 'none' : `${formatCount(workload.maxIops)} IOPS`],
    ['Idle namespaces', workload.idleNamespaces], ['Probe period', `${workload.probePeriodMs} ms`], ['Delayed re-read', `${workload.delayedRereadMs} ms`], ['Failed I/O allowed', plan.expect.failedIoMax],
  ], 'facts rows')}</div>
<div><h3>Timers, ms</h3>${facts(timers, 'facts rows')}</div>
</div></section>`;
}
