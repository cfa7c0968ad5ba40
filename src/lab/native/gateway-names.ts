import { z } from 'zod';

const shownSchema = z.looseObject({ 'Created Gateways:': z.array(z.looseObject({ 'gw-id': z.string(), 'Availability': z.string() })) });

/** The host on which cephadm has put a gateway, from its id `client.nvmeof.POOL.GROUP.HOST.SUFFIX`; undefined: not one of the service's. */
export function hostOfGatewayId(id: string, service: string): string | undefined {
  const rest = id.startsWith(`client.${service}.`) ? id.slice(`client.${service}.`.length) : undefined;
  return rest === undefined ? undefined : /^(.+)\.[a-z]+$/.exec(rest)?.[1];
}

/**
 * The answer of `nvme-gw show` with the plan's names, which are those of the hosts, in place of cephadm's ids. A gateway that is being
 * deleted keeps its id when another one of its host is there, as after a replacement. An answer of another form stays as it is.
 */
export function withPlanNames(text: string, service: string): string {
  let shown: z.output<typeof shownSchema>;
  try {
    shown = shownSchema.parse(JSON.parse(text));
  } catch {
    return text;
  }
  const gateways = shown['Created Gateways:'];
  const byHost = new Map<string, typeof gateways>();
  for (const gateway of gateways) {
    const host = hostOfGatewayId(gateway['gw-id'], service);
    if (host !== undefined) byHost.set(host, [...(byHost.get(host) ?? []), gateway]);
  }
  for (const [host, own] of byHost) {
    const present = own.find(({ Availability }) => Availability.toUpperCase() !== 'DELETING') ?? own[0]!;
    present['gw-id'] = host;
  }
  return JSON.stringify(shown);
}
