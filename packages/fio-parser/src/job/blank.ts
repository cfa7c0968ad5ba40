/** Blanks as C's isspace() has them, without the newline. Unicode spaces are text to fio. */
export const BLANKS_ONLY = /^[ \t\v\f\r]*$/;

export function trimStart(text: string): string {
  let at = 0;
  while (at < text.length && isBlank(text.charCodeAt(at))) at += 1;
  return text.slice(at);
}

export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

export function trim(text: string): string {
  return trimEnd(trimStart(text));
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0a);
}
