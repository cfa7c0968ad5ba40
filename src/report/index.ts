/** Reports from a stored run: HTML, terminal, JUnit, JSON. Nothing here touches a lab. */
export { renderHtml } from './html.js';
export { renderSummary, summarize, summaryFormat } from './json.js';
export type { Summary, SummaryRan, SummaryScenario, SummarySkip } from './json.js';
export { renderJunit } from './junit.js';
export { painterFor, plainPainter } from './paint.js';
export type { Painter } from './paint.js';
export { effectiveVerdict } from './results.js';
export type { RanScenario, ScenarioResult, SkippedScenario } from './results.js';
export { defaultSampleLimits, SampleDecimator, samplesFromJournal } from './samples.js';
export type { SampleLimits } from './samples.js';
export { StatusLine } from './status-line.js';
export type { Status, StatusStream } from './status-line.js';
export { reportStalls } from './stalls.js';
export { evidenceLines, verdictLine, verdictTable } from './terminal.js';
export type { EvidenceOptions, TerminalOptions } from './terminal.js';
export type { IoSample, ReportInput, ReportStall } from './types.js';
