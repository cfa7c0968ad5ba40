import { describe, expect, it } from 'vitest';
import { optional, parseIni, required } from './ini.js';

describe('an ini file', () => {
  it('is read with sections, comments, blank values, continuations and the spellings of ceph.conf', () => {
    const ini = parseIni('# made by cephadm\n[gateway]\nname = client.nvmeof.a\ngroup =\n; no\n[ceph]\npool=rbd\nmon host = a,\n  b\nauth-x = 1\n', 'f');
    expect(required(ini, 'gateway', 'name')).toEqual({ value: 'client.nvmeof.a', line: 3 });
    expect(optional(ini, 'gateway', 'group')).toEqual({ value: '', line: 4 });
    expect(required(ini, 'ceph', 'mon_host')).toEqual({ value: 'a, b', line: 8 });
    expect(required(ini, 'ceph', 'auth_x').value).toBe('1');
    expect(optional(ini, 'nothing', 'pool')).toBeUndefined();
  });

  it('keeps an indented pair a pair of its own', () => {
    expect(required(parseIni('[global]\n\tfsid = 1\n\tmon_host = 2\n', 'f'), 'global', 'mon_host').value).toBe('2');
  });

  it.each([
    ['key = 1\n', 'conf:1: "key" stands before the first section'],
    ['[a]\n\nwhat is this\n', 'conf:3: neither'],
    ['[a]\nx = 1\n[]\n', 'conf:3: a section without a name'],
    ['[a]\nx y = 1\n\nx_y = 2\n', 'conf:4: "x_y" again, it is in line 2 already'],
  ])('says in which line it is wrong: %j', (text, why) => expect(() => parseIni(text, 'conf')).toThrow(why));

  it('says what is missing, and where it is only empty', () => {
    const ini = parseIni('[a]\nx =\n', 'conf');
    expect(() => required(ini, 'a', 'x')).toThrow('conf:2: [a] has no x');
    expect(() => required(ini, 'a', 'y')).toThrow('conf: [a] has no y');
  });
});
