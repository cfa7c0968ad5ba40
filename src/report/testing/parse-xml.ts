export interface XmlNode {
  name: string;
  attributes: Record<string, string>;
  children: XmlNode[];
  /** Character data of this element alone. */
  text: string;
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  if (/[<&](?!(amp|lt|gt|quot|apos|#\d+);)/.test(text)) throw new Error(`bare < or & in ${JSON.stringify(text)}`);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)) throw new Error('a character that XML cannot carry');
  return text.replace(/&(#(\d+)|\w+);/g, (_all, name: string, code: string | undefined) => (code === undefined ? entities[name]! : String.fromCodePoint(Number(code))));
}

/** A strict parser for the XML that tests read back: elements, attributes, text; no CDATA, comments or DTD. Throws on anything else. */
export function parseXml(source: string): XmlNode {
  const top: XmlNode = { name: '', attributes: {}, children: [], text: '' };
  const open = [top];
  let rest = source.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  while (rest !== '') {
    const here = open.at(-1)!;
    const text = /^[^<]+/.exec(rest);
    if (text !== null) {
      here.text += decode(text[0]);
      rest = rest.slice(text[0].length);
      continue;
    }
    const close = /^<\/([\w-]+)>/.exec(rest);
    if (close !== null) {
      if (close[1] !== here.name) throw new Error(`</${close[1]!}> closes <${here.name}>`);
      open.pop();
      rest = rest.slice(close[0].length);
      continue;
    }
    const start = /^<([\w-]+)((?:\s+[\w-]+="[^"<]*")*)(\/?)>/.exec(rest);
    if (start === null) throw new Error(`no markup: ${rest.slice(0, 60)}`);
    const node: XmlNode = { name: start[1]!, attributes: {}, children: [], text: '' };
    for (const [, name, value] of start[2]!.matchAll(/([\w-]+)="([^"]*)"/g)) node.attributes[name!] = decode(value!);
    here.children.push(node);
    if (start[3] === '') open.push(node);
    rest = rest.slice(start[0].length);
  }
  if (open.length !== 1 || top.children.length !== 1) throw new Error('not exactly one whole root element');
  return top.children[0]!;
}
