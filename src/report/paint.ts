import * as colors from 'yoctocolors';
import type { Verdict } from '../verify/types.js';

/** Colours a word, or leaves it alone. */
export type Paint = (text: string) => string;

/** What the terminal output uses of colour. */
export interface Painter {
  verdict: Record<Verdict, Paint>;
  bold: Paint;
  dim: Paint;
  alarm: Paint;
  notice: Paint;
}

const none: Paint = (text) => text;
export const plainPainter: Painter = { verdict: { pass: none, fail: none, unknown: none, infra: none }, bold: none, dim: none, alarm: none, notice: none };

const colorPainter: Painter = {
  verdict: { pass: colors.green, fail: colors.red, unknown: colors.yellow, infra: colors.magenta },
  bold: colors.bold,
  dim: colors.dim,
  alarm: colors.red,
  notice: colors.yellow,
};

/**
 * Colour only for a terminal that wants it: not into pipes and files, not with NO_COLOR set to anything but
 * the empty string, not on a dumb terminal. (yoctocolors also looks, but only once and only at the process's
 * own standard output.)
 */
export function painterFor(stream: { isTTY?: boolean }, env: Record<string, string | undefined> = process.env): Painter {
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return stream.isTTY === true && !refused ? colorPainter : plainPainter;
}
