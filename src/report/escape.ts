/**
 * Everything in a report is text from somewhere else: a log line, a gateway's answer, a file name. It goes
 * through exactly one of these functions on its way into a document.
 */

const htmlEntities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For HTML text and for attribute values in either kind of quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEntities[character]!);
}

/**
 * For XML 1.0 text and attribute values. Characters that XML 1.0 cannot carry even escaped (most control
 * characters, lone surrogates, U+FFFE, U+FFFF: XML 1.0 §2.2) become U+FFFD, so that one odd byte in a log
 * line does not make the whole file unreadable. Line breaks and tabs become references, because an
 * attribute value would otherwise be normalised to spaces (§3.3.3).
 */
export function escapeXml(text: string): string {
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const legal =
      code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) || code >= 0x10000;
    if (!legal) out += '\ufffd';
    else if (code === 9 || code === 10 || code === 13) out += `&#${code};`;
    else out += htmlEntities[character] ?? character;
  }
  return out;
}

/**
 * JSON for a script element. `<` is what could end the element or open a comment in it (HTML, "Restrictions
 * for contents of script elements"); inside JSON it only occurs in strings, where \u003c means the same.
 */
export function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c').replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029');
}

/** For a terminal: control characters (escape sequences among them) become visible, line breaks become spaces. */
export function plainText(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\r\n\t]+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}
