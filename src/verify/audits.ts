import { HostView } from './host-view.js';
import { gatewayOf } from './integrity/findings.js';
import { scanJournal } from './journal-scan.js';
import type { Findings } from './result.js';
import { inTimeOrder } from './timeline.js';
import type { CheckInput } from './types.js';
import { at, count, runStartUs } from './words.js';

/** Answered audits that are named one by one. */
const namedMax = 3;

/**
 * A path that is inaccessible has to refuse I/O (NVMe base specification, ANA: Asymmetric Access State Inaccessible).
 * Fails for each read on purpose that was answered although its path was inaccessible in the host's eyes before it was
 * sent and after it came back. Returns how many were refused.
 */
export async function checkAudits(input: CheckInput, findings: Findings): Promise<number> {
  const { audits } = await scanJournal(input);
  const startUs = runStartUs(input.events);
  let told = 0;
  for (const { host, op, fromUs, toUs, nsUuid, path } of audits.answered) {
    const gateway = path === null ? '' : gatewayOf(path);
    const stateAt = (tUs: number): string | undefined => {
      const view = new HostView();
      for (const event of inTimeOrder(input.events)) {
        if (event.tUs > tUs) break;
        view.apply(event);
      }
      return [...view.paths()].find((each) => each.host === host && each.gateway === gateway && each.nsUuid === nsUuid)?.ana;
    };
    if (stateAt(fromUs) !== 'inaccessible' || stateAt(toUs) !== 'inaccessible') continue;
    if ((told += 1) > namedMax) continue;
    findings.fail(`op ${op} of ${host}, a read of namespace ${nsUuid} that was sent to ${gateway} on purpose ${at(fromUs, startUs)}, was answered although its path was inaccessible`, { tUs: fromUs, toUs, ops: [op] });
  }
  if (told > namedMax) findings.fail(`${count(told - namedMax, 'further read')} on inaccessible paths answered`);
  findings.metrics['auditReadsRefused'] = audits.refused;
  return audits.refused;
}
