import { z } from 'zod';
import type { AvailabilityName, GroupStateName, MonitorGatewayView } from '../history/events.js';
import { MonitorError } from './protocol.js';

/** `nvme-gw show` of one (pool, group). */
export interface NvmeGwShow {
  epoch: number;
  /** GW-epoch; 0 when the output has none (an unknown group, an old release). */
  gwEpoch: number;
  pool: string;
  group: string;
  gateways: MonitorGatewayView[];
}

const availabilityNames = ['CREATED', 'AVAILABLE', 'UNAVAILABLE', 'DELETING'] as const satisfies readonly AvailabilityName[];
const stateNames = [
  'IDLE', 'STANDBY', 'ACTIVE', 'OWNER_FAILBACK_PREPARED', 'WAIT_FAILBACK_PREPARED', 'WAIT_BLOCKLIST_CMPL',
] as const satisfies readonly GroupStateName[];
/** Longest output that is parsed, characters: 16 gateways need 6 KiB. */
const showCharsMax = 1024 * 1024;

const upper = z.string().transform((text) => text.trim().toUpperCase());
const gatewaySchema = z.looseObject({
  'gw-id': z.string().min(1),
  'anagrp-id': z.int().min(1),
  Availability: upper.pipe(z.enum(availabilityNames)),
  'admin state': upper.pipe(z.enum(['ENABLED', 'DISABLED'])).default('ENABLED'),
  'num-namespaces': z.int().min(0).default(0),
  'num-listeners': z.int().min(0).default(0),
  'ana states': z.string(),
});
const headerSchema = z.looseObject({
  epoch: z.int().min(0).optional(),
  'GW-epoch': z.int().min(0).optional(),
  pool: z.string().optional(),
  group: z.string().optional(),
});

function malformed(why: string, cause?: unknown): MonitorError {
  return new MonitorError('MON_SHOW_FORMAT', `nvme-gw show: ${why}`, cause);
}

/** Top-level JSON values written one after the other, with or without white space between: old releases print several objects. */
function jsonValues(text: string): unknown[] {
  if (text.length > showCharsMax) throw malformed(`${text.length} characters`);
  const values: unknown[] = [];
  let depth = 0;
  let start = -1;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (inString) {
      if (char === '\\') i++;
      else if (char === '"') inString = false;
    } else if (char === '"') {
      if (depth === 0) throw malformed('a string outside of any object');
      inString = true;
    } else if (char === '{' || char === '[') {
      if (depth++ === 0) start = i;
    } else if (char === '}' || char === ']') {
      if (--depth < 0) throw malformed(`unbalanced ${char}`);
      if (depth === 0) values.push(parse(text.slice(start, i + 1)));
    } else if (depth === 0 && !/[\s,]/.test(char)) {
      throw malformed(`unexpected ${JSON.stringify(char)} outside of any object`);
    }
  }
  if (depth > 0) throw malformed('the output ends in the middle');
  if (values.length === 0) throw malformed('no JSON');
  return values;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw malformed('not JSON', error);
  }
}

function isGateway(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'gw-id' in value;
}

/** " 1: ACTIVE ,  2: STANDBY ", also with a comma at the end. */
function parseAnaStates(text: string): Record<string, GroupStateName> {
  const states: Record<string, GroupStateName> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const match = /^\s*(\d+)\s*:\s*([A-Z_]+)\s*$/.exec(part);
    const name = stateNames.find((each) => each === match?.[2]);
    if (match === null || name === undefined) throw malformed(`ana state ${JSON.stringify(part)}`);
    states[match[1]!] = name;
  }
  return states;
}

/**
 * Reads the output of `ceph nvme-gw show POOL GROUP`, of a real cluster or of the embedded monitor: one
 * object with "Created Gateways:" (20.2), or objects one after the other (7.1 era), keys that a release does
 * not have left at their defaults. Throws MON_SHOW_FORMAT rather than guess: an unknown state is no state.
 */
export function parseNvmeGwShow(text: string): NvmeGwShow {
  const show: NvmeGwShow = { epoch: 0, gwEpoch: 0, pool: '', group: '', gateways: [] };
  const take = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(take);
    if (isGateway(value)) {
      const parsed = gatewaySchema.safeParse(value);
      if (!parsed.success) throw malformed(z.prettifyError(parsed.error).slice(0, 500));
      const gateway = parsed.data;
      show.gateways.push({
        id: gateway['gw-id'],
        anaGroup: gateway['anagrp-id'],
        availability: gateway.Availability,
        adminState: gateway['admin state'],
        listeners: gateway['num-listeners'],
        namespaces: gateway['num-namespaces'],
        states: parseAnaStates(gateway['ana states']),
      });
      return;
    }
    const parsed = headerSchema.safeParse(value);
    if (!parsed.success) throw malformed(z.prettifyError(parsed.error).slice(0, 500));
    const header = parsed.data;
    show.epoch = header.epoch ?? show.epoch;
    show.gwEpoch = header['GW-epoch'] ?? show.gwEpoch;
    show.pool = header.pool ?? show.pool;
    show.group = header.group ?? show.group;
    for (const nested of Object.values(header)) if (Array.isArray(nested) && nested.some(isGateway)) take(nested);
  };
  jsonValues(text).forEach(take);
  return show;
}
