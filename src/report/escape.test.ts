import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml, escapeXml, jsonForScript, plainText } from './escape.js';

/** Any UTF-16 code units, lone surrogates and control characters among them. */
const anyUnits = fc.array(fc.oneof(fc.nat(0xffff), fc.nat(0x7f)), { maxLength: 40 }).map((units) => String.fromCharCode(...units));

describe('escaping', () => {
  it('leaves nothing in HTML that could open a tag, an entity or end an attribute', () => {
    expect(escapeHtml(`</script><b onclick='x' id="y">&`)).toBe('&lt;/script&gt;&lt;b onclick=&#39;x&#39; id=&quot;y&quot;&gt;&amp;');
    fc.assert(fc.property(anyUnits, (text) => !/[<>"']|&(?!(amp|lt|gt|quot|#39);)/.test(escapeHtml(text))));
  });

  it('makes XML that every parser takes, whatever the bytes', () => {
    expect(escapeXml('a\u0000b\u001bc\ud800d\ufffe')).toBe('a\ufffdb\ufffdc\ufffdd\ufffd');
    expect(escapeXml('line\n"two"\t😀')).toBe('line&#10;&quot;two&quot;&#9;😀');
    fc.assert(fc.property(anyUnits, (text) => {
      const out = escapeXml(text);
      // eslint-disable-next-line no-control-regex
      return out.isWellFormed() && !/[\u0000-\u001f<>"']/.test(out);
    }));
  });

  it('writes JSON that cannot leave its script element and reads back as it was', () => {
    const hostile = { text: '</script><!-- <script>\u2028\u2029' };
    expect(jsonForScript(hostile)).not.toMatch(/[<\u2028\u2029]/);
    fc.assert(fc.property(fc.jsonValue(), (value) => JSON.stringify(JSON.parse(jsonForScript(value))) === JSON.stringify(value)));
  });

  it('keeps escape sequences from reaching a terminal', () => {
    expect(plainText('a\x1b[2Jb\r\nc\u009bd')).toBe('a\ufffd[2Jb c\ufffdd');
  });
});
