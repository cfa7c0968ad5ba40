import type { ModelState } from './transaction.js';
import { gatewaysInOrder } from './types.js';

export interface HealthCheck {
  severity: 'HEALTH_WARN';
  summary: { message: string; count: number };
  detail: { message: string }[];
}

/** As `ceph health detail --format json`: a check that has nothing to tell is absent. */
export interface Health {
  status: 'HEALTH_OK' | 'HEALTH_WARN';
  checks: Partial<Record<'NVMEOF_SINGLE_GATEWAY' | 'NVMEOF_GATEWAY_DOWN' | 'NVMEOF_GATEWAY_DELETING', HealthCheck>>;
}

export function healthOf(model: ModelState, nowMs: number): Health {
  const single: string[] = [];
  const down: string[] = [];
  const deleting: string[] = [];
  for (const group of model.groups.values()) {
    const where = `${group.pool}/${group.group}`;
    if (group.gateways.size === 1) single.push(`gateway group ${where} has one gateway`);
    for (const { id, availability, deletingSinceMs } of gatewaysInOrder(group)) {
      if (availability === 'UNAVAILABLE') down.push(`gateway ${id} of ${where} is unavailable`);
      const forMs = nowMs - (deletingSinceMs ?? nowMs);
      if (availability === 'DELETING' && forMs > model.timers.deleteGraceMs) deleting.push(`gateway ${id} of ${where} is still being deleted`);
    }
  }
  const check = (details: string[], message: string): HealthCheck => ({
    severity: 'HEALTH_WARN',
    summary: { message: `${details.length} ${message}`, count: details.length },
    detail: details.map((text) => ({ message: text })),
  });
  const checks: Health['checks'] = {};
  if (single.length > 0) checks.NVMEOF_SINGLE_GATEWAY = check(single, 'gateway group(s) with a single gateway, so without HA');
  if (down.length > 0) checks.NVMEOF_GATEWAY_DOWN = check(down, 'gateway(s) unavailable');
  if (deleting.length > 0) checks.NVMEOF_GATEWAY_DELETING = check(deleting, 'gateway(s) whose namespaces have not moved since their deletion');
  return { status: Object.keys(checks).length > 0 ? 'HEALTH_WARN' : 'HEALTH_OK', checks };
}
