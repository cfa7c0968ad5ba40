import type { LaneState } from '../model/states.js';
import { html, type Markup } from './markup.js';

/** The charts and lanes: empty frames with headings; page/*.ts draws into them. */
export function timelineSection(states: readonly LaneState[], latencyNote: string): Markup {
  return html`<section id="timeline" aria-labelledby="timeline-title"><h2 id="timeline-title">Timeline</h2>
<p class="hint">Seconds since the start of the run. Drag across a chart or lane to zoom in everywhere, double-click to see all of it; the arrow keys move, + and − zoom, 0 resets.</p>
<noscript><p class="banner warn">The charts need JavaScript. The tables of this page do not.</p></noscript>
<div id="script-errors" class="banner warn" role="alert" hidden></div>
<div class="toolbar" role="toolbar" aria-label="Time range">
  <button type="button" data-zoom="in" title="Zoom in (+)">+</button><button type="button" data-zoom="out" title="Zoom out (−)">−</button><button type="button" data-zoom="left" title="Earlier (←)">←</button><button type="button" data-zoom="right" title="Later (→)">→</button><button type="button" data-zoom="reset" title="Whole run (0)">whole run</button>
  <span id="fault-buttons"></span><output id="range" aria-live="polite"></output>
</div>
<div id="time" tabindex="0" role="group" aria-label="Charts and lanes on one time axis">
  <div class="ruler"><div class="side"><span>phases</span><span>faults</span></div><svg id="ruler" role="img" aria-label="Phases and faults over time"></svg></div>
  ${chart('throughput', 'Throughput', 'I/O per second', html`<label>show <select id="throughput-by"><option value="namespace">namespaces</option><option value="group">ANA groups</option><option value="total">total</option></select></label>`)}
  ${chart('latency', 'Latency', 'every I/O where it was issued; a bar spans a wait', html`<label>of <select id="latency-of"><option value="">all namespaces</option></select></label>`)}
  <p class="chart-note">${latencyNote}</p>
  <div class="lanes-tools"><button type="button" id="open-lanes">unfold all lanes</button><button type="button" id="close-lanes">fold all lanes</button></div>
  ${legend(states)}
  <div id="lanes"></div>
  <div id="self-watch">${chart('loop-delay', 'Self-watch', 'longest event-loop delay per process', null)}</div>
  <div id="crosshair" aria-hidden="true"><span></span></div>
</div>
<div id="tooltip" role="tooltip" hidden></div>
</section>`;
}

function chart(id: string, title: string, note: string, control: Markup | null): Markup {
  return html`<figure class="chart" id="chart-${id}"><figcaption class="side"><h3>${title}</h3><p>${note}</p>${control}<div class="legend" id="legend-${id}"></div></figcaption><div class="plot" id="plot-${id}"></div></figure>`;
}

function legend(states: readonly LaneState[]): Markup {
  const families = [...new Set(states.flatMap((state) => (state.family === null ? [] : [state.family])))];
  const swatch = (state: LaneState): Markup => html`<span class="key"><svg width="22" height="14" aria-hidden="true"><rect width="22" height="14" rx="2" class="fill-${state.color.slice(2)}"></rect>${state.pattern === 'none' ? null : html`<rect width="22" height="14" rx="2" class="pattern-${state.pattern}"></rect>`}<text x="11" y="11" class="${state.ink}">${state.letter}</text></svg> ${state.label}</span>`;
  return html`<details class="fold legend-states"><summary>Legend of the lanes</summary><div class="columns">${families.map((family) => html`<div><h3>${family}</h3>${states.filter((state) => state.family === family).map(swatch)}</div>`)}
<div><h3>Reading a lane</h3><p class="hint">A path shows its ANA state while its controller is live, else the controller's state. An ANA group shows the gateway that is optimized in it; two at once are an alarm of their own. Shaded: a fault from its injection to its confirmed heal; dotted line: the moment of the heal.</p></div></div></details>`;
}

/** Patterns that lanes and legend refer to. */
export const patternDefinitions: Markup = html`<svg width="0" height="0" class="defs" aria-hidden="true"><defs>
<pattern id="p-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2.2" height="6" class="ink"></rect></pattern>
<pattern id="p-cross" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.8" height="6" class="ink"></rect><rect width="6" height="1.8" class="ink"></rect></pattern>
<pattern id="p-dots" width="5" height="5" patternUnits="userSpaceOnUse"><circle cx="2.5" cy="2.5" r="1" class="ink"></circle></pattern>
</defs></svg>`;

/** The event log's frame. */
export function logSection(): Markup {
  return html`<section id="log" aria-labelledby="log-title"><h2 id="log-title">Event log</h2>
<div class="toolbar"><label>filter <input type="search" id="log-filter" placeholder="words, or #seq" size="28" autocomplete="off"></label><span id="log-kinds" role="group" aria-label="Kinds of events"></span><label><input type="checkbox" id="log-attention"> only what needs attention</label><label><input type="checkbox" id="log-in-range"> only the shown time range</label><output id="log-count" aria-live="polite"></output></div>
<div class="scroll log-scroll" tabindex="0" role="region" aria-label="Events"><table class="log"><thead><tr><th scope="col" class="num">#</th><th scope="col" class="num">Time</th><th scope="col">Node</th><th scope="col">Kind</th><th scope="col">Event</th></tr></thead><tbody id="log-rows"></tbody></table></div><button type="button" id="log-more" hidden>show more</button></section>`;
}
