import type { HistoryEvent } from '../history/events.js';
import { writerShift } from '../history/journal-types.js';

/** Times in evidence are relative to `run.start`; without one, to the first event (a checker still has to say when). */
export function runStartUs(events: readonly HistoryEvent[]): number {
  return (events.find((event) => event.type === 'run.start') ?? events[0])?.tUs ?? 0;
}

/** `+3.204117 s`: microseconds are kept, because the order of two operations is often what the evidence is about. */
export function at(tUs: number, startUs: number): string {
  if (!Number.isFinite(tUs)) return 'never';
  const seconds = (tUs - startUs) / 1e6;
  return `${seconds < 0 ? '-' : '+'}${Math.abs(seconds).toFixed(6)} s`;
}

/** `1234.5 ms`. */
export function ms(us: number): string {
  return `${(us / 1000).toFixed(1)} ms`;
}

/** A version as `writer#sequence`; 0 is "never written". */
export function versionText(version: number): string {
  if (version === 0) return 'zeroes (never written)';
  return `version ${Math.floor(version / writerShift)}#${version % writerShift}`;
}

/** `3 gateways`, `1 gateway`. */
export function count(n: number, singular: string, plural = `${singular}s`): string {
  return `${n} ${n === 1 ? singular : plural}`;
}

/** Milliseconds with one decimal, for metrics. */
export function toMs(us: number): number {
  return Math.round(us / 100) / 10;
}
