import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { keyFromKeyring } from '../../ceph/keyring-file.js';
import { parseKey, type MonEndpoint } from '../../ceph/msgr2/index.js';
import { messageOf, usageError } from '../../util/errors.js';
import { iniError, optional, parseIni, required, type Ini } from './ini.js';
import { parseMonHost } from './mon-host.js';

/** Which gateway this is and how it reaches its cluster, by the files that cephadm gives to an nvmeof container. */
export interface CephadmSettings {
  /** The id by which the monitor knows the gateway: `client.nvmeof.POOL.GROUP.HOST.SUFFIX`. */
  gwId: string;
  group: string;
  /** The address that it listens on. */
  addr: string;
  pool: string;
  /** `client.ID`: the entity as which it uses the cluster. */
  entity: string;
  /** Base64, as in the keyring. */
  key: string;
  fsid: string;
  mons: MonEndpoint[];
  /** The cluster's ceph.conf and the keyring, as files. */
  cephConf: string;
  keyring: string;
}

/**
 * Reads ceph-nvmeof.conf (cephadm's templates/services/nvmeof/ceph-nvmeof.conf.j2), and the ceph.conf that it names with the
 * keyring beside it. Throws CONFIG_FILE with file and line, or KEYRING.
 */
export function readCephadmSettings(confFile: string): CephadmSettings {
  const conf = readIni(confFile);
  const cephConf = optional(conf, 'ceph', 'config_file')?.value ?? '/etc/ceph/ceph.conf';
  const id = required(conf, 'ceph', 'id').value;
  const addr = required(conf, 'gateway', 'addr');
  if (isIP(addr.value) === 0) throw iniError(confFile, addr.line, `gateway.addr is no IP address: ${addr.value}`);
  const entity = `client.${id}`;
  const keyring = join(dirname(cephConf), 'keyring');
  const key = keyFromKeyring(keyring, entity, 'cephadm writes it together with ceph-nvmeof.conf');
  try {
    parseKey(key);
  } catch (error) {
    throw usageError('KEYRING', `the keyring ${keyring}: the key of ${entity}: ${messageOf(error)}`);
  }
  return {
    gwId: required(conf, 'gateway', 'name').value, group: optional(conf, 'gateway', 'group')?.value ?? '', addr: addr.value,
    pool: required(conf, 'ceph', 'pool').value, entity, key, cephConf, keyring, ...readCluster(cephConf),
  };
}

function readCluster(file: string): { fsid: string; mons: MonEndpoint[] } {
  const conf = readIni(file);
  const fsid = required(conf, 'global', 'fsid');
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(fsid.value)) throw iniError(file, fsid.line, `fsid is no UUID: ${fsid.value}`);
  const monHost = required(conf, 'global', 'mon_host');
  const mons = parseMonHost(monHost.value);
  if (mons === undefined) throw iniError(file, monHost.line, `mon_host is no list of addresses: ${monHost.value}`);
  if (mons.length === 0) throw iniError(file, monHost.line, 'mon_host has no monitor that speaks msgr2');
  return { fsid: fsid.value, mons };
}

function readIni(file: string): Ini {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw iniError(file, undefined, messageOf(error));
  }
  return parseIni(text, file);
}
