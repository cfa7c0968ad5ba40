import type { GatewayMap, MapAnaState } from '../../monitor/client.js';
import { override } from '../../util/override.js';
import type { MakeDefect } from './kit.js';

/**
 * `late-demotion-…`: told to give a group up, the gateway waits for the next change of the map, which is the one
 * that gives it to its owner, and this long on top. So both are optimized for about `lateMs`.
 */
export function lateDemotion(lateMs: number): MakeDefect {
  return () => ({
    monitor: (monitor) => override(monitor, {
      onMap: (listener) => {
        /** Key: nqn and index of the group. Epoch of the map that demoted it; `due`: nothing is put off any more. */
        const demoted = new Map<string, { epoch: number; due: boolean }>();
        const told = new Map<string, MapAnaState['state']>();
        let last: GatewayMap | undefined;
        const deliver = (map: GatewayMap): void => {
          listener(map.entry === undefined ? map : {
            ...map,
            entry: {
              ...map.entry,
              subsystems: map.entry.subsystems.map(({ nqn, ana }) => ({
                nqn,
                ana: ana.map((wanted, index) => {
                  const key = `${nqn} ${index}`;
                  const given = wanted.state === 'OPTIMIZED' || told.get(key) !== 'OPTIMIZED' || demoted.get(key)?.due === true ? wanted : { state: 'OPTIMIZED' as const, osdEpoch: 0 };
                  if (given === wanted) demoted.delete(key);
                  else if (!demoted.has(key)) demoted.set(key, { epoch: map.epoch, due: false });
                  told.set(key, given.state);
                  return given;
                }),
              })),
            },
          });
        };
        monitor.onMap((map) => {
          last = map;
          for (const [key, waiting] of demoted) {
            if (map.epoch <= waiting.epoch) continue;
            waiting.epoch = Infinity;
            setTimeout(() => {
              if (demoted.get(key) !== waiting) return;
              waiting.due = true;
              deliver(last!);
            }, lateMs);
          }
          deliver(map);
        });
      },
    }),
  });
}
