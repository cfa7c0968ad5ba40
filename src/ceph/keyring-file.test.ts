import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { keyFromKeyring } from './keyring-file.js';

const dir = mkdtempSync(join(tmpdir(), 'pathproof-keyring-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'keyring');
writeFileSync(file, '[mon.]\n\tkey = AQmon==\n\tcaps mon = "allow *"\n\n[client.admin]\n\tkey = AQadmin==\n\tcaps mds = "allow *"\n[client.nvmeof.gw1]\n  key = "AQgw=="\n[client.none]\n');

describe('keyFromKeyring', () => {
  it('finds the key of the entity, quoted or not', () => {
    expect(keyFromKeyring(file, 'mon.')).toBe('AQmon==');
    expect(keyFromKeyring(file, 'client.admin')).toBe('AQadmin==');
    expect(keyFromKeyring(file, 'client.nvmeof.gw1')).toBe('AQgw==');
  });

  it('says which entity has none, and which file cannot be read, without a key', () => {
    expect(() => keyFromKeyring(file, 'client.none')).toThrow('the keyring');
    expect(() => keyFromKeyring(file, 'client.other')).toThrow(/no key of client\.other$/);
    expect(() => keyFromKeyring(join(dir, 'nope'), 'client.admin')).toThrow(/cannot read the keyring/);
  });
});
