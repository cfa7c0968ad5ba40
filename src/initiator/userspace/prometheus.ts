import type { MultipathHost } from './multipath-host.js';

interface Sample { labels: Record<string, string | number>; value: number }

const anaStates = ['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change', 'unknown'] as const;
const controllerStates = ['new', 'connecting', 'live', 'resetting', 'deleting', 'dead'] as const;

/**
 * A host in the Prometheus text exposition format 0.0.4. States are one series per possible value, 1 for
 * the one that holds, as is usual for enumerations.
 */
export function prometheusText(host: MultipathHost): string {
  const base = { host: host.options.name };
  const lines: string[] = [];
  const metric = (name: string, type: 'counter' | 'gauge', help: string, samples: Sample[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { labels, value } of samples) {
      const text = Object.entries({ ...base, ...labels }).map(([key, label]) => `${key}="${escapeLabel(String(label))}"`).join(',');
      lines.push(`${name}{${text}} ${value}`);
    }
  };

  for (const [name, value] of Object.entries(host.counters())) {
    metric(`pathproof_host_${snake(name)}_total`, 'counter', `Host counter ${name}.`, [{ labels: {}, value }]);
  }
  const controllers = host.controllers();
  const ofController = (controller: (typeof controllers)[number]): Record<string, string> => ({ controller: controller.name, gateway: controller.gateway });
  metric('pathproof_controller_state', 'gauge', 'State of a controller: 1 for the state that holds.', controllers.flatMap((controller) =>
    controllerStates.map((state) => ({ labels: { ...ofController(controller), state }, value: Number(controller.state === state) }))));
  metric('pathproof_controller_resets_total', 'counter', 'Times the association was given up.', controllers.map((controller) => ({ labels: ofController(controller), value: controller.resets })));
  metric('pathproof_controller_reconnects_total', 'counter', 'Times the controller came live again.', controllers.map((controller) => ({ labels: ofController(controller), value: controller.reconnects })));

  const heads = host.heads();
  const ofHead = (head: (typeof heads)[number]): Record<string, string | number> => ({ namespace: head.uuid, nsid: head.nsid });
  metric('pathproof_requeue_depth', 'gauge', 'I/Os in the requeue list.', heads.map((head) => ({ labels: ofHead(head), value: head.requeue.depth })));
  metric('pathproof_requeue_bytes', 'gauge', 'Bytes held by the requeue list.', heads.map((head) => ({ labels: ofHead(head), value: head.requeue.bytes })));
  metric('pathproof_requeue_oldest_seconds', 'gauge', 'Age of the oldest I/O in the requeue list.', heads.map((head) => ({ labels: ofHead(head), value: head.requeue.oldestUs / 1e6 })));
  metric('pathproof_requeues_total', 'counter', 'I/Os that were queued because no path was usable.', heads.map((head) => ({ labels: ofHead(head), value: head.dispatcher.requeues })));
  metric('pathproof_no_path_failures_total', 'counter', 'I/Os that failed because no path could be hoped for.', heads.map((head) => ({ labels: ofHead(head), value: head.dispatcher.noPathFailures })));

  const paths = heads.flatMap((head) => head.paths.map((path) => ({ path, labels: { ...ofHead(head), path: path.name, controller: path.controllerName, gateway: path.gateway } })));
  metric('pathproof_path_ana_state', 'gauge', 'ANA state of a path: 1 for the state that holds.', paths.flatMap(({ path, labels }) =>
    anaStates.map((state) => ({ labels: { ...labels, state }, value: Number(path.ana === state) }))));
  metric('pathproof_path_usable', 'gauge', 'The head may send I/O on the path.', paths.map(({ path, labels }) => ({ labels, value: Number(path.usable) })));
  metric('pathproof_path_inflight', 'gauge', 'Commands of a path that have not ended.', paths.map(({ path, labels }) => ({ labels, value: path.inflight })));
  metric('pathproof_path_sends_total', 'counter', 'Commands sent on a path.', paths.map(({ path, labels }) => ({ labels, value: path.sends })));
  metric('pathproof_path_failovers_total', 'counter', 'Commands that left a path for another one.', paths.map(({ path, labels }) => ({ labels, value: path.failovers })));
  metric('pathproof_path_retries_total', 'counter', 'Commands tried again on a path.', paths.map(({ path, labels }) => ({ labels, value: path.retries })));
  metric('pathproof_path_errors_total', 'counter', 'Commands answered with an error.', paths.map(({ path, labels }) => ({ labels, value: path.errors })));
  return `${lines.join('\n')}\n`;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
